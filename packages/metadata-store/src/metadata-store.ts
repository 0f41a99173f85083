import type {
  BlobId,
  BlobRef,
  BucketId,
  BucketRecord,
  EventId,
  ListedVersion,
  OutboxEntry,
  OutboxEvent,
  PartRecord,
  QueueTotals,
  Quota,
  TableName,
  TableRecord,
  UploadRecord,
  Usage,
  UsageScope,
  VersionBody,
  VersionId,
  VersioningState,
  VersionRecord,
  WriterId,
} from './records.ts'

/** Which version of a key: the current one, the null version, or one by id. */
export type VersionSelector = 'current' | 'null' | { readonly versionId: VersionId }

export interface CommitVersion {
  readonly bucketId: BucketId
  /** Revision of the bucket record that the write was planned with. */
  readonly bucketRevision: number
  readonly version: Omit<VersionRecord, 'bodyKind'>
  readonly body: VersionBody
  /** Compare-and-set on the key's current (not deleted) version; absent: whatever it is. */
  readonly expectedCurrent?: VersionId | 'none'
  /** The multipart upload that this version ends: it and all its parts go in the same commit. */
  readonly completesUpload?: {
    readonly uploadId: string
    /** Parts as read when the version was planned; a part replaced since then fails with META_UPLOAD_CHANGED. */
    readonly parts: readonly { readonly partNumber: number; readonly blobId: BlobId }[]
  }
  /** The version of another key whose place this one takes: it goes in the same commit, and its blobs, this one's now, stay. */
  readonly renames?: {
    readonly key: string
    readonly versionId: VersionId
    /** Its `sealed` as it was when this version was planned. */
    readonly expectedSealed: Uint8Array
  }
  /** The null version of this key that this one replaces: its blobs stay, as the first of this one's. */
  readonly appendsTo?: {
    readonly versionId: VersionId
    /** Its `sealed` as it was when this version was planned. */
    readonly expectedSealed: Uint8Array
  }
  /** Go into the outbox in the same commit; absent: none, and nothing is written for them. */
  readonly events?: readonly OutboxEvent[]
}

export interface CommittedVersion {
  /** Blobs that the commit made garbage: the caller deletes them and then calls forgetGarbage. */
  readonly garbage: readonly BlobId[]
}

export interface RemovedVersion extends CommittedVersion {
  /** The version that was removed, or undefined where there was none: removing nothing succeeds, as S3 has it. */
  readonly removed?: { readonly versionId: VersionId; readonly isNull: boolean; readonly isDeleteMarker: boolean }
}

export interface ListVersionsQuery {
  readonly bucketId: BucketId
  readonly prefix: string
  /** '' : none. Keys that share the text from `prefix` up to it are rolled up into one common prefix. */
  readonly delimiter: string
  /**
   * Where to go on: strictly after this key. If it ends with the delimiter and begins with the prefix, it is a common
   * prefix already shown: everything below it is skipped.
   */
  readonly afterKey: string
  /** listVersions only: with `afterKey`, strictly after this version of that key (S3 version-id-marker); '' : none. */
  readonly afterVersionId?: VersionId | 'null' | ''
  /** Entries and common prefixes together; 0 to 1,000. */
  readonly limit: number
}

export interface VersionPage {
  readonly entries: readonly ListedVersion[]
  /** In byte order; each counts as one towards the limit. */
  readonly commonPrefixes: readonly string[]
  /** More follows: give `afterKey` (and `afterVersionId`) of the next query these values. */
  readonly next?: { readonly afterKey: string; readonly afterVersionId: VersionId | 'null' | '' }
}

export interface UploadPage {
  readonly uploads: readonly UploadRecord[]
  readonly commonPrefixes: readonly string[]
  readonly next?: { readonly afterKey: string; readonly afterUploadId: string }
}

/** Where a version is. */
export interface VersionPlace {
  readonly bucketId: BucketId
  readonly key: string
  readonly versionId: VersionId
}

/** A version, or an upload in progress, whose object key a master key seals by itself. */
export interface KeyUseEntry extends VersionPlace {
  /** An upload in progress; `versionId` is the id of the upload. */
  readonly isUpload?: true
}

