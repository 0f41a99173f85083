import { metadataError } from '../../errors.ts'
import type { BucketId, Quota, Usage, UsageScope } from '../../records.ts'
import { readBucketById } from './bucket-row.ts'
import type { Databases } from './databases.ts'
import { recordKey } from './records.ts'
import { RowReader } from './row.ts'
import { readRow } from './table.ts'
import { assertUint48 } from './version-row.ts'
import type { WriteBatch } from './write-batch.ts'

/*
 * Quotas are rows of `records`, in a table of their own: id `bucket/<bucket id>` or `account/<account id>`; value: flags (1): 01
 * bytes, 02 versions, then those that are limited (6 each).
 */
const FLAG_SIZE = 0x01
const FLAG_COUNT = 0x02

/** What a write adds, replaced versions taken off. */
export interface Addition {
  readonly versionCount: number
  /** Of versions and of parts together. */
  readonly sizeBytes: number
}

export function quotaKey(scope: UsageScope): Buffer {
  return recordKey('quotas', 'bucketId' in scope ? `bucket/${scope.bucketId}` : `account/${scope.accountId}`)
}

export function setQuota(batch: WriteBatch, scope: UsageScope, { sizeBytesMax, versionCountMax }: Quota): void {
  for (const max of [sizeBytesMax, versionCountMax]) if (max !== undefined) assertUint48(max, 'a quota')
  const key = quotaKey(scope)
  const flags = (sizeBytesMax === undefined ? 0 : FLAG_SIZE) | (versionCountMax === undefined ? 0 : FLAG_COUNT)
  const row = batch.rows.begin().uint8(flags)
  if (sizeBytesMax !== undefined) row.uint48(sizeBytesMax)
  if (versionCountMax !== undefined) row.uint48(versionCountMax)
  batch.put(batch.databases.records, key, row.finish(key))
}

export function removeQuota(batch: WriteBatch, scope: UsageScope): void {
  batch.remove(batch.databases.records, quotaKey(scope))
}

export function findQuota(databases: Databases, scope: UsageScope): Quota | undefined {
  const key = quotaKey(scope)
  const row = readRow(databases.records, key)
  return row && decodeQuota(key, row).quota
}

export function decodeQuota(key: Buffer, row: Buffer): { scope: UsageScope; quota: Quota } {
  const [kind, id = ''] = key.toString('utf8', 1).split('/', 2)
  const reader = new RowReader('quota', row, key)
  const flags = reader.uint8()
  if ((flags & ~(FLAG_SIZE | FLAG_COUNT)) !== 0) reader.fail('unknown flags')
  const quota = {
    ...((flags & FLAG_SIZE) !== 0 && { sizeBytesMax: reader.uint48() }),
    ...((flags & FLAG_COUNT) !== 0 && { versionCountMax: reader.uint48() }),
  }
  reader.done()
  return { scope: kind === 'bucket' ? { bucketId: id } : { accountId: id }, quota }
}

/** Whose quotas a write to the bucket is held to: the bucket's, and that of its owner. */
export function scopesOf(databases: Databases, bucketId: BucketId): readonly UsageScope[] {
  const bucket = readBucketById(databases, bucketId)
  return bucket ? [{ bucketId }, { accountId: bucket.ownerAccountId }] : []
}

export function quotasAmong(
  databases: Databases,
  scopes: readonly UsageScope[],
): { scope: UsageScope; quota: Quota }[] {
  return scopes.flatMap((scope) => {
    const quota = findQuota(databases, scope)
    return quota === undefined ? [] : [{ scope, quota }]
  })
}

/** Before the first write of a change. META_QUOTA_EXCEEDED unless the bucket and its account have room for what is added. */
export function requireRoom(batch: WriteBatch, bucketId: BucketId, added: Addition): void {
  if (added.versionCount <= 0 && added.sizeBytes <= 0) return
  for (const { scope, quota } of batch.quotasOf(bucketId)) assertFits(scope, quota, batch.usageOf(scope), added)
}

export function assertFits(scope: UsageScope, quota: Quota, usage: Usage, added: Addition): void {
  const { sizeBytesMax = Number.POSITIVE_INFINITY, versionCountMax = Number.POSITIVE_INFINITY } = quota
  const holdsBytes = usage.sizeBytes + usage.partSizeBytes
  const exceeds = (max: number, holds: number, adds: number) => adds > 0 && holds + adds > max
  const limit = exceeds(sizeBytesMax, holdsBytes, added.sizeBytes)
    ? 'size'
    : exceeds(versionCountMax, usage.versionCount, added.versionCount)
      ? 'count'
      : undefined
  if (limit === undefined) return
  throw metadataError('META_QUOTA_EXCEEDED', { scope: 'bucketId' in scope ? 'bucket' : 'account', limit })
}
