import { metadataError } from '../../errors.ts'
import type { BucketId, BucketRecord, VersioningState } from '../../records.ts'
import type { Databases } from './databases.ts'
import { ID_BYTES, idBytes, nameKey } from './keys.ts'
import type { KnownRows } from './known-rows.ts'
import { RowReader, type RowWriter } from './row.ts'
import { readRow } from './table.ts'

/*
 * Row of `buckets` (by name): id (16), revision (4), created (6), versioning (1), owner (2 + n), wrapped metadata key
 * (4 + n), sealed (4 + n). Row of `bucket-ids` (by id): revision (4), name (2 + n): what a commit checks.
 */
const VERSIONING_STATES: readonly VersioningState[] = ['unversioned', 'enabled', 'suspended']

export function encodeBucket(writer: RowWriter, bucket: BucketRecord): Buffer {
  return writer
    .begin()
    .hex(bucket.id)
    .uint32(bucket.revision)
    .uint48(bucket.createdAt)
    .uint8(VERSIONING_STATES.indexOf(bucket.versioning))
    .text(bucket.ownerAccountId)
    .field(bucket.wrappedMetadataKey)
    .field(bucket.sealed)
    .finish(nameKey(bucket.name))
}

export function readBucket(databases: Databases, name: string): BucketRecord | undefined {
  const key = nameKey(name)
  const row = readRow(databases.buckets, key)
  return row && decodeBucket(row, name, key)
}

/** The same, decoded once as long as it does not change. */
export function readKnownBucket(
  known: KnownRows<BucketRecord>,
  databases: Databases,
  name: string,
): BucketRecord | undefined {
  const found = known.find(
    databases.buckets,
    name,
    () => nameKey(name),
    (row, key) => decodeBucket(row, name, key),
  )
  return found?.value
}

function decodeBucket(row: Buffer, name: string, key: Buffer): BucketRecord {
  const reader = new RowReader('bucket', row, key)
  const id = reader.hex(ID_BYTES)
  const revision = reader.uint32()
  const createdAt = reader.uint48()
  const versioning = VERSIONING_STATES[reader.uint8()] ?? reader.fail('unknown versioning state')
  const ownerAccountId = reader.text()
  const wrappedMetadataKey = reader.field()
  const sealed = reader.field()
  reader.done()
  return { name, id, ownerAccountId, createdAt, versioning, revision, wrappedMetadataKey, sealed }
}

export function encodeBucketId(writer: RowWriter, bucket: BucketRecord): Buffer {
  return writer.begin().uint32(bucket.revision).text(bucket.name).finish(idBytes(bucket.id))
}

export function readBucketRevision(databases: Databases, id: BucketId): number | undefined {
  const key = idBytes(id)
  const row = readRow(databases['bucket-ids'], key)
  if (!row) return undefined
  const reader = new RowReader('bucket', row, key)
  const revision = reader.uint32()
  reader.text()
  reader.done()
  return revision
}

/** Undefined: there is no such bucket. */
export function readBucketById(databases: Databases, id: BucketId): BucketRecord | undefined {
  const key = idBytes(id)
  const row = readRow(databases['bucket-ids'], key)
  if (!row) return undefined
  const reader = new RowReader('bucket', row, key)
  reader.uint32()
  const name = reader.text()
  reader.done()
  const bucket = readBucket(databases, name)
  if (bucket?.id !== id) throw bucketMissing(name)
  return bucket
}

/** A bucket that the index by owner or by id names but that has no row of its own. */
export function bucketMissing(name: string): Error {
  return metadataError('META_RECORD_DAMAGED', { row: 'bucket', reason: 'indexed but missing', bucket: name })
}