export interface ObjectKeyReplacement extends VersionPlace {
  /** The version's `sealed` as it was when the new one was made. */
  readonly expectedSealed: Uint8Array
  readonly keyRef: string
  readonly sealed: Uint8Array
  /** What a listing shows, where that changes too. */
  readonly summary?: Uint8Array
  /** As in CommitVersion. */
  readonly events?: readonly OutboxEvent[]
}

/** One of many: of a version, or of an upload in progress. */
export type KeyUseReplacement = ObjectKeyReplacement & KeyUseEntry

/** A version's bytes under another object key, in a body of the same kind and of the same plaintext. */
export interface BodyReplacement extends ObjectKeyReplacement {
  readonly body: VersionBody
}

/** Takes entries out of a queue, for good or into another one. */
export interface EventMove {
  readonly queue: string
  /** Those that are not in the queue are passed over: a move that is repeated changes nothing. */
  readonly ids: readonly EventId[]
  /** The queue that they come into with their ids and times; absent: they are gone. */
  readonly to?: string
  /** The entries' `note` there, clear text of at most 1,024 bytes. */
  readonly note?: string
}

export interface RecordChange {
  readonly id: string
  /** Absent: the record is deleted, if it is there. */
  readonly value?: Uint8Array
  /** As in `putRecord`. */
  readonly expectedRevision?: number
}

/**
 * Where everything but object bytes is kept. What it promises:
 *
 * 1. A method that changes something is one atomic write and is on stable storage when its promise resolves.
 * 2. A read that begins after a write was acknowledged, by any process that shares the store, sees it.
 * 3. Names sort by their UTF-8 bytes. A page costs O(page) whatever the bucket holds: common prefixes and old versions
 *    are sought past, not walked.
 * 4. `commitVersion` writes the version, the current pointer, usage and key-use counters together, or nothing.
 * 5. A blob is never both referenced and garbage, and never neither once its writer is retired: `isReferenced` and
 *    `listGarbage` are exact.
 *
 * Failures are CofferErrors with the codes in `errors.ts`. The contract suite (`@coffer/metadata-store/contract`) is the
 * specification; a driver passes it.
 */
export interface MetadataStore {
  /* Buckets. Names are global. */
  /** META_BUCKET_EXISTS if the name is taken (the error's details say the owner: `ownerAccountId`). */
  createBucket(bucket: Omit<BucketRecord, 'revision'>): Promise<BucketRecord>
  findBucket(name: string): Promise<BucketRecord | undefined>
  /** Whether a bucket of this id is there. Ids are never used again: one that is gone does not come back, and nothing more is committed to it. */
  hasBucket(id: BucketId): Promise<boolean>
  /** Replaces versioning and sealed configuration if the revision is still `expectedRevision`, else META_BUCKET_CHANGED. */
  updateBucket(
    name: string,
    expectedRevision: number,
    change: { versioning: VersioningState; sealed: Uint8Array; wrappedMetadataKey: Uint8Array },
  ): Promise<BucketRecord>
  /**
   * The same metadata key, wrapped anew: nothing else of the record changes, not its revision. META_BUCKET_CHANGED if the
   * wrapped key is not `expected` any more, META_BUCKET_NOT_FOUND.
   */
  replaceWrappedMetadataKey(name: string, id: BucketId, expected: Uint8Array, wrapped: Uint8Array): Promise<void>
  /**
   * META_BUCKET_NOT_EMPTY while it holds a version, a delete marker or an upload in progress (the error's details say `holds`:
   * `versions`, or `uploads` where there is nothing else); META_BUCKET_NOT_FOUND.
   */
  deleteBucket(name: string, id: BucketId): Promise<void>
  /** By name, strictly after `afterName`. */
  listBuckets(query: { ownerAccountId: string; prefix: string; afterName: string; limit: number }): Promise<{
    buckets: readonly BucketRecord[]
    next?: string
  }>
  /** Counters kept in each commit: what a bucket, or all buckets of an account, hold. */
  getUsage(scope: UsageScope): Promise<Usage>
  /**
   * Held to from the next commit on, exactly: of commits at once, by any process, those that fit are made. What adds nothing is
   * never refused. Absent values: no limit.
   */
  setQuota(scope: UsageScope, quota: Quota): Promise<void>
  removeQuota(scope: UsageScope): Promise<void>
  findQuota(scope: UsageScope): Promise<Quota | undefined>
  /** META_QUOTA_EXCEEDED where a commit that adds so much to the bucket would be refused at this moment. */
  checkQuotas(bucketId: BucketId, added: { versionCount: number; sizeBytes: number }): Promise<void>
  /** How many object keys of versions and of uploads in progress the key named by `keyRef` seals, kept in each commit. */
  getKeyUse(keyRef: string): Promise<number>

