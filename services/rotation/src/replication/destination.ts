import type { Tags } from '@coffer/s3-protocol'

/** A version as it is sent: headers as S3 has them, by lower-case name. */
export interface SentObject {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  /** Sizes of the parts that it is sent in; undefined: whole. */
  readonly partSizes: readonly number[] | undefined
  /** Verified plaintext. */
  readonly body: AsyncIterable<readonly Uint8Array[]>
}

/**
 * A bucket somewhere else that versions are replicated to. ROTATION_DESTINATION_UNAVAILABLE: to be tried again, also with other
 * versions; ROTATION_DESTINATION_REFUSED: it does not take this one.
 */
export interface ReplicationDestination {
  /** Whether the operator lets this bucket be replicated there. */
  isFor(bucket: string): boolean
  /** Whether the operator lets objects with SSE-KMS be decrypted for it. */
  readonly takesKmsObjects: boolean
  /** Returns the version id there; undefined where there are none. */
  putObject(object: SentObject): Promise<string | undefined>
  putDeleteMarker(key: string): Promise<void>
  putTags(key: string, versionId: string, tags: Tags): Promise<void>
  close(): void
}
