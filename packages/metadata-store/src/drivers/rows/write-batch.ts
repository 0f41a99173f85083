import type { BlobId, BucketId } from '../../records.ts'
import type { Databases } from './databases.ts'
import type { RowWriter } from './row.ts'
import type { Table } from './table.ts'

/** What a version adds to a bucket's counters. */
export interface CountedVersion {
  readonly isDeleteMarker: boolean
  readonly sizeBytes: number
}

/**
 * The changes of one write transaction. A change checks all that it depends on before its first write; counters are asked
 * for before it too, and adding to them can't fail.
 */
export interface WriteBatch {
  readonly databases: Databases
  readonly rows: RowWriter

  put(table: Table, key: Buffer, value: Uint8Array): void
  remove(table: Table, key: Buffer): void

  /** META_BUCKET_CHANGED if the bucket is gone or was changed since the write was planned. */
  requireBucket(bucketId: BucketId, revision: number): void
  /** No other write of this bucket is under way until this transaction has ended. */
  fenceBucket(bucketId: BucketId): void
  /** A bucket is made (revision 1) or changed; its row of `bucket-ids` is written by the caller. */
  bucketChanged(bucketId: BucketId, revision: number): void
  /** The bucket is gone, and its counters with it. */
  bucketDeleted(bucketId: BucketId): void
  /** META_WRITER_RETIRED unless the writer of a new blob is registered. */
  requireWriter(blobId: BlobId): void

  /** The counters of what the bucket holds. */
  usage(bucketId: BucketId): { add(version: CountedVersion, change: 1 | -1): void }
  /** The counter of the object keys that a key seals. */
  keyUse(keyRef: string): { add(change: 1 | -1): void }
  /** The number of a new event: of the events of one object key, the later one has the greater number. */
  nextEventNumber(): number
}