  /**
   * The versions and uploads in progress whose object keys a master key (`kms:` reference) seals by itself, by bucket id, key
   * and version id, strictly after `after`.
   */
  listKeyUse(query: { keyRef: string; after?: KeyUseEntry | undefined; limit: number }): Promise<readonly KeyUseEntry[]>
  /**
   * A version's sealed record made anew: the same object key sealed in another way, or other tags. Nothing that the store
   * reads changes but the key reference: not its order and not its dates.
   * META_VERSION_CHANGED: it is gone, or its record is not the expected one any more.
   */
  replaceObjectKey(replacement: ObjectKeyReplacement): Promise<void>
  /**
   * Many of these in one atomic write, each place at most once. One that is gone or has changed is left as it is, and the
   * others are made all the same: the answer says of each, in their order, whether it was made.
   */
  replaceObjectKeys(replacements: readonly KeyUseReplacement[]): Promise<readonly boolean[]>
  /**
   * The same, with other ciphertext: blobs of before that it does not name become garbage. META_VERSION_CHANGED, META_WRITER_RETIRED (a new
   * blob's writer is not registered).
   */
  replaceBody(replacement: BodyReplacement): Promise<CommittedVersion>

  /* Versions. */
  /**
   * Writes a version (or delete marker) as the newest of its key. A null version replaces the key's null version.
   * META_BUCKET_CHANGED, META_PRECONDITION_FAILED (expectedCurrent), META_VERSION_NOT_NEWEST (details.newest: make a
   * newer id), META_UPLOAD_NOT_FOUND, META_UPLOAD_CHANGED, META_VERSION_CHANGED (what it renames or appends to is gone, or its record is not
   * the expected one), META_WRITER_RETIRED (a blob's writer is not registered),
   * META_QUOTA_EXCEEDED (details say `scope`: `bucket` or `account`, and `limit`: `size` or `count`).
   */
  commitVersion(commit: CommitVersion): Promise<CommittedVersion>
  /** Undefined where there is none; a delete marker is returned as such. `withBody: false` leaves `body` out. */
  findVersion(
    bucketId: BucketId,
    key: string,
    which: VersionSelector,
    options: { withBody: boolean },
  ): Promise<{ version: VersionRecord; isLatest: boolean; body?: VersionBody } | undefined>
  /** The records of many versions, in the order of their places; undefined where there is none. */
  findVersions(places: readonly VersionPlace[]): Promise<readonly (VersionRecord | undefined)[]>
  /**
   * Removes a version for good. META_BUCKET_CHANGED, META_PRECONDITION_FAILED; META_VERSION_CHANGED: its record is not
   * `expectedSealed` any more.
   */
  removeVersion(removal: {
    bucketId: BucketId
    bucketRevision: number
    key: string
    which: VersionSelector
    expectedCurrent?: VersionId | 'none'
    expectedSealed?: Uint8Array
    /** Only where a version is removed. */
    events?: readonly OutboxEvent[]
  }): Promise<RemovedVersion>
  /** Current versions that are not delete markers, one per key. */
  listCurrent(query: ListVersionsQuery): Promise<VersionPage>
  /** All versions and delete markers: keys ascending, newest version first. */
  listVersions(query: ListVersionsQuery): Promise<VersionPage>

