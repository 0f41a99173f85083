import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { BucketRecord, VersionBody, VersionRecord } from '../records.ts'
import { newBlobId, newBucket, newVersionId, newWriter, plain, put, refused, type StoreUnderTest } from './fixtures.ts'

const REF = 'kms:local/k/1'
const NEXT = 'kms:local/k/2'

function replacementOf(bucket: BucketRecord, { key, versionId, sealed }: VersionRecord, body: VersionBody) {
  const expectedSealed = Uint8Array.from(sealed)
  return { bucketId: bucket.id, key, versionId, expectedSealed, keyRef: NEXT, sealed: randomBytes(70), body }
}

export function keyUseContract(under: StoreUnderTest): void {
  describe('key use', () => {
    const namesUnder = async (keyRef: string, limit = 1000) =>
      (await under.store.listKeyUse({ keyRef, limit })).map(({ key }) => key)
    const replace = async (bucket: BucketRecord, key: string, keyRef: string) => {
      const found = await under.store.findVersion(bucket.id, key, 'current', { withBody: false })
      if (found === undefined) throw new Error('a version')
      const { versionId, sealed: expectedSealed } = found.version
      const replacement = { bucketId: bucket.id, key, versionId, expectedSealed, keyRef, sealed: randomBytes(50) }
      await under.store.replaceObjectKey(replacement)
      return { ...replacement, before: found }
    }

    test('names the versions that a master key seals by itself, and only those', async () => {
      const bucket = await newBucket(under.store)
      const kept = await put(under.store, bucket, 'b', { keyRef: REF })
      await put(under.store, bucket, 'a\u00e9', { keyRef: REF })
      await put(under.store, bucket, 'c', { keyRef: 'bk:somewhere' })
      await put(under.store, bucket, 'd', { keyRef: `${REF}0` })
      await put(under.store, bucket, 'gone', { keyRef: REF })
      const removal = { bucketId: bucket.id, bucketRevision: 1, which: 'current' as const }
      await under.store.removeVersion({ ...removal, key: 'gone' })
      await put(under.store, bucket, 'null', { keyRef: REF, isNull: true })
      await put(under.store, bucket, 'null', { keyRef: NEXT, isNull: true })
      expect(await namesUnder(REF)).toEqual(['a\u00e9', 'b'])
      expect(await namesUnder(NEXT)).toEqual(['null'])
      expect(await namesUnder('bk:somewhere')).toEqual([])
      const [, second] = await under.store.listKeyUse({ keyRef: REF, limit: 10 })
      expect(second).toEqual({ bucketId: bucket.id, key: 'b', versionId: kept.version.versionId })
    })

    test('is listed in pages, versions of one key after another', async () => {
      const bucket = await newBucket(under.store)
      for (let index = 0; index < 5; index++) await put(under.store, bucket, 'k', { keyRef: REF })
      const all = await under.store.listKeyUse({ keyRef: REF, limit: 10 })
      const paged = []
      for (let after = undefined as (typeof all)[number] | undefined; ; ) {
        const page = await under.store.listKeyUse({ keyRef: REF, after, limit: 2 })
        paged.push(...page)
        after = page.at(-1)
        if (page.length < 2) break
      }
      expect(paged).toEqual(all)
      expect(new Set(all.map(({ versionId }) => versionId)).size).toBe(5)
    })

    test('follows an object key that is sealed anew, in a head and in an older version, and nothing else changes', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'k', { keyRef: REF })
      const older = await replace(bucket, 'k', NEXT)
      await put(under.store, bucket, 'k', { keyRef: REF })
      const { bucketId, key, versionId, sealed } = older
      const again = { bucketId, key, versionId, expectedSealed: sealed, keyRef: REF, sealed: randomBytes(60) }
      await under.store.replaceObjectKey(again)
      const found = await under.store.findVersion(bucketId, key, { versionId }, { withBody: true })
      expect(plain(found?.version ?? {})).toEqual(plain({ ...older.before.version, keyRef: REF, sealed: again.sealed }))
      expect(found?.body?.kind).toBe('inline')
      expect(await namesUnder(REF)).toEqual(['k', 'k'])
      expect([await under.store.getKeyUse(REF), await under.store.getKeyUse(NEXT)]).toEqual([2, 0])
      expect(await under.store.getUsage({ bucketId })).toMatchObject({ versionCount: 2 })
    })

    test.each([10, 3_000, 100_000])('follows an inline body of %i bytes that is encrypted anew', async (size) => {
      const bucket = await newBucket(under.store)
      const body = { kind: 'inline', bytes: randomBytes(size) } as const
      for (const _ of [1, 2]) await put(under.store, bucket, 'k', { keyRef: REF, body })
      const [older] = await under.store.listKeyUse({ keyRef: REF, limit: 1 })
      for (const which of ['current', { versionId: older?.versionId ?? '' }] as const) {
        const before = await under.store.findVersion(bucket.id, 'k', which, { withBody: true })
        const replaced = { kind: 'inline', bytes: randomBytes(size) } as const
        const replacement = replacementOf(bucket, before?.version as VersionRecord, replaced)
        expect(await under.store.replaceBody(replacement)).toEqual({ garbage: [] })
        const after = await under.store.findVersion(bucket.id, 'k', which, { withBody: true })
        expect(plain(after ?? {})).toEqual(
          plain({
            ...before,
            version: { ...before?.version, keyRef: NEXT, sealed: replacement.sealed },
            body: replaced,
          }),
        )
        await refused(under.store.replaceBody(replacement), 'META_VERSION_CHANGED')
      }
      expect([await under.store.getKeyUse(REF), await under.store.getKeyUse(NEXT)]).toEqual([0, 2])
      const removal = { bucketId: bucket.id, bucketRevision: 1, which: 'current' as const, key: 'k' }
      for (const _ of [1, 2]) await under.store.removeVersion(removal)
      await under.store.deleteBucket(bucket.name, bucket.id)
    })

    test('follows blobs that are encrypted anew: those of before are garbage, in the same commit', async () => {
      const bucket = await newBucket(under.store)
      const writerId = await newWriter(under.store)
      const blobs = () => [1, 2].map(() => ({ blobId: newBlobId(writerId), storedSizeBytes: 100 }))
      const body = () => ({ kind: 'blobs', blobs: blobs(), manifest: randomBytes(30) }) as const
      const first = await put(under.store, bucket, 'k', { keyRef: REF, body: body() })
      const found = await under.store.findVersion(bucket.id, 'k', 'current', { withBody: true })
      const replaced = body()
      const replacement = replacementOf(bucket, found?.version as VersionRecord, replaced)
      const before = first.body.kind === 'blobs' ? first.body.blobs.map(({ blobId }) => blobId) : []
      expect(await under.store.replaceBody(replacement)).toEqual({ garbage: before })
      expect([...(await under.store.listGarbage(10))].sort()).toEqual([...before].sort())
      for (const { blobId } of replaced.blobs) expect(await under.store.isReferenced(blobId)).toBe(true)
      for (const blobId of before) expect(await under.store.isReferenced(blobId)).toBe(false)
      const after = await under.store.findVersion(bucket.id, 'k', 'current', { withBody: true })
      expect(plain(after?.body ?? {})).toEqual(plain(replaced))
      // A blob that is named again stays.
      const [stays, goes] = replaced.blobs
      if (stays === undefined || goes === undefined) throw new Error('two blobs')
      const mixed = { ...body(), blobs: [stays, { blobId: newBlobId(writerId, '07'), storedSizeBytes: 100 }] }
      const half = { ...replacementOf(bucket, after?.version as VersionRecord, mixed), sealed: replacement.sealed }
      expect(await under.store.replaceBody(half)).toEqual({ garbage: [goes.blobId] })
      for (const { blobId } of mixed.blobs) expect(await under.store.isReferenced(blobId)).toBe(true)
      expect(await under.store.isReferenced(goes.blobId)).toBe(false)
      const now = await under.store.findVersion(bucket.id, 'k', 'current', { withBody: true })
      expect(plain(now?.body ?? {})).toEqual(plain(mixed))
      await under.store.retireWriter(writerId)
      const late = replacementOf(bucket, after?.version as VersionRecord, body())
      await refused(under.store.replaceBody(late), 'META_WRITER_RETIRED')
      expect(await namesUnder(NEXT)).toEqual(['k'])
    })

    test('what a listing shows follows where that changes too, in a head and in an older version', async () => {
      const bucket = await newBucket(under.store)
      for (const _ of [1, 2]) await put(under.store, bucket, 'k', { keyRef: REF })
      const query = { bucketId: bucket.id, prefix: '', delimiter: '', afterKey: '', limit: 10 }
      const { entries } = await under.store.listVersions(query)
      const summaries = entries.map(() => randomBytes(54))
      for (const [index, { versionId }] of entries.entries()) {
        const found = await under.store.findVersion(bucket.id, 'k', { versionId }, { withBody: true })
        if (found?.body === undefined) throw new Error('a version')
        const replacement = replacementOf(bucket, found.version, found.body)
        await under.store.replaceBody({ ...replacement, summary: summaries[index] as Uint8Array })
        const after = await under.store.findVersion(bucket.id, 'k', { versionId }, { withBody: true })
        expect(plain(after?.version.summary)).toEqual(plain(summaries[index]))
        expect(plain(after?.body)).toEqual(plain(found.body))
      }
      expect(plain((await under.store.listVersions(query)).entries.map(({ summary }) => summary))).toEqual(
        plain(summaries),
      )
      const [current] = (await under.store.listCurrent(query)).entries
      expect(plain(current?.summary)).toEqual(plain(summaries[0]))
    })

    test('is left alone when the version was changed or removed meanwhile', async () => {
      const bucket = await newBucket(under.store)
      await put(under.store, bucket, 'k', { keyRef: REF })
      const { before: _, ...first } = await replace(bucket, 'k', NEXT)
      await refused(under.store.replaceObjectKey({ ...first, keyRef: REF }), 'META_VERSION_CHANGED')
      const unknown = { ...first, expectedSealed: first.sealed, versionId: newVersionId() }
      await refused(under.store.replaceObjectKey(unknown), 'META_VERSION_CHANGED')
      const elsewhere = { ...first, expectedSealed: first.sealed, key: 'other' }
      await refused(under.store.replaceObjectKey(elsewhere), 'META_VERSION_CHANGED')
      expect([await namesUnder(REF), await namesUnder(NEXT)]).toEqual([[], ['k']])
    })
  })
}
