import type { BlobId, BucketId, BucketRecord, Quota, Usage, UsageScope } from '../../records.ts'
import type { Databases } from './databases.ts'
import type { RowWriter } from './row.ts'
import type { Table } from './table.ts'

/** What a write adds to the counters of its bucket and of the account that owns it; negative: takes away. */
export type UsageChange = Partial<Usage>

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
  bucketChanged(bucket: Pick<BucketRecord, 'id' | 'revision' | 'ownerAccountId'>): void
  /** The bucket is gone, and its counters with it. */
  bucketDeleted(bucketId: BucketId): void
  /** META_WRITER_RETIRED unless the writer of a new blob is registered. */
  requireWriter(blobId: BlobId): void

  /** The account that owns a bucket. */
  accountOf(bucketId: BucketId): string
  /** Of the bucket, and of its account: those that there are. */
  quotasOf(bucketId: BucketId): readonly { readonly scope: UsageScope; readonly quota: Quota }[]
  /** The counters of what the bucket, and its account, hold. */
  usage(bucketId: BucketId): { add(change: UsageChange): void }
  /** As it is with what this transaction has added; where the scope has a quota, no other transaction adds to it meanwhile. */
  usageOf(scope: UsageScope): Usage
  /** The counter of the object keys that a key seals, or of what a queue holds. */
  counter(name: string): { add(change: number): void }
  /** The number of a new event: of the events of one object key, the later one has the greater number. */
  nextEventNumber(): number
}