  /* Multipart uploads. */
  createUpload(bucketId: BucketId, bucketRevision: number, upload: UploadRecord): Promise<void>
  findUpload(bucketId: BucketId, key: string, uploadId: string): Promise<UploadRecord | undefined>
  /** Adds a part or replaces the part of that number. META_UPLOAD_NOT_FOUND, META_WRITER_RETIRED, META_QUOTA_EXCEEDED. */
  putPart(bucketId: BucketId, key: string, uploadId: string, part: PartRecord): Promise<CommittedVersion>
  /** Ascending, strictly after `afterPartNumber`. META_UPLOAD_NOT_FOUND. */
  listParts(query: {
    bucketId: BucketId
    key: string
    uploadId: string
    afterPartNumber: number
    limit: number
  }): Promise<{ parts: readonly PartRecord[]; more: boolean }>
  /** META_UPLOAD_NOT_FOUND. */
  abortUpload(bucketId: BucketId, key: string, uploadId: string): Promise<CommittedVersion>
  /** By key, then by upload id (oldest first); after (afterKey, afterUploadId), where '' as afterUploadId skips the whole key. */
  listUploads(query: {
    bucketId: BucketId
    prefix: string
    delimiter: string
    afterKey: string
    afterUploadId: string
    limit: number
  }): Promise<UploadPage>

  /* Blobs: who may write them, which are referenced, which are to be deleted. */
  registerWriter(writerId: WriterId): Promise<void>
  /** From now on every commit that brings a blob of this writer fails: its unreferenced blobs are garbage. */
  retireWriter(writerId: WriterId): Promise<void>
  listWriters(): Promise<readonly WriterId[]>
  /** Whether a version or a part refers to it. */
  isReferenced(blobId: BlobId): Promise<boolean>
  /** Blobs that commits have dropped and nobody has yet reported deleted, in blob id order; strictly after `afterBlobId`, if given. */
  listGarbage(limit: number, afterBlobId?: BlobId): Promise<readonly BlobId[]>
  forgetGarbage(blobIds: readonly BlobId[]): Promise<void>
  /** Every blob that a version or part refers to, in blob id order, strictly after `afterBlobId`: for the scrubber. */
  listReferencedBlobs(afterBlobId: string, limit: number): Promise<readonly BlobRef[]>

  /*
   * The outbox: queues of events, each committed with the change that it tells of. Ids ascend in the order of commits of one
   * object key; an entry of another key may appear before one that was already seen. So whoever empties a queue lists it from
   * its beginning, and takes out what is delivered.
   */
  /** Events that belong to no change of a version. One atomic write. */
  appendEvents(events: readonly OutboxEvent[]): Promise<void>
  /** By id, strictly after `afterId` ('': from the beginning). */
  listEvents(query: { queue: string; afterId: EventId | ''; limit: number }): Promise<readonly OutboxEntry[]>
  /** All of them in one atomic write; returns how many there were. */
  moveEvents(move: EventMove): Promise<number>
  /** How many entries a queue holds; stops counting at `countMax`. */
  countEvents(queue: string, countMax: number): Promise<number>
  /** Kept in each commit; nothing is counted. */
  getQueueTotals(queue: string): Promise<QueueTotals>
  /** The queues that hold something, in byte order. */
  listEventQueues(): Promise<readonly string[]>

  /* Small records of other services. */
  findRecord(table: TableName, id: string): Promise<TableRecord | undefined>
  /** `expectedRevision` 0: must not exist yet; absent: whatever it is. META_RECORD_CHANGED. */
  putRecord(table: TableName, id: string, value: Uint8Array, expectedRevision?: number): Promise<TableRecord>
  deleteRecord(table: TableName, id: string): Promise<void>
  /** All of these in one atomic write, or none of them: META_RECORD_CHANGED names the first (details.id) that is not as expected. */
  changeRecords(table: TableName, changes: readonly RecordChange[]): Promise<void>
  /** In byte order of the id, strictly after `afterId`. */
  listRecords(
    table: TableName,
    query: { prefix: string; afterId: string; limit: number },
  ): Promise<readonly TableRecord[]>

  close(): Promise<void>
}
