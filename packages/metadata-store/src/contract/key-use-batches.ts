import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { KeyUseEntry, KeyUseReplacement } from '../metadata-store.ts'
import {
  commitOf,
  newBlobId,
  newBucket,
  newVersionId,
  newWriter,
  partOf,
  plain,
  put,
  type StoreUnderTest,
  uploadOf,
} from './fixtures.ts'

const REF = 'kms:local/k/1'
const NEXT = 'kms:local/k/2'

export function keyUseBatchesContract(under: StoreUnderTest): void {
  const useOf = async (keyRef: string) => ({
    count: await under.store.getKeyUse(keyRef),
    entries: await under.store.listKeyUse({ keyRef, limit: 1000 }),
  })
  const replacementOf = (place: KeyUseEntry, expectedSealed: Uint8Array): KeyUseReplacement => {
    return { ...place, expectedSealed: Uint8Array.from(expectedSealed), keyRef: NEXT, sealed: randomBytes(70) }
  }

  describe('many object keys sealed anew in one write', () => {
    test('each by itself: one that has changed or is gone is left as it is, and the others are made', async () => {
      const bucket = await newBucket(under.store)
      for (const key of ['a', 'b', 'b', 'c', 'd\u00e9']) await put(under.store, bucket, key, { keyRef: REF })
      const { entries } = await useOf(REF)
      const found = await under.store.findVersions(entries)
      const replacements = entries.map((entry, index) => replacementOf(entry, found[index]?.sealed as Uint8Array))
      await under.store.removeVersion({ bucketId: bucket.id, bucketRevision: 1, key: 'a', which: 'current' })
      const [, changed] = replacements as [unknown, KeyUseReplacement]
      await under.store.replaceObjectKey({ ...changed, keyRef: REF, sealed: randomBytes(40) })
      expect(await under.store.replaceObjectKeys(replacements)).toEqual([false, false, true, true, true])
      expect(await under.store.replaceObjectKeys(replacements)).toEqual([false, false, false, false, false])
      expect(await useOf(REF)).toEqual({ count: 1, entries: entries.slice(1, 2) })
      expect(await useOf(NEXT)).toEqual({ count: 3, entries: entries.slice(2) })
      const after = await under.store.findVersions(entries)
      expect(after[0]).toBeUndefined()
      for (const index of [2, 3, 4]) {
        const expected = { ...found[index], keyRef: NEXT, sealed: replacements[index]?.sealed }
        expect(plain(after[index])).toEqual(plain(expected))
      }
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 4 })
      expect(await under.store.replaceObjectKeys([])).toEqual([])
    })

    test('two at once make each of them once', async () => {
      const bucket = await newBucket(under.store)
      for (let index = 0; index < 40; index++) await put(under.store, bucket, `k${index}`, { keyRef: REF })
      const { entries } = await useOf(REF)
      const found = await under.store.findVersions(entries)
      const one = () => entries.map((entry, index) => replacementOf(entry, found[index]?.sealed as Uint8Array))
      const answers = await Promise.all([1, 2, 3].map(() => under.store.replaceObjectKeys(one())))
      for (const index of entries.keys()) expect(answers.filter((made) => made[index])).toHaveLength(1)
      expect([await under.store.getKeyUse(REF), await under.store.getKeyUse(NEXT)]).toEqual([0, 40])
    })

    test('finds the records of many versions in the order that they were asked for', async () => {
      const bucket = await newBucket(under.store)
      for (const key of ['a', 'b', 'b']) await put(under.store, bucket, key, { keyRef: REF })
      const { entries } = await useOf(REF)
      const asked = [entries[2], { bucketId: bucket.id, key: 'a', versionId: newVersionId() }, entries[0]]
      const found = await under.store.findVersions(asked as KeyUseEntry[])
      expect(found.map((version) => version?.versionId)).toEqual([
        entries[2]?.versionId,
        undefined,
        entries[0]?.versionId,
      ])
      for (const { bucketId, key, versionId } of [entries[0], entries[2]] as KeyUseEntry[]) {
        const single = await under.store.findVersion(bucketId, key, { versionId }, { withBody: false })
        expect(plain(found.find((version) => version?.versionId === versionId))).toEqual(plain(single?.version))
      }
      expect(await under.store.findVersions([])).toEqual([])
    })
  })

  describe('an upload in progress', () => {
    const begin = async (keyRef: string) => {
      const bucket = await newBucket(under.store)
      const upload = uploadOf('k', newVersionId(), keyRef)
      await under.store.createUpload(bucket.id, 1, upload)
      const entry: KeyUseEntry = { bucketId: bucket.id, key: 'k', versionId: upload.uploadId, isUpload: true }
      return { bucket, upload, entry }
    }

    test('uses the key that seals its object key until it is completed: then the version does', async () => {
      const { bucket, upload, entry } = await begin(REF)
      expect(plain(await under.store.findUpload(bucket.id, 'k', upload.uploadId))).toEqual(plain(upload))
      expect(await useOf(REF)).toEqual({ count: 1, entries: [entry] })
      const part = partOf(1, newBlobId(await newWriter(under.store)))
      await under.store.putPart(bucket.id, 'k', upload.uploadId, part)
      const parts = [{ partNumber: 1, blobId: part.blob.blobId }]
      const completesUpload = { uploadId: upload.uploadId, parts }
      const body = { kind: 'blobs', blobs: [part.blob], manifest: randomBytes(30) } as const
      const commit = commitOf(bucket, 'k', { keyRef: REF, body, completesUpload })
      await under.store.commitVersion(commit)
      const { versionId } = commit.version
      expect(await useOf(REF)).toEqual({ count: 1, entries: [{ bucketId: bucket.id, key: 'k', versionId }] })
    })

    test('uses it no longer once it is aborted; a bucket key is counted, and not listed', async () => {
      const { bucket, upload } = await begin(REF)
      const other = uploadOf('k', newVersionId(), 'bk:b')
      for (const _ of [1, 2]) await under.store.createUpload(bucket.id, 1, other)
      expect(await useOf('bk:b')).toEqual({ count: 1, entries: [] })
      for (const { uploadId } of [upload, other]) await under.store.abortUpload(bucket.id, 'k', uploadId)
      expect(await useOf(REF)).toEqual({ count: 0, entries: [] })
      expect(await under.store.getKeyUse('bk:b')).toBe(0)
    })

    test('has its object key sealed anew among those of versions, unless it has ended or changed', async () => {
      const { bucket, upload, entry } = await begin(REF)
      await put(under.store, bucket, 'k', { keyRef: REF })
      const [older] = await under.store.findVersions((await useOf(REF)).entries.filter(({ isUpload }) => !isUpload))
      const version = { bucketId: bucket.id, key: 'k', versionId: older?.versionId ?? '' }
      const replacements = [
        replacementOf(entry, upload.sealed),
        replacementOf(version, older?.sealed as Uint8Array),
      ] as const
      expect(await under.store.replaceObjectKeys(replacements)).toEqual([true, true])
      expect(await useOf(REF)).toEqual({ count: 0, entries: [] })
      expect(await useOf(NEXT)).toEqual({ count: 2, entries: [entry, version] })
      const { sealed } = replacements[0]
      const found = await under.store.findUpload(bucket.id, 'k', upload.uploadId)
      expect(plain(found)).toEqual(plain({ ...upload, keyRef: NEXT, sealed }))
      expect(await under.store.replaceObjectKeys([replacements[0]])).toEqual([false])
      await under.store.abortUpload(bucket.id, 'k', upload.uploadId)
      expect(await under.store.replaceObjectKeys([replacementOf(entry, sealed)])).toEqual([false])
      expect(await useOf(NEXT)).toEqual({ count: 1, entries: [version] })
    })
  })
}
