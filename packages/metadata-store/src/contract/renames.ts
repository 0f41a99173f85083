import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { CommitVersion } from '../metadata-store.ts'
import type { BucketRecord, VersionBody } from '../records.ts'
import type { StoreUnderTest } from './fixtures.ts'
import { blobBody, commitOf, newBlobId, newBucket, newWriter, plain, put, query, refused } from './fixtures.ts'

export function renamesContract(under: StoreUnderTest): void {
  const find = (bucket: BucketRecord, key: string) =>
    under.store.findVersion(bucket.id, key, 'current', { withBody: true })

  /** The commit that gives a version another name. */
  function renameOf(bucket: BucketRecord, from: CommitVersion, to: string, changes: { keyRef?: string } = {}) {
    const { key, versionId, sealed, sizeBytes, isNull } = from.version
    const body: VersionBody = from.body.kind === 'blobs' ? { ...from.body, manifest: randomBytes(50) } : from.body
    const commit = commitOf(bucket, to, { isNull, sizeBytes, body, ...changes })
    return { ...commit, renames: { key, versionId, expectedSealed: sealed } }
  }

  describe('renames', () => {
    test.each([10, 40_000])('a body of %d bytes in the record comes under its other name', async (sizeBytes) => {
      const bucket = await newBucket(under.store)
      const body: VersionBody = { kind: 'inline', bytes: randomBytes(sizeBytes) }
      const old = await put(under.store, bucket, 'old', { isNull: true, sizeBytes, body })
      const rename = renameOf(bucket, old, 'new')
      expect(await under.store.commitVersion(rename)).toEqual({ garbage: [] })
      expect(await find(bucket, 'old')).toBeUndefined()
      const found = await find(bucket, 'new')
      expect(plain(found)).toEqual(
        plain({ version: { ...rename.version, bodyKind: 'inline' }, isLatest: true, body: old.body }),
      )
      expect((await under.store.listCurrent(query(bucket))).entries.map(({ key }) => key)).toEqual(['new'])
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 1, sizeBytes })
    })

    test('blobs are referred to all the time, and what stood there is garbage', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const [moved, other, replaced] = [newBlobId(writer), newBlobId(writer), newBlobId(writer)]
      const old = await put(under.store, bucket, 'old', { isNull: true, body: blobBody(moved, other) })
      await put(under.store, bucket, 'new', { isNull: true, body: blobBody(replaced) })
      // Who wrote them is gone: they are not new.
      await under.store.retireWriter(writer)
      const rename = renameOf(bucket, old, 'new')
      expect(await under.store.commitVersion(rename)).toEqual({ garbage: [replaced] })
      expect(await under.store.isReferenced(moved)).toBe(true)
      expect(await under.store.isReferenced(other)).toBe(true)
      expect(await under.store.listGarbage(10)).toEqual([replaced])
      expect(plain((await find(bucket, 'new'))?.body)).toEqual(plain(rename.body))
      expect(await find(bucket, 'old')).toBeUndefined()
      const gone = await under.store.removeVersion({
        bucketId: bucket.id,
        bucketRevision: bucket.revision,
        key: 'new',
        which: 'current',
      })
      expect(new Set(gone.garbage)).toEqual(new Set([moved, other]))
    })

    test('what was replaced or removed meanwhile is not renamed, and nothing changes', async () => {
      const bucket = await newBucket(under.store)
      const old = await put(under.store, bucket, 'old', { isNull: true })
      const newer = await put(under.store, bucket, 'old', { isNull: true })
      const there = await put(under.store, bucket, 'new', { isNull: true })
      await refused(under.store.commitVersion(renameOf(bucket, old, 'new')), 'META_VERSION_CHANGED')
      const stale = renameOf(bucket, newer, 'new')
      const changed = { ...stale, renames: { ...stale.renames, expectedSealed: randomBytes(64) } }
      await refused(under.store.commitVersion(changed), 'META_VERSION_CHANGED')
      expect((await find(bucket, 'old'))?.version.versionId).toBe(newer.version.versionId)
      expect((await find(bucket, 'new'))?.version.versionId).toBe(there.version.versionId)
    })

    test('a condition on the new name holds for it', async () => {
      const bucket = await newBucket(under.store)
      const old = await put(under.store, bucket, 'old', { isNull: true })
      await put(under.store, bucket, 'new', { isNull: true })
      const rename = { ...renameOf(bucket, old, 'new'), expectedCurrent: 'none' as const }
      await refused(under.store.commitVersion(rename), 'META_PRECONDITION_FAILED')
      expect(await find(bucket, 'old')).toBeDefined()
    })

    test('of several at once one is made', async () => {
      const bucket = await newBucket(under.store)
      const old = await put(under.store, bucket, 'old', { isNull: true })
      const renames = Array.from({ length: 8 }, (_, index) => renameOf(bucket, old, `new-${index}`))
      const outcomes = await Promise.allSettled(renames.map((rename) => under.store.commitVersion(rename)))
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect((await under.store.listCurrent(query(bucket))).entries).toHaveLength(1)
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 1 })
    })

    test('names that change places at the same time end as one of both', async () => {
      const bucket = await newBucket(under.store)
      for (let round = 0; round < 5; round += 1) {
        const a = await put(under.store, bucket, 'a', { isNull: true })
        const b = await put(under.store, bucket, 'b', { isNull: true })
        const both = [renameOf(bucket, a, 'b'), renameOf(bucket, b, 'a')]
        const outcomes = await Promise.allSettled(both.map((rename) => under.store.commitVersion(rename)))
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        expect((await under.store.listCurrent(query(bucket))).entries).toHaveLength(1)
      }
    })

    test('counts the use of its key where it is now', async () => {
      const bucket = await newBucket(under.store)
      const old = await put(under.store, bucket, 'old', { isNull: true, keyRef: 'kms:c/k/1' })
      const rename = renameOf(bucket, old, 'new', { keyRef: 'kms:c/k/2' })
      await under.store.commitVersion(rename)
      expect(await under.store.getKeyUse('kms:c/k/1')).toBe(0)
      expect(await under.store.getKeyUse('kms:c/k/2')).toBe(1)
      expect(await under.store.listKeyUse({ keyRef: 'kms:c/k/1', limit: 10 })).toEqual([])
      const { versionId } = rename.version
      const [entry] = await under.store.listKeyUse({ keyRef: 'kms:c/k/2', limit: 10 })
      expect(entry).toEqual({ bucketId: bucket.id, key: 'new', versionId })
    })

    test('leaves the next older version under the old name', async () => {
      const bucket = await newBucket(under.store)
      const older = await put(under.store, bucket, 'old')
      const newest = await put(under.store, bucket, 'old')
      await under.store.commitVersion(renameOf(bucket, newest, 'new'))
      expect((await find(bucket, 'old'))?.version.versionId).toBe(older.version.versionId)
    })

    test('is never more than a quota has room for, and its events come along', async () => {
      const bucket = await newBucket(under.store)
      const old = await put(under.store, bucket, 'old', { isNull: true, sizeBytes: 24 })
      await under.store.setQuota({ bucketId: bucket.id }, { sizeBytesMax: 24, versionCountMax: 1 })
      const events = ['gone', 'there'].map((word) => ({ queue: 'q', payload: Buffer.from(word) }))
      await under.store.commitVersion({ ...renameOf(bucket, old, 'new'), events })
      const entries = await under.store.listEvents({ queue: 'q', afterId: '', limit: 10 })
      expect(entries.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['gone', 'there'])
    })
  })
}
