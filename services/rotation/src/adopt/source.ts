import type { ChecksumAlgorithm, ChecksumType, ObjectLock, Tags } from '@coffer/s3-protocol'

/** A version (or delete marker) as the source lists it. */
export interface SourceVersion {
  readonly key: string
  /** Only in a listing of versions; `null` for one that was written without versioning. */
  readonly versionId?: string
  readonly isDeleteMarker: boolean
  /** Milliseconds since 1970. */
  readonly lastModifiedAt: number
  readonly sizeBytes: number
  /** Without quotes; '' for a delete marker. */
  readonly etag: string
}

/** All of one key that is to be taken, the oldest first. */
export interface SourceKey {
  readonly key: string
  readonly versions: readonly SourceVersion[]
}

/** What the source tells of an object beside its bytes. */
export interface SourceObject {
  readonly sizeBytes: number
  readonly etag: string
  /** Whether its ETag is made of MD5s: not with SSE-KMS, where it is anything (S3 API, "Object"). */
  readonly hasMd5Etag: boolean
  /** As a write would give them: content type and its kin, x-amz-meta-. */
  readonly headers: Readonly<Record<string, string>>
  readonly lock?: ObjectLock
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType; readonly value: string }
  /** How many parts it has, where the source tells their sizes; absent: it was put whole, or nobody knows. */
  readonly partCount?: number
}

export interface PartPlace {
  /** From 1. */
  readonly number: number
  readonly offsetBytes: number
}

export interface SourceBody {
  readonly sizeBytes: number
  /** Goes on where a connection breaks. Rejects as the source's other methods do. */
  readonly pieces: AsyncIterable<Uint8Array>
}

export interface SourceQuery {
  readonly prefix: string
  /** Strictly after this key; '': from the beginning. */
  readonly afterKey: string
}

/**
 * A bucket whose objects are adopted. It is only read. Failures are ROTATION_SOURCE_UNAVAILABLE (to be tried again),
 * ROTATION_SOURCE_REFUSED (it does not give this), ROTATION_SOURCE_NEEDS_KEY (SSE-C) and ROTATION_SOURCE_CHANGED.
 */
export interface AdoptSource {
  /** Whether it answers, and lets itself be listed. */
  check(query: SourceQuery): Promise<void>
  /** Current objects; keys ascending. */
  listObjects(query: SourceQuery): AsyncIterable<SourceVersion>
  /** Versions and delete markers; keys ascending, the newest of a key first. */
  listVersions(query: SourceQuery): AsyncIterable<SourceVersion>
  describe(version: SourceVersion): Promise<SourceObject>
  read(version: SourceVersion, object: SourceObject, part?: PartPlace): Promise<SourceBody>
  findTags(version: SourceVersion): Promise<Tags>
  close(): void
}
