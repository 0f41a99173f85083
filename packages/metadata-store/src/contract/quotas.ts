import { describe, expect, test } from 'vitest'
import type { BucketRecord } from '../records.ts'
import type { StoreUnderTest } from './fixtures.ts'
import {
  blobBody,
  bucketFields,
  commitOf,
  newBlobId,
  newBucket,
  newWriter,
  partOf,
  put,
  refused,
  uploadOf,
} from './fixtures.ts'

const NOTHING = { versionCount: 0, deleteMarkerCount: 0, sizeBytes: 0, partSizeBytes: 0 }

export function quotasContract(under: StoreUnderTest): void {
  const usageOf = (bucket: BucketRecord) => under.store.getUsage({ bucketId: bucket.id })

  describe('usage', () => {
    test('of an account is that of all its buckets, and of no other', async () => {
      const one = await newBucket(under.store, 'one')
      const two = await newBucket(under.store, 'two')
      const other = await under.store.createBucket(bucketFields('other', { ownerAccountId: 'account-2' }))
      await put(under.store, one, 'a', { sizeBytes: 10 })
      await put(under.store, two, 'a', { sizeBytes: 7 })
      await put(under.store, two, 'a', { isDeleteMarker: true })
      await put(under.store, other, 'a', { sizeBytes: 1 })
      const usage = { versionCount: 2, deleteMarkerCount: 1, sizeBytes: 17, partSizeBytes: 0 }
      expect(await under.store.getUsage({ accountId: 'account-1' })).toEqual(usage)
      expect(await under.store.getUsage({ accountId: 'account-2' })).toMatchObject({ versionCount: 1, sizeBytes: 1 })
      expect(await under.store.getUsage({ accountId: 'account-3' })).toEqual(NOTHING)
      await under.reopen()
      expect(await under.store.getUsage({ accountId: 'account-1' })).toEqual(usage)
    })

    test('of an account is nothing again when its buckets are emptied and deleted', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'a', { sizeBytes: 10 })
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'a', which: 'current' as const }
      await under.store.removeVersion(removal)
      await under.store.deleteBucket(bucket.name, bucket.id)
      expect(await under.store.getUsage({ accountId: 'account-1' })).toEqual(NOTHING)
      expect(await usageOf(bucket)).toEqual(NOTHING)
    })

    test('counts the parts of uploads in progress, until they end one way or the other', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const uploads = [uploadOf('kept'), uploadOf('aborted')]
      for (const upload of uploads) await under.store.createUpload(bucket.id, 1, upload)
      const [kept, aborted] = uploads.map(({ uploadId }) => uploadId) as [string, string]
      const part = partOf(1, newBlobId(writer), 100)
      await under.store.putPart(bucket.id, 'kept', kept, part)
      await under.store.putPart(bucket.id, 'kept', kept, part)
      await under.store.putPart(bucket.id, 'kept', kept, partOf(2, newBlobId(writer), 50))
      await under.store.putPart(bucket.id, 'aborted', aborted, partOf(1, newBlobId(writer), 7))
      await under.store.putPart(bucket.id, 'aborted', aborted, partOf(1, newBlobId(writer), 8))
      expect(await usageOf(bucket)).toEqual({ ...NOTHING, partSizeBytes: 158 })
      expect(await under.store.getUsage({ accountId: 'account-1' })).toEqual({ ...NOTHING, partSizeBytes: 158 })
      await under.store.abortUpload(bucket.id, 'aborted', aborted)
      const completesUpload = { uploadId: kept, parts: [{ partNumber: 1, blobId: part.blob.blobId }] }
      await put(under.store, bucket, 'kept', { body: blobBody(part.blob.blobId), completesUpload, sizeBytes: 100 })
      expect(await usageOf(bucket)).toEqual({ ...NOTHING, versionCount: 1, sizeBytes: 100 })
      expect(await under.store.getUsage({ accountId: 'account-1' })).toMatchObject({ sizeBytes: 100, partSizeBytes: 0 })
    })
  })

  describe('quotas', () => {
    test('are found as they were set, go with their bucket, and survive', async () => {
      const bucket = await newBucket(under.store)
      const scope = { bucketId: bucket.id }
      expect(await under.store.findQuota(scope)).toBeUndefined()
      await under.store.setQuota(scope, { sizeBytesMax: 5 })
      expect(await under.store.findQuota(scope)).toEqual({ sizeBytesMax: 5 })
      await under.store.setQuota({ accountId: 'account-1' }, { versionCountMax: 0, sizeBytesMax: 2 ** 47 })
      await under.reopen()
      expect(await under.store.findQuota({ accountId: 'account-1' })).toEqual({
        versionCountMax: 0,
        sizeBytesMax: 2 ** 47,
      })
      await under.store.removeQuota({ accountId: 'account-1' })
      expect(await under.store.findQuota({ accountId: 'account-1' })).toBeUndefined()
      await under.store.deleteBucket(bucket.name, bucket.id)
      expect(await under.store.findQuota(scope)).toBeUndefined()
      await expect(under.store.setQuota(scope, { sizeBytesMax: -1 })).rejects.toThrow()
    })

    test('of a bucket: bytes and versions up to it fit, and no more', async () => {
      const bucket = await newBucket(under.store)
      await under.store.setQuota({ bucketId: bucket.id }, { sizeBytesMax: 100, versionCountMax: 3 })
      await put(under.store, bucket, 'a', { sizeBytes: 60 })
      const large = under.store.commitVersion(commitOf(bucket, 'b', { sizeBytes: 41 }))
      expect(await refused(large, 'META_QUOTA_EXCEEDED')).toEqual({ scope: 'bucket', limit: 'size' })
      await put(under.store, bucket, 'b', { sizeBytes: 40 })
      await put(under.store, bucket, 'c', { sizeBytes: 0 })
      const fourth = under.store.commitVersion(commitOf(bucket, 'd', { sizeBytes: 0 }))
      expect(await refused(fourth, 'META_QUOTA_EXCEEDED')).toEqual({ scope: 'bucket', limit: 'count' })
      await put(under.store, bucket, 'c', { isDeleteMarker: true })
      expect(await usageOf(bucket)).toEqual({ versionCount: 3, deleteMarkerCount: 1, sizeBytes: 100, partSizeBytes: 0 })
      await under.store.removeQuota({ bucketId: bucket.id })
      await put(under.store, bucket, 'd', { sizeBytes: 1_000 })
    })

    test('of an account count all its buckets', async () => {
      const one = await newBucket(under.store, 'one')
      const two = await newBucket(under.store, 'two')
      await under.store.setQuota({ accountId: 'account-1' }, { sizeBytesMax: 10 })
      await put(under.store, one, 'a', { sizeBytes: 6 })
      const more = under.store.commitVersion(commitOf(two, 'a', { sizeBytes: 5 }))
      expect(await refused(more, 'META_QUOTA_EXCEEDED')).toEqual({ scope: 'account', limit: 'size' })
      await put(under.store, two, 'a', { sizeBytes: 4 })
      const other = await under.store.createBucket(bucketFields('other', { ownerAccountId: 'account-2' }))
      await put(under.store, other, 'a', { sizeBytes: 50 })
    })

    test('a write that adds nothing is taken, also when there is more than the quota already', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'a', { sizeBytes: 60, isNull: true })
      await under.store.setQuota({ bucketId: bucket.id }, { sizeBytesMax: 50, versionCountMax: 0 })
      await put(under.store, bucket, 'a', { sizeBytes: 60, isNull: true })
      await put(under.store, bucket, 'a', { sizeBytes: 55, isNull: true })
      const larger = under.store.commitVersion(commitOf(bucket, 'a', { sizeBytes: 56, isNull: true }))
      await refused(larger, 'META_QUOTA_EXCEEDED')
      expect(await usageOf(bucket)).toMatchObject({ versionCount: 1, sizeBytes: 55 })
    })

    test('count parts, so that the upload which they end never fails for its bytes', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      await under.store.setQuota({ bucketId: bucket.id }, { sizeBytesMax: 100 })
      const upload = uploadOf('key')
      await under.store.createUpload(bucket.id, 1, upload)
      const putPart = (part: ReturnType<typeof partOf>) => under.store.putPart(bucket.id, 'key', upload.uploadId, part)
      const first = partOf(1, newBlobId(writer), 60)
      await putPart(first)
      const strange = newBlobId(writer)
      await refused(putPart(partOf(2, strange, 41)), 'META_QUOTA_EXCEEDED')
      expect(await under.store.isReferenced(strange)).toBe(false)
      const second = partOf(2, newBlobId(writer), 40)
      await putPart(second)
      await refused(under.store.commitVersion(commitOf(bucket, 'other', { sizeBytes: 1 })), 'META_QUOTA_EXCEEDED')
      const parts = [first, second].map(({ partNumber, blob: { blobId } }) => ({ partNumber, blobId }))
      const body = blobBody(...parts.map(({ blobId }) => blobId))
      const completesUpload = { uploadId: upload.uploadId, parts }
      await put(under.store, bucket, 'key', { body, completesUpload, sizeBytes: 100 })
      expect(await usageOf(bucket)).toEqual({ ...NOTHING, versionCount: 1, sizeBytes: 100 })
    })

    test('of commits at once exactly those that fit are made', async () => {
      const buckets = [await newBucket(under.store, 'one'), await newBucket(under.store, 'two')] as const
      await under.store.setQuota({ accountId: 'account-1' }, { sizeBytesMax: 200 })
      await under.store.setQuota({ bucketId: buckets[0].id }, { sizeBytesMax: 50 })
      const commits = Array.from({ length: 120 }, (_, index) =>
        under.store.commitVersion(commitOf(buckets[index % 2] as BucketRecord, `key-${index}`, { sizeBytes: 10 })),
      )
      const outcomes = await Promise.allSettled(commits)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
      expect(await usageOf(buckets[0])).toMatchObject({ versionCount: 5, sizeBytes: 50 })
      expect(await usageOf(buckets[1])).toMatchObject({ versionCount: 15, sizeBytes: 150 })
    })

    test('can be asked beforehand', async () => {
      const bucket = await newBucket(under.store)
      const check = (sizeBytes: number) => under.store.checkQuotas(bucket.id, { versionCount: 1, sizeBytes })
      await check(1_000)
      await under.store.setQuota({ accountId: 'account-1' }, { sizeBytesMax: 100 })
      await put(under.store, bucket, 'a', { sizeBytes: 60 })
      await check(40)
      expect(await refused(check(41), 'META_QUOTA_EXCEEDED')).toEqual({ scope: 'account', limit: 'size' })
      await under.store.setQuota({ bucketId: bucket.id }, { versionCountMax: 1 })
      expect(await refused(check(0), 'META_QUOTA_EXCEEDED')).toEqual({ scope: 'bucket', limit: 'count' })
    })
  })
}
