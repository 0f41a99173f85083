import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { BucketRecord } from '../records.ts'
import { bucketFields, commitOf, newBucket, plain, put, refused, type StoreUnderTest, uploadOf } from './fixtures.ts'

export function bucketsContract(under: StoreUnderTest): void {
  describe('buckets', () => {
    test('a created bucket is found as it was given, at revision 1', async () => {
      const fields = bucketFields('photos')
      const created = await under.store.createBucket(fields)
      expect(plain(created)).toEqual(plain({ ...fields, revision: 1 }))
      expect(plain(await under.store.findBucket('photos'))).toEqual(plain(created))
      expect(await under.store.findBucket('photo')).toBeUndefined()
    })

    test('a name is taken once, and the refusal says by whom', async () => {
      await under.store.createBucket(bucketFields('photos', { ownerAccountId: 'first' }))
      const second = under.store.createBucket(bucketFields('photos', { ownerAccountId: 'second' }))
      const details = await refused(second, 'META_BUCKET_EXISTS')
      expect(details.ownerAccountId).toBe('first')
    })

    test('of many creations of one name at once, one succeeds', async () => {
      const attempts = Array.from({ length: 20 }, () => under.store.createBucket(bucketFields('race')))
      const outcomes = await Promise.allSettled(attempts)
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    })

    test('an update changes what it names, counts the revision, and is refused under an older one', async () => {
      const bucket = await newBucket(under.store)
      const change = {
        versioning: 'enabled' as const,
        sealed: randomBytes(10),
        wrappedMetadataKey: bucket.wrappedMetadataKey,
      }
      const updated = await under.store.updateBucket('bucket', 1, change)
      expect(plain(updated)).toEqual(plain({ ...bucket, ...change, revision: 2 }))
      expect(plain(await under.store.findBucket('bucket'))).toEqual(plain(updated))
      await refused(under.store.updateBucket('bucket', 1, change), 'META_BUCKET_CHANGED')
      await refused(under.store.updateBucket('nothing', 1, change), 'META_BUCKET_NOT_FOUND')
    })

    test('a metadata key that is wrapped anew leaves the revision alone, and is refused if another came first', async () => {
      const bucket = await newBucket(under.store)
      const [first, second] = [randomBytes(40), randomBytes(50)]
      await under.store.replaceWrappedMetadataKey('bucket', bucket.id, bucket.wrappedMetadataKey, first)
      expect(plain(await under.store.findBucket('bucket'))).toEqual(plain({ ...bucket, wrappedMetadataKey: first }))
      await put(under.store, bucket, 'planned before')
      const late = under.store.replaceWrappedMetadataKey('bucket', bucket.id, bucket.wrappedMetadataKey, second)
      await refused(late, 'META_BUCKET_CHANGED')
      const other = under.store.replaceWrappedMetadataKey('bucket', '0'.repeat(32), first, second)
      await refused(other, 'META_BUCKET_NOT_FOUND')
      expect(plain(await under.store.findBucket('bucket'))).toEqual(plain({ ...bucket, wrappedMetadataKey: first }))
    })

    test('a commit, a removal or an upload planned under an older revision is refused', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'kept')
      const changed = await under.store.updateBucket('bucket', 1, { ...bucket, versioning: 'enabled' })
      await refused(under.store.commitVersion(commitOf(bucket, 'key')), 'META_BUCKET_CHANGED')
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'kept', which: 'current' as const }
      await refused(under.store.removeVersion(removal), 'META_BUCKET_CHANGED')
      await refused(under.store.createUpload(bucket.id, 1, uploadOf('key')), 'META_BUCKET_CHANGED')
      await put(under.store, changed, 'key')
    })

    test('an update and commits planned before it, all at once: each commit is before it or refused', async () => {
      const bucket = await newBucket(under.store)
      const change = { ...bucket, versioning: 'enabled' as const }
      const commits = Array.from({ length: 20 }, (_, index) => under.store.commitVersion(commitOf(bucket, `k${index}`)))
      const [update, ...outcomes] = await Promise.allSettled([
        under.store.updateBucket('bucket', 1, change),
        ...commits,
      ])
      expect(update?.status).toBe('fulfilled')
      const { versionCount } = await under.store.getUsage({ bucketId: bucket.id })
      expect(versionCount).toBe(outcomes.filter(({ status }) => status === 'fulfilled').length)
    })

    test('a bucket is deleted only when it holds nothing', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'key')
      const refusal = under.store.deleteBucket('bucket', bucket.id)
      await expect(refusal).rejects.toMatchObject({ code: 'META_BUCKET_NOT_EMPTY', details: { holds: 'versions' } })
      await put(under.store, bucket, 'key', { isDeleteMarker: true })
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'key' }
      await under.store.removeVersion({ ...removal, which: 'current' })
      await under.store.removeVersion({ ...removal, which: 'current' })
      const upload = uploadOf('other')
      await under.store.createUpload(bucket.id, 1, upload)
      const later = under.store.deleteBucket('bucket', bucket.id)
      await expect(later).rejects.toMatchObject({ code: 'META_BUCKET_NOT_EMPTY', details: { holds: 'uploads' } })
      await under.store.abortUpload(bucket.id, 'other', upload.uploadId)
      expect(await under.store.hasBucket(bucket.id)).toBe(true)
      await under.store.deleteBucket('bucket', bucket.id)
      expect(await under.store.findBucket('bucket')).toBeUndefined()
      expect(await under.store.hasBucket(bucket.id)).toBe(false)
      await refused(under.store.deleteBucket('bucket', bucket.id), 'META_BUCKET_NOT_FOUND')
    })

    test('a bucket with only a delete marker is not empty', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'key', { isDeleteMarker: true })
      await refused(under.store.deleteBucket('bucket', bucket.id), 'META_BUCKET_NOT_EMPTY')
    })

    test('a bucket made again under an old name is another one: work for the old one is refused', async () => {
      const old = await newBucket(under.store)
      await under.store.deleteBucket('bucket', old.id)
      await refused(under.store.commitVersion(commitOf(old, 'key')), 'META_BUCKET_CHANGED')
      const fresh = await newBucket(under.store)
      await refused(under.store.commitVersion(commitOf(old, 'key')), 'META_BUCKET_CHANGED')
      await refused(under.store.deleteBucket('bucket', old.id), 'META_BUCKET_NOT_FOUND')
      await put(under.store, fresh, 'key')
      expect(await under.store.findVersion(old.id, 'key', 'current', { withBody: false })).toBeUndefined()
    })

    test('deletion and a first commit at once never leave a version in no bucket', async () => {
      for (let round = 0; round < 10; round += 1) {
        const bucket = await newBucket(under.store, `race-${round}`)
        const [committed, deleted] = await Promise.allSettled([
          under.store.commitVersion(commitOf(bucket, 'key')),
          under.store.deleteBucket(bucket.name, bucket.id),
        ])
        expect(committed.status === 'fulfilled').not.toBe(deleted.status === 'fulfilled')
      }
    })

    test('buckets of an owner are listed by the bytes of their names, page by page', async () => {
      const names = ['b', 'a', 'c-1', 'c', 'c.x', 'aa']
      for (const name of names) await newBucket(under.store, name)
      await under.store.createBucket(bucketFields('others', { ownerAccountId: 'account-10' }))
      const list = { ownerAccountId: 'account-1', prefix: '', afterName: '', limit: 10 }
      expect(namesOf((await under.store.listBuckets(list)).buckets)).toEqual(['a', 'aa', 'b', 'c', 'c-1', 'c.x'])
      expect(namesOf((await under.store.listBuckets({ ...list, prefix: 'c' })).buckets)).toEqual(['c', 'c-1', 'c.x'])
      expect(namesOf((await under.store.listBuckets({ ...list, afterName: 'b' })).buckets)).toEqual(['c', 'c-1', 'c.x'])
      const first = await under.store.listBuckets({ ...list, limit: 4 })
      expect(first.next).toBe('c')
      const second = await under.store.listBuckets({ ...list, limit: 4, afterName: first.next ?? '' })
      expect(namesOf(second.buckets)).toEqual(['c-1', 'c.x'])
      expect(second.next).toBeUndefined()
      const exact = await under.store.listBuckets({ ...list, limit: 6 })
      expect(exact.next).toBeUndefined()
    })
  })
}

function namesOf(buckets: readonly BucketRecord[]): string[] {
  return buckets.map(({ name }) => name)
}
