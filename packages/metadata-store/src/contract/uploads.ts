import { describe, expect, test } from 'vitest'
import type { UploadPage } from '../metadata-store.ts'
import {
  blobBody,
  commitOf,
  newBlobId,
  newBucket,
  newVersionId,
  newWriter,
  partOf,
  plain,
  refused,
  type StoreUnderTest,
  uploadOf,
} from './fixtures.ts'

export function uploadsContract(under: StoreUnderTest): void {
  const start = async (key = 'key') => {
    const bucket = await newBucket(under.store)
    const writer = await newWriter(under.store)
    const upload = uploadOf(key)
    await under.store.createUpload(bucket.id, 1, upload)
    const parts = { bucketId: bucket.id, key, uploadId: upload.uploadId, afterPartNumber: 0, limit: 1_000 }
    return { bucket, writer, upload, parts }
  }

  describe('multipart uploads', () => {
    test('an upload is found by bucket, key and id, and by nothing else', async () => {
      const { bucket, upload } = await start()
      expect(plain(await under.store.findUpload(bucket.id, 'key', upload.uploadId))).toEqual(plain(upload))
      expect(await under.store.findUpload(bucket.id, 'other', upload.uploadId)).toBeUndefined()
      expect(await under.store.findUpload(bucket.id, 'key', newVersionId())).toBeUndefined()
    })

    test('parts are listed by number, page by page', async () => {
      const { bucket, writer, upload, parts } = await start()
      const numbers = [10_000, 1, 256, 255, 2]
      const put = numbers.map((number) => partOf(number, newBlobId(writer)))
      for (const part of put) await under.store.putPart(bucket.id, 'key', upload.uploadId, part)
      const sorted = [...put].sort((a, b) => a.partNumber - b.partNumber)
      expect(plain(await under.store.listParts(parts))).toEqual(plain({ parts: sorted, more: false }))
      const first = await under.store.listParts({ ...parts, limit: 3 })
      expect(first.parts.map(({ partNumber }) => partNumber)).toEqual([1, 2, 255])
      expect(first.more).toBe(true)
      const rest = await under.store.listParts({ ...parts, afterPartNumber: 255, limit: 2 })
      expect(rest.parts.map(({ partNumber }) => partNumber)).toEqual([256, 10_000])
      expect(rest.more).toBe(false)
      expect((await under.store.listParts({ ...parts, afterPartNumber: 10_000 })).parts).toEqual([])
    })

    test('a part put again replaces the old one, whose blob becomes garbage', async () => {
      const { bucket, writer, upload, parts } = await start()
      const old = partOf(1, newBlobId(writer))
      const fresh = partOf(1, newBlobId(writer))
      expect(await under.store.putPart(bucket.id, 'key', upload.uploadId, old)).toEqual({ garbage: [] })
      const replaced = await under.store.putPart(bucket.id, 'key', upload.uploadId, fresh)
      expect(replaced).toEqual({ garbage: [old.blob.blobId] })
      expect(plain((await under.store.listParts(parts)).parts)).toEqual(plain([fresh]))
      expect(await under.store.isReferenced(old.blob.blobId)).toBe(false)
      expect(await under.store.isReferenced(fresh.blob.blobId)).toBe(true)
    })

    test('the same part put twice (its answer was lost) keeps its blob', async () => {
      const { bucket, writer, upload } = await start()
      const part = partOf(1, newBlobId(writer))
      await under.store.putPart(bucket.id, 'key', upload.uploadId, part)
      expect(await under.store.putPart(bucket.id, 'key', upload.uploadId, part)).toEqual({ garbage: [] })
      expect(await under.store.isReferenced(part.blob.blobId)).toBe(true)
      expect(await under.store.listGarbage(10)).toEqual([])
    })

    test('without its upload a part, a list, an abort and a completion are refused', async () => {
      const { bucket, writer, parts } = await start()
      const uploadId = newVersionId()
      const part = partOf(1, newBlobId(writer))
      await refused(under.store.putPart(bucket.id, 'key', uploadId, part), 'META_UPLOAD_NOT_FOUND')
      await refused(under.store.listParts({ ...parts, uploadId }), 'META_UPLOAD_NOT_FOUND')
      await refused(under.store.abortUpload(bucket.id, 'key', uploadId), 'META_UPLOAD_NOT_FOUND')
      const completion = commitOf(bucket, 'key', { completesUpload: { uploadId, parts: [] } })
      await refused(under.store.commitVersion(completion), 'META_UPLOAD_NOT_FOUND')
      expect(await under.store.isReferenced(part.blob.blobId)).toBe(false)
    })

    test('a completion takes over its parts, drops the others, and ends the upload', async () => {
      const { bucket, writer, upload, parts } = await start()
      const put = [1, 2, 3].map((number) => partOf(number, newBlobId(writer)))
      for (const part of put) await under.store.putPart(bucket.id, 'key', upload.uploadId, part)
      const [first, dropped, third] = put.map(({ blob }) => blob.blobId) as [string, string, string]
      // The worker that wrote the parts may be gone by now: they are referred to already.
      await under.store.retireWriter(writer)
      const completesUpload = {
        uploadId: upload.uploadId,
        parts: [
          { partNumber: 1, blobId: first },
          { partNumber: 3, blobId: third },
        ],
      }
      const commit = commitOf(bucket, 'key', { completesUpload, body: blobBody(first, third) })
      expect(await under.store.commitVersion(commit)).toEqual({ garbage: [dropped] })
      const found = await under.store.findVersion(bucket.id, 'key', 'current', { withBody: true })
      expect(plain(found?.body)).toEqual(plain(commit.body))
      await refused(under.store.listParts(parts), 'META_UPLOAD_NOT_FOUND')
      expect(await under.store.findUpload(bucket.id, 'key', upload.uploadId)).toBeUndefined()
      expect(await under.store.listGarbage(10)).toEqual([dropped])
      expect(await under.store.isReferenced(first)).toBe(true)
      expect(await under.store.isReferenced(dropped)).toBe(false)
      await under.store.deleteBucket('bucket', bucket.id).catch(() => undefined)
      expect(await under.store.findBucket('bucket')).toBeDefined()
    })

    test('a completion is refused if a part was replaced or is missing, and the upload stays', async () => {
      const { bucket, writer, upload, parts } = await start()
      const old = partOf(1, newBlobId(writer))
      await under.store.putPart(bucket.id, 'key', upload.uploadId, old)
      await under.store.putPart(bucket.id, 'key', upload.uploadId, partOf(1, newBlobId(writer)))
      const complete = (partNumber: number) => {
        const completesUpload = { uploadId: upload.uploadId, parts: [{ partNumber, blobId: old.blob.blobId }] }
        return under.store.commitVersion(commitOf(bucket, 'key', { completesUpload, body: { kind: 'none' } }))
      }
      await refused(complete(1), 'META_UPLOAD_CHANGED')
      await refused(complete(2), 'META_UPLOAD_CHANGED')
      expect((await under.store.listParts(parts)).parts).toHaveLength(1)
      expect(await under.store.findVersion(bucket.id, 'key', 'current', { withBody: false })).toBeUndefined()
    })

    test('a completion and a part at once: the part is in time and the completion refused, or the other way round', async () => {
      for (let round = 0; round < 10; round += 1) {
        const bucket = await newBucket(under.store, `race-${round}`)
        const writer = await newWriter(under.store)
        const upload = uploadOf('key')
        await under.store.createUpload(bucket.id, 1, upload)
        const old = partOf(1, newBlobId(writer))
        await under.store.putPart(bucket.id, 'key', upload.uploadId, old)
        const { blobId } = old.blob
        const completesUpload = { uploadId: upload.uploadId, parts: [{ partNumber: 1, blobId }] }
        const fresh = partOf(1, newBlobId(writer))
        const racers = [
          () => under.store.commitVersion(commitOf(bucket, 'key', { completesUpload, body: blobBody(blobId) })),
          () => under.store.putPart(bucket.id, 'key', upload.uploadId, fresh),
        ]
        if (round % 2 === 1) racers.reverse()
        const outcomes = await Promise.allSettled(racers.map((run) => run()))
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        const referenced = [blobId, fresh.blob.blobId].map((id) => under.store.isReferenced(id))
        expect((await Promise.all(referenced)).filter(Boolean)).toHaveLength(1)
      }
    })

    test('an abort makes the blobs of all parts garbage', async () => {
      const { bucket, writer, upload } = await start()
      const blobIds = Array.from({ length: 50 }, () => newBlobId(writer))
      await Promise.all(
        blobIds.map((blobId, index) =>
          under.store.putPart(bucket.id, 'key', upload.uploadId, partOf(index + 1, blobId)),
        ),
      )
      const { garbage } = await under.store.abortUpload(bucket.id, 'key', upload.uploadId)
      expect([...garbage].sort()).toEqual([...blobIds].sort())
      expect(await under.store.listGarbage(100)).toEqual([...blobIds].sort())
      expect(await under.store.listReferencedBlobs('', 100)).toEqual([])
    })

    test('uploads are listed by key, then oldest first, page by page', async () => {
      const bucket = await newBucket(under.store)
      const uploads = ['a', 'a', 'a/x', 'a/y', 'b', 'b', 'c'].map((key) => uploadOf(key))
      for (const upload of [...uploads].reverse()) await under.store.createUpload(bucket.id, 1, upload)
      const list = { bucketId: bucket.id, prefix: '', delimiter: '', afterKey: '', afterUploadId: '', limit: 1_000 }
      expect(plain((await under.store.listUploads(list)).uploads)).toEqual(plain(uploads))
      for (let limit = 1; limit <= 8; limit += 1) {
        const found: string[] = []
        let page: UploadPage = await under.store.listUploads({ ...list, limit })
        while (true) {
          found.push(...page.uploads.map(({ uploadId }) => uploadId))
          if (!page.next) break
          page = await under.store.listUploads({ ...list, limit, ...page.next })
        }
        expect(found).toEqual(uploads.map(({ uploadId }) => uploadId))
      }
      const rolled = await under.store.listUploads({ ...list, delimiter: '/' })
      expect(rolled.commonPrefixes).toEqual(['a/'])
      expect(rolled.uploads.map(({ key }) => key)).toEqual(['a', 'a', 'b', 'b', 'c'])
      const afterKey = await under.store.listUploads({ ...list, afterKey: 'a/y' })
      expect(afterKey.uploads.map(({ key }) => key)).toEqual(['b', 'b', 'c'])
    })

    test('the parts of one upload are not those of another with the same key', async () => {
      const { bucket, writer, upload, parts } = await start()
      const other = uploadOf('key')
      await under.store.createUpload(bucket.id, 1, other)
      await under.store.putPart(bucket.id, 'key', other.uploadId, partOf(1, newBlobId(writer)))
      expect((await under.store.listParts(parts)).parts).toEqual([])
      expect((await under.store.abortUpload(bucket.id, 'key', upload.uploadId)).garbage).toEqual([])
    })
  })
}
