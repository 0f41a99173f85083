import { invariant } from '@coffer/errors'
import { metadataError } from '../../errors.ts'
import type { BucketRecord } from '../../records.ts'
import { bucketMissing, encodeBucket, encodeBucketId, readBucket } from './bucket-row.ts'
import type { Databases } from './databases.ts'
import { idBytes, nameKey } from './keys.ts'
import { removeQuota } from './quotas.ts'
import { scan } from './table.ts'
import { assertUint48 } from './version-row.ts'
import type { WriteBatch } from './write-batch.ts'

const MARK = Buffer.from([1])

export function createBucket(batch: WriteBatch, bucket: Omit<BucketRecord, 'revision'>): BucketRecord {
  const { databases } = batch
  assertUint48(bucket.createdAt, 'createdAt')
  invariant(!databases['bucket-ids'].doesExist(idBytes(bucket.id)), 'a bucket id is never used again')
  const existing = readBucket(databases, bucket.name)
  if (existing) {
    throw metadataError('META_BUCKET_EXISTS', { bucket: bucket.name, ownerAccountId: existing.ownerAccountId })
  }
  const created = { ...bucket, revision: 1 }
  putBucket(batch, created)
  batch.put(databases['buckets-by-owner'], nameKey(created.ownerAccountId, created.name), MARK)
  return created
}

export function updateBucket(
  batch: WriteBatch,
  name: string,
  expectedRevision: number,
  change: Pick<BucketRecord, 'versioning' | 'sealed' | 'wrappedMetadataKey'>,
): BucketRecord {
  const bucket = readBucket(batch.databases, name)
  if (!bucket) throw metadataError('META_BUCKET_NOT_FOUND', { bucket: name })
  if (bucket.revision !== expectedRevision) {
    throw metadataError('META_BUCKET_CHANGED', { bucket: name, revision: bucket.revision })
  }
  const { versioning, sealed, wrappedMetadataKey } = change
  const updated = { ...bucket, versioning, sealed, wrappedMetadataKey, revision: bucket.revision + 1 }
  putBucket(batch, updated)
  return updated
}

export function replaceWrappedMetadataKey(
  batch: WriteBatch,
  name: string,
  id: string,
  keys: { readonly expected: Uint8Array; readonly wrapped: Uint8Array },
): void {
  const bucket = readBucket(batch.databases, name)
  if (bucket?.id !== id) throw metadataError('META_BUCKET_NOT_FOUND', { bucket: name })
  if (Buffer.compare(bucket.wrappedMetadataKey, keys.expected) !== 0) {
    throw metadataError('META_BUCKET_CHANGED', { bucket: name, revision: bucket.revision })
  }
  putBucket(batch, { ...bucket, wrappedMetadataKey: keys.wrapped })
}

export function deleteBucket(batch: WriteBatch, name: string, id: string): void {
  const { databases } = batch
  const bucket = readBucket(databases, name)
  if (bucket?.id !== id) throw metadataError('META_BUCKET_NOT_FOUND', { bucket: name })
  batch.fenceBucket(id)
  const prefix = idBytes(id)
  const tables = [
    ['versions', databases.versions],
    ['versions', databases.current],
    ['uploads', databases.uploads],
  ] as const
  for (const [holds, table] of tables) {
    for (const _ of scan(table, { prefix, start: prefix, limit: 1 })) {
      throw metadataError('META_BUCKET_NOT_EMPTY', { bucket: name, holds })
    }
  }
  batch.remove(databases.buckets, nameKey(name))
  batch.remove(databases['bucket-ids'], prefix)
  batch.remove(databases['buckets-by-owner'], nameKey(bucket.ownerAccountId, name))
  removeQuota(batch, { bucketId: id })
  batch.bucketDeleted(id)
}

export function listBuckets(
  databases: Databases,
  query: { ownerAccountId: string; prefix: string; afterName: string; limit: number },
): { buckets: readonly BucketRecord[]; next?: string } {
  invariant(query.limit >= 1, 'a page of buckets has a place for one')
  const owner = Buffer.concat([nameKey(query.ownerAccountId), Buffer.from([0])])
  const prefix = Buffer.concat([owner, Buffer.from(query.prefix)])
  const after = Buffer.concat([owner, Buffer.from(query.afterName), Buffer.from([0])])
  const start = query.afterName !== '' && Buffer.compare(after, prefix) > 0 ? after : prefix
  const names: string[] = []
  for (const { key } of scan(databases['buckets-by-owner'], { prefix, start, limit: query.limit + 1 })) {
    names.push(key.toString('utf8', owner.length))
  }
  const shown = names.slice(0, query.limit)
  const buckets = shown.map((name) => {
    const bucket = readBucket(databases, name)
    if (!bucket) throw bucketMissing(name)
    return bucket
  })
  const last = shown.at(-1)
  return names.length > shown.length && last !== undefined ? { buckets, next: last } : { buckets }
}

function putBucket(batch: WriteBatch, bucket: BucketRecord): void {
  batch.bucketChanged(bucket)
  batch.put(batch.databases.buckets, nameKey(bucket.name), encodeBucket(batch.rows, bucket))
  batch.put(batch.databases['bucket-ids'], idBytes(bucket.id), encodeBucketId(batch.rows, bucket))
}
