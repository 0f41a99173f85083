import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { CommitVersion } from '../metadata-store.ts'
import type { BlobId, BucketRecord } from '../records.ts'
import type { StoreUnderTest } from './fixtures.ts'
import { blobBody, commitOf, newBlobId, newBucket, newWriter, plain, put, refused } from './fixtures.ts'

export function appendsContract(under: StoreUnderTest): void {
  const find = (bucket: BucketRecord) => under.store.findVersion(bucket.id, 'log', 'current', { withBody: true })

  /** The commit that adds a blob to a version of `log`. */
  function appendOf(bucket: BucketRecord, to: CommitVersion, added: readonly BlobId[]): CommitVersion {
    const before = to.body.kind === 'blobs' ? to.body.blobs : []
    const { blobs, manifest } = blobBody(...added)
    const body = { kind: 'blobs' as const, blobs: [...before, ...blobs], manifest }
    const commit = commitOf(bucket, 'log', { isNull: true, sizeBytes: to.version.sizeBytes + 10, body })
    return { ...commit, appendsTo: { versionId: to.version.versionId, expectedSealed: to.version.sealed } }
  }

  describe('appends', () => {
    test('keep the blobs that were there, and add to them', async () => {
      const bucket = await newBucket(under.store)
      const [old, writer] = [await newWriter(under.store), await newWriter(under.store)]
      const first = newBlobId(old)
      let version = await put(under.store, bucket, 'log', { isNull: true, body: blobBody(first) })
      await under.store.retireWriter(old)
      for (let round = 0; round < 3; round += 1) {
        const append = appendOf(bucket, version, [newBlobId(writer)])
        expect(await under.store.commitVersion(append)).toEqual({ garbage: [] })
        version = append
      }
      expect(plain((await find(bucket))?.body)).toEqual(plain(version.body))
      expect(await under.store.listGarbage(10)).toEqual([])
      const { sizeBytes } = version.version
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 1, sizeBytes })
      const blobs = await under.store.listReferencedBlobs('', 10)
      expect(blobs.map(({ blobId }) => blobId)).toContain(first)
      expect(blobs).toHaveLength(4)
      const removal = { bucketId: bucket.id, bucketRevision: bucket.revision, key: 'log', which: 'null' as const }
      expect((await under.store.removeVersion(removal)).garbage).toHaveLength(4)
    })

    test('take the place of a body in the record', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const body = { kind: 'inline' as const, bytes: randomBytes(30_000) }
      const version = await put(under.store, bucket, 'log', { isNull: true, body })
      const append = appendOf(bucket, version, [newBlobId(writer), newBlobId(writer)])
      expect(await under.store.commitVersion(append)).toEqual({ garbage: [] })
      expect(plain((await find(bucket))?.body)).toEqual(plain(append.body))
    })

    test('of many at once one is made, and the others leave nothing', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const version = await put(under.store, bucket, 'log', { isNull: true, body: blobBody(newBlobId(writer)) })
      const appends = Array.from({ length: 8 }, () => appendOf(bucket, version, [newBlobId(writer)]))
      const outcomes = await Promise.allSettled(appends.map((append) => under.store.commitVersion(append)))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(await under.store.listReferencedBlobs('', 10)).toHaveLength(2)
    })

    test('to what was replaced, changed or removed meanwhile are refused', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const gone = await put(under.store, bucket, 'log', { isNull: true, body: blobBody(newBlobId(writer)) })
      const version = await put(under.store, bucket, 'log', { isNull: true, body: blobBody(newBlobId(writer)) })
      const stale = appendOf(bucket, gone, [newBlobId(writer)])
      await refused(under.store.commitVersion(stale), 'META_VERSION_CHANGED')
      const other = appendOf(bucket, version, [newBlobId(writer)])
      const { versionId } = version.version
      const changed = { ...other, appendsTo: { versionId, expectedSealed: randomBytes(64) } }
      await refused(under.store.commitVersion(changed), 'META_VERSION_CHANGED')
      expect((await find(bucket))?.version.versionId).toBe(versionId)
    })

    test('have to fit into a quota with what they add', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const version = await put(under.store, bucket, 'log', { isNull: true, body: blobBody(newBlobId(writer)) })
      await under.store.setQuota({ bucketId: bucket.id }, { sizeBytesMax: version.version.sizeBytes + 10 })
      const append = appendOf(bucket, version, [newBlobId(writer)])
      await under.store.commitVersion(append)
      await refused(under.store.commitVersion(appendOf(bucket, append, [newBlobId(writer)])), 'META_QUOTA_EXCEEDED')
    })
  })
}
