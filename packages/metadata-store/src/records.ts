/**
 * What the metadata store keeps. The store reads the clear fields; `sealed` and `summary` are opaque to it: they are
 * sealed and authenticated (over the clear fields too) by the gateway with `@coffer/crypto-core`.
 * Everything here crosses the mesh as CBOR, so it holds only plain data.
 */

/** 32 lower-case hex characters, random. Never reused, so that a bucket made again under an old name is another bucket. */
export type BucketId = string

/**
 * 32 lower-case hex characters = 16 bytes: 48-bit milliseconds since 1970, then 80 random bits (the layout of a ULID).
 * Byte order is age order. Whoever writes a version makes its id (so that seals can be bound to it); the store refuses
 * one that is not newer than the key's newest version, and the writer makes a newer one.
 */
export type VersionId = string

/**
 * `<writerId>-<24 hex>`, and `-<2 hex>` where it is not in the first blob store: unique for ever. The writer part says whose
 * unfinished work an unreferenced blob was.
 */
export type BlobId = string

/** 16 hex characters; a process that writes blobs. Registered before its first blob, retired when it is known dead. */
export type WriterId = string

/** Bucket versioning: 'unversioned' (never enabled), 'enabled' or 'suspended' (S3 API, PutBucketVersioning). */
export type VersioningState = 'unversioned' | 'enabled' | 'suspended'

export interface BucketRecord {
  readonly name: string
  readonly id: BucketId
  readonly ownerAccountId: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly versioning: VersioningState
  /** Counts changes of this record, from 1. A commit planned under an older revision is refused with META_BUCKET_CHANGED. */
  readonly revision: number
  /** The bucket's metadata key, wrapped by the KMS. Opaque. */
  readonly wrappedMetadataKey: Uint8Array
  /** The rest of its configuration (encryption default, region, later policy, CORS...), sealed over the clear fields. */
  readonly sealed: Uint8Array
}

/** What a bucket, or all buckets of an account, hold. Bytes are those of the plaintext. */
export interface Usage {
  /** Object versions, current or not; delete markers left out. */
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
  /** Of the parts of uploads in progress. */
  readonly partSizeBytes: number
}

/** Whose usage, and whose quota: a bucket's, or that of all buckets that an account owns. */
export type UsageScope = { readonly bucketId: BucketId } | { readonly accountId: string }

/** The most that a bucket or an account may hold; what is absent has no limit. */
export interface Quota {
  /** Of versions, and of parts of uploads in progress, together. */
  readonly sizeBytesMax?: number
  /** Object versions, current or not; delete markers left out. */
  readonly versionCountMax?: number
}

export interface BlobRef {
  readonly blobId: BlobId
  /** Size of the stored ciphertext, bytes. */
  readonly storedSizeBytes: number
}

/** Where a version's bytes are. `inline`: beside the record. `blobs`: in the blob store, one per part, in order. */
export type VersionBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'blobs'
      readonly blobs: readonly BlobRef[]
      /** Part numbers, plaintext sizes and stream salts, sealed by the gateway. Opaque. */
      readonly manifest: Uint8Array
    }

export interface VersionRecord {
  readonly key: string
  readonly versionId: VersionId
  /** The `null` version of its key: written while versioning was not enabled. At most one per key. */
  readonly isNull: boolean
  readonly isDeleteMarker: boolean
  /** Milliseconds since 1970. */
  readonly lastModifiedAt: number
  /** Plaintext size in bytes. */
  readonly sizeBytes: number
  readonly bodyKind: VersionBody['kind']
  /** Names the key that seals the object key, for the key-use counters: '' where there is none (delete marker, SSE-C). */
  readonly keyRef: string
  /** Object key seal, ETag, checksums, user metadata... sealed over the clear fields. Opaque. */
  readonly sealed: Uint8Array
  /** What a listing shows beside the clear fields (ETag, checksum algorithm), sealed so that a page opens at once. Opaque. */
  readonly summary: Uint8Array
}

/** What a listing returns for a version; `isLatest` is derived, not stored. */
export interface ListedVersion {
  readonly key: string
  readonly versionId: VersionId
  readonly isNull: boolean
  readonly isDeleteMarker: boolean
  readonly isLatest: boolean
  readonly lastModifiedAt: number
  readonly sizeBytes: number
  readonly summary: Uint8Array
}

export interface UploadRecord {
  readonly key: string
  /** Same form as a VersionId. */
  readonly uploadId: string
  readonly initiatedAt: number
  /** Account that initiated it. */
  readonly ownerAccountId: string
  /** Names the key that seals its object key, as with a version; '' also for one that an older Coffer began. */
  readonly keyRef: string
  readonly sealed: Uint8Array
}

export interface PartRecord {
  /** 1 to 10,000. */
  readonly partNumber: number
  readonly lastModifiedAt: number
  /** Plaintext size in bytes. */
  readonly sizeBytes: number
  readonly blob: BlobRef
  /** ETag, checksums, stream salt, sealed. Opaque. */
  readonly sealed: Uint8Array
}

/** 16 lower-case hex characters. Of the events of one object key, the later one has the greater id. */
export type EventId = string

/** An event that a change makes, for one queue of the outbox. An event for several is given once for each. */
export interface OutboxEvent {
  /** 1 to 256 bytes, no NUL. */
  readonly queue: string
  /** Sealed by whoever makes the change. Opaque; at most 64 KiB. */
  readonly payload: Uint8Array
  /** Of what has to be done for it; its queue tells the sum. Absent: nobody asks for the totals of that queue. */
  readonly weightBytes?: number
}

/** Of the entries of a queue that have a weight. */
export interface QueueTotals {
  readonly entryCount: number
  readonly weightBytes: number
}

export interface OutboxEntry {
  readonly id: EventId
  readonly payload: Uint8Array
  /** When it was committed, by the clock of the store, milliseconds since 1970. */
  readonly createdAt: number
  /** Why it came into this queue; '' as committed. */
  readonly note: string
  readonly weightBytes?: number
}

/** A small record of a service that keeps its state here (`iam`, `keys`, `bucket-keys`, `jobs`, `events`, `store`). `value` is sealed by its owner where it is secret. */
export interface TableRecord {
  readonly id: string
  readonly value: Uint8Array
  /** Counts changes, from 1. */
  readonly revision: number
}

export type TableName = 'iam' | 'keys' | 'bucket-keys' | 'jobs' | 'events' | 'store'
