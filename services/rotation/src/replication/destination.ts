import type { Grant, LegalHold, Retention, Tags } from '@coffer/s3-protocol'

/** Where a version is, or comes to be. */
export interface SentPlace {
  readonly key: string
  /** Whose bucket it has to be; undefined: anybody's. */
  readonly account?: string
}

/** A version as it is sent: headers as S3 has them, by lower-case name. */
export interface SentObject extends SentPlace {
  readonly headers: Readonly<Record<string, string>>
  /** Sizes of the parts that it is sent in; undefined: whole. */
  readonly partSizes: readonly number[] | undefined
  /** Verified plaintext. */
  readonly body: AsyncIterable<readonly Uint8Array[]>
}

/** What is changed of a version that is there. */
export type SentChange =
  | { readonly what: 'tags'; readonly tags: Tags }
  /** `retention` undefined: it is taken away. */
  | { readonly what: 'retention'; readonly retention: Retention | undefined; readonly bypassGovernance: boolean }
  | { readonly what: 'legal-hold'; readonly legalHold: LegalHold }
  /** Beside what its owner there has. Groups only: another store has other accounts. */
  | { readonly what: 'acl'; readonly grants: readonly Grant[] }

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
  putDeleteMarker(place: SentPlace): Promise<void>
  /**
   * A lock there that holds it for longer than this change may loosen stays as it is. `replicaVersionId`: the replica here that the
   * change was made of, where the version there is its source.
   */
  changeVersion(place: SentPlace, versionId: string, change: SentChange, replicaVersionId?: string): Promise<void>
  close(): void
}
