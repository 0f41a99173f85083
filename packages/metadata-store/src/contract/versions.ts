import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { VersionSelector } from '../metadata-store.ts'
import type { BucketRecord } from '../records.ts'
import type { StoreUnderTest } from './fixtures.ts'
import { blobBody, commitOf, newBlobId, newBucket, newVersionId, newWriter, plain, put, refused } from './fixtures.ts'

const WITH_BODY = { withBody: true }
const WITHOUT_BODY = { withBody: false }

export function versionsContract(under: StoreUnderTest): void {
  const find = async (bucket: BucketRecord, key: string, which: VersionSelector) =>
    (await under.store.findVersion(bucket.id, key, which, WITHOUT_BODY))?.version.versionId

  describe('versions', () => {
    test('a committed version reads back field by field, with and without its body', async () => {
      const bucket = await newBucket(under.store)
      const commit = await put(under.store, bucket, 'a/b', { keyRef: 'kms/1', isNull: true, sizeBytes: 5 * 2 ** 40 })
      const found = await under.store.findVersion(bucket.id, 'a/b', 'current', WITH_BODY)
      expect(plain(found)).toEqual(
        plain({ version: { ...commit.version, bodyKind: 'inline' }, isLatest: true, body: commit.body }),
      )
      const without = await under.store.findVersion(bucket.id, 'a/b', 'current', WITHOUT_BODY)
      expect(without && 'body' in without).toBe(false)
    })

    test('inline bodies of every size read back, at and around the sizes of pages', async () => {
      const bucket = await newBucket(under.store)
      const sizes = [
        0, 1, 511, 512, 513, 1000, 2000, 2048, 4071, 4072, 4073, 4096, 4112, 4584, 4585, 8168, 8169, 65_552, 131_200,
      ]
      for (const size of sizes) {
        const body = { kind: 'inline' as const, bytes: randomBytes(size) }
        await put(under.store, bucket, `size-${size}`, { body })
        const found = await under.store.findVersion(bucket.id, `size-${size}`, 'current', WITH_BODY)
        expect(plain(found?.body)).toEqual(plain(body))
      }
    })

    test('a body that is a view into a larger buffer is kept as the view shows it, and a later change of it is not', async () => {
      const bucket = await newBucket(under.store)
      const around = randomBytes(10_000)
      const view = around.subarray(3_000, 9_000)
      const expected = Buffer.from(view)
      await put(under.store, bucket, 'view', { body: { kind: 'inline', bytes: view } })
      around.fill(0)
      const found = await under.store.findVersion(bucket.id, 'view', 'current', WITH_BODY)
      expect(plain(found?.body)).toEqual(plain({ kind: 'inline', bytes: expected }))
    })

    test('a body that was read is not changed by later reads', async () => {
      const bucket = await newBucket(under.store)
      const first = await put(under.store, bucket, 'first', { body: { kind: 'inline', bytes: randomBytes(4112) } })
      await put(under.store, bucket, 'second', { body: { kind: 'inline', bytes: randomBytes(4112) } })
      const found = await under.store.findVersion(bucket.id, 'first', 'current', WITH_BODY)
      await under.store.findVersion(bucket.id, 'second', 'current', WITH_BODY)
      expect(plain(found?.body)).toEqual(plain(first.body))
    })

    test('a body in blobs reads back in order, with its manifest', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const body = blobBody(...Array.from({ length: 300 }, () => newBlobId(writer)))
      await put(under.store, bucket, 'large', { body })
      const found = await under.store.findVersion(bucket.id, 'large', 'current', WITH_BODY)
      expect(plain(found?.body)).toEqual(plain(body))
    })

    test('what does not exist is undefined', async () => {
      const bucket = await newBucket(under.store)
      const kept = await put(under.store, bucket, 'key')
      expect(await find(bucket, 'ke', 'current')).toBeUndefined()
      expect(await find(bucket, 'key2', 'current')).toBeUndefined()
      expect(await find(bucket, 'key', 'null')).toBeUndefined()
      expect(await find(bucket, 'key', { versionId: newVersionId() })).toBeUndefined()
      expect(await find(bucket, 'key', { versionId: kept.version.versionId })).toBe(kept.version.versionId)
      expect(await find(bucket, 'other', { versionId: kept.version.versionId })).toBeUndefined()
    })

    test('each version is found by its id, and only the newest is the latest', async () => {
      const bucket = await newBucket(under.store)
      const commits = [await put(under.store, bucket, 'key'), await put(under.store, bucket, 'key')]
      commits.push(await put(under.store, bucket, 'key', { isDeleteMarker: true }))
      for (const [index, { version, body }] of commits.entries()) {
        const found = await under.store.findVersion(bucket.id, 'key', { versionId: version.versionId }, WITH_BODY)
        const expected = { version: { ...version, bodyKind: body.kind }, isLatest: index === 2, body }
        expect(plain(found)).toEqual(plain(expected))
      }
    })

    test('a delete marker is the current version and is returned as such', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'key')
      const marker = await put(under.store, bucket, 'key', { isDeleteMarker: true })
      const found = await under.store.findVersion(bucket.id, 'key', 'current', WITH_BODY)
      expect(found?.version.isDeleteMarker).toBe(true)
      expect(found?.version.versionId).toBe(marker.version.versionId)
      expect(found?.body).toEqual({ kind: 'none' })
    })

    test('a removal that expects a record takes it only while it is that one', async () => {
      const bucket = await newBucket(under.store)
      const older = (await put(under.store, bucket, 'key')).version
      const newer = (await put(under.store, bucket, 'key')).version
      for (const { versionId, keyRef, sealed } of [older, newer]) {
        const changed = randomBytes(70)
        const replaced = { bucketId: bucket.id, key: 'key', versionId, keyRef, sealed: changed }
        await under.store.replaceObjectKey({ ...replaced, expectedSealed: sealed })
        const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'key', which: { versionId } }
        await refused(under.store.removeVersion({ ...removal, expectedSealed: sealed }), 'META_VERSION_CHANGED')
        expect(await find(bucket, 'key', { versionId })).toBe(versionId)
        const { removed } = await under.store.removeVersion({ ...removal, expectedSealed: changed })
        expect(removed?.versionId).toBe(versionId)
        const again = await under.store.removeVersion({ ...removal, expectedSealed: changed })
        expect(again).toEqual({ garbage: [] })
      }
    })

    test('a null version replaces the null version, and no other', async () => {
      const bucket = await newBucket(under.store)
      const first = await put(under.store, bucket, 'key', { isNull: true })
      const kept = await put(under.store, bucket, 'key')
      const second = await put(under.store, bucket, 'key', { isNull: true })
      expect(await find(bucket, 'key', 'null')).toBe(second.version.versionId)
      expect(await find(bucket, 'key', { versionId: first.version.versionId })).toBeUndefined()
      expect(await find(bucket, 'key', { versionId: kept.version.versionId })).toBe(kept.version.versionId)
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 2 })
    })

    test('the null version is found behind newer versions, and is gone for them when it was removed', async () => {
      const bucket = await newBucket(under.store)
      const nullVersion = await put(under.store, bucket, 'key', { isNull: true })
      for (let index = 0; index < 5; index += 1) await put(under.store, bucket, 'key')
      expect(await find(bucket, 'key', 'null')).toBe(nullVersion.version.versionId)
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'key', which: 'null' as const }
      expect((await under.store.removeVersion(removal)).removed?.versionId).toBe(nullVersion.version.versionId)
      expect(await find(bucket, 'key', 'null')).toBeUndefined()
      await put(under.store, bucket, 'key')
      expect(await find(bucket, 'key', 'null')).toBeUndefined()
      expect(await under.store.removeVersion(removal)).toEqual({ garbage: [] })
    })

    test('when the newest version goes, the one before it is current again', async () => {
      const bucket = await newBucket(under.store)
      const first = await put(under.store, bucket, 'key', { isNull: true })
      await put(under.store, bucket, 'key')
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'key', which: 'current' as const }
      await under.store.removeVersion(removal)
      const found = await under.store.findVersion(bucket.id, 'key', 'current', WITH_BODY)
      expect(plain(found)).toEqual(
        plain({ version: { ...first.version, bodyKind: 'inline' }, isLatest: true, body: first.body }),
      )
      expect(await find(bucket, 'key', 'null')).toBe(first.version.versionId)
      await under.store.removeVersion(removal)
      expect(await find(bucket, 'key', 'current')).toBeUndefined()
    })

    test('removing a delete marker brings the object back', async () => {
      const bucket = await newBucket(under.store)
      const object = await put(under.store, bucket, 'key')
      const marker = await put(under.store, bucket, 'key', { isDeleteMarker: true })
      const which = { versionId: marker.version.versionId }
      const result = await under.store.removeVersion({ bucketId: bucket.id, bucketRevision: 1, key: 'key', which })
      expect(result.removed).toEqual({ versionId: which.versionId, isNull: false, isDeleteMarker: true })
      expect(await find(bucket, 'key', 'current')).toBe(object.version.versionId)
    })

    test('removing an older version leaves the newest where it is', async () => {
      const bucket = await newBucket(under.store)
      const older = await put(under.store, bucket, 'key')
      const newest = await put(under.store, bucket, 'key')
      const which = { versionId: older.version.versionId }
      await under.store.removeVersion({ bucketId: bucket.id, bucketRevision: 1, key: 'key', which })
      expect(await find(bucket, 'key', 'current')).toBe(newest.version.versionId)
      expect(await find(bucket, 'key', which)).toBeUndefined()
    })

    test('a version that is not newer than the newest is refused, and the refusal names the newest', async () => {
      const bucket = await newBucket(under.store)
      const older = newVersionId()
      const newest = await put(under.store, bucket, 'key')
      const late = under.store.commitVersion(commitOf(bucket, 'key', { versionId: older }))
      expect((await refused(late, 'META_VERSION_NOT_NEWEST')).newest).toBe(newest.version.versionId)
      const again = under.store.commitVersion(commitOf(bucket, 'key', { versionId: newest.version.versionId }))
      await refused(again, 'META_VERSION_NOT_NEWEST')
      await put(under.store, bucket, 'other', { versionId: older })
    })

    test('a version id that keeps a body for one key never takes that body from it', async () => {
      const bucket = await newBucket(under.store)
      const body = { kind: 'inline' as const, bytes: randomBytes(4112) }
      const first = await put(under.store, bucket, 'first', { body })
      const { versionId } = first.version
      const other = { kind: 'inline' as const, bytes: randomBytes(4112) }
      const same = under.store.commitVersion(commitOf(bucket, 'second', { versionId, body: other }))
      await same.catch(() => undefined)
      const found = await under.store.findVersion(bucket.id, 'first', 'current', WITH_BODY)
      expect(plain(found?.body)).toEqual(plain(body))
    })

    test('a commit with an expected current version is a compare-and-set', async () => {
      const bucket = await newBucket(under.store)
      const { version } = await put(under.store, bucket, 'key', { expectedCurrent: 'none' })
      const none = commitOf(bucket, 'key', { expectedCurrent: 'none' })
      await refused(under.store.commitVersion(none), 'META_PRECONDITION_FAILED')
      const wrong = commitOf(bucket, 'key', { expectedCurrent: newVersionId() })
      await refused(under.store.commitVersion(wrong), 'META_PRECONDITION_FAILED')
      await put(under.store, bucket, 'key', { expectedCurrent: version.versionId, isDeleteMarker: true })
      const deleted = commitOf(bucket, 'key', { expectedCurrent: version.versionId })
      await refused(under.store.commitVersion(deleted), 'META_PRECONDITION_FAILED')
      await put(under.store, bucket, 'key', { expectedCurrent: 'none' })
    })

    test('a removal with an expected current version is a compare-and-set', async () => {
      const bucket = await newBucket(under.store)
      const { version } = await put(under.store, bucket, 'key')
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'key', which: 'current' as const }
      const wrong = under.store.removeVersion({ ...removal, expectedCurrent: newVersionId() })
      await refused(wrong, 'META_PRECONDITION_FAILED')
      await under.store.removeVersion({ ...removal, expectedCurrent: version.versionId })
      expect(await find(bucket, 'key', 'current')).toBeUndefined()
    })

    test('of many commits at once that expect no object, one succeeds', async () => {
      const bucket = await newBucket(under.store)
      const commits = Array.from({ length: 50 }, () =>
        commitOf(bucket, 'key', { expectedCurrent: 'none', keyRef: 'k' }),
      )
      const outcomes = await Promise.allSettled(commits.map((commit) => under.store.commitVersion(commit)))
      const winners = commits.filter((_, index) => outcomes[index]?.status === 'fulfilled')
      expect(winners.map(({ version }) => version.versionId)).toEqual([await find(bucket, 'key', 'current')])
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({
        versionCount: 1,
        deleteMarkerCount: 0,
        sizeBytes: 24,
      })
      expect(await under.store.getKeyUse('k')).toBe(1)
    })

    test('a refused commit leaves no trace, while those committed beside it are all there', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const strangers = blobBody(newBlobId('00000000000000ff'))
      const own = blobBody(newBlobId(writer))
      const stale = { ...commitOf(bucket, 'stale', { keyRef: 'k' }), bucketRevision: 7 }
      const outcomes = await Promise.allSettled([
        under.store.commitVersion(commitOf(bucket, 'good-1', { keyRef: 'k' })),
        under.store.commitVersion(commitOf(bucket, 'bad', { body: strangers, keyRef: 'k' })),
        under.store.commitVersion(stale),
        under.store.commitVersion(commitOf(bucket, 'good-2', { body: own, keyRef: 'k' })),
        under.store.commitVersion(commitOf(bucket, 'bad', { expectedCurrent: newVersionId(), keyRef: 'k' })),
      ])
      expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([true, false, false, true, false])
      for (const key of ['bad', 'stale']) expect(await find(bucket, key, 'current')).toBeUndefined()
      for (const key of ['good-1', 'good-2']) expect(await find(bucket, key, 'current')).toBeDefined()
      expect(await under.store.getKeyUse('k')).toBe(2)
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 2 })
      expect(await under.store.listReferencedBlobs('', 10)).toEqual(own.blobs)
      expect(await under.store.listGarbage(10)).toEqual([])
    })

    test('usage and key use follow every commit and removal', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'a', { isNull: true, sizeBytes: 100, keyRef: 'k/1' })
      await put(under.store, bucket, 'a', { isNull: true, sizeBytes: 30, keyRef: 'k/2' })
      await put(under.store, bucket, 'b', { sizeBytes: 7, keyRef: 'k/2' })
      const marker = await put(under.store, bucket, 'b', { isDeleteMarker: true })
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({
        versionCount: 2,
        deleteMarkerCount: 1,
        sizeBytes: 37,
      })
      expect(await under.store.getKeyUse('k/1')).toBe(0)
      expect(await under.store.getKeyUse('k/2')).toBe(2)
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'b' }
      await under.store.removeVersion({ ...removal, which: { versionId: marker.version.versionId } })
      await under.store.removeVersion({ ...removal, which: 'current' })
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({
        versionCount: 1,
        deleteMarkerCount: 0,
        sizeBytes: 30,
      })
      expect(await under.store.getKeyUse('k/2')).toBe(1)
      expect(await under.store.getKeyUse('unknown')).toBe(0)
    })

    test('keys of any script and of 1,024 bytes are kept apart', async () => {
      const bucket = await newBucket(under.store)
      const longest = '\u{1F600}'.repeat(256)
      const keys = [longest, `${longest.slice(2)}abcd`, 'é', 'e\u0301', ' ', '/', '//', '\u0001', '\uffff', 'a', 'A']
      const committed = new Map<string, string>()
      for (const key of keys) committed.set(key, (await put(under.store, bucket, key)).version.versionId)
      for (const key of keys) expect(await find(bucket, key, 'current')).toBe(committed.get(key))
    })

    test.each([
      ['empty', ''],
      ['longer than 1,024 bytes', 'é'.repeat(513)],
      ['with a NUL', 'a\0b'],
      ['with half of a surrogate pair', 'a\ud800'],
    ])('a key that is %s is refused', async (_, key) => {
      const bucket = await newBucket(under.store)
      await expect(under.store.commitVersion(commitOf(bucket, key))).rejects.toThrow()
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 0 })
    })
  })
}
