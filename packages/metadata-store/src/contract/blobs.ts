import { describe, expect, test } from 'vitest'
import {
  blobBody,
  commitOf,
  newBlobId,
  newBucket,
  newWriter,
  newWriterId,
  partOf,
  plain,
  put,
  refused,
  type StoreUnderTest,
  uploadOf,
} from './fixtures.ts'

export function blobsContract(under: StoreUnderTest): void {
  describe('blobs', () => {
    test('writers are registered and retired, once or twice', async () => {
      const writers = [newWriterId(), newWriterId()].sort()
      for (const writer of [...writers, ...writers]) await under.store.registerWriter(writer)
      expect(await under.store.listWriters()).toEqual(writers)
      for (const writer of [...writers, ...writers]) await under.store.retireWriter(writer)
      expect(await under.store.listWriters()).toEqual([])
    })

    test('a blob of a writer that is not registered is refused, in a version and in a part', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      await under.store.retireWriter(writer)
      const blobId = newBlobId(writer)
      const commit = commitOf(bucket, 'key', { body: blobBody(blobId) })
      await refused(under.store.commitVersion(commit), 'META_WRITER_RETIRED')
      const upload = uploadOf('key')
      await under.store.createUpload(bucket.id, 1, upload)
      const part = under.store.putPart(bucket.id, 'key', upload.uploadId, partOf(1, blobId))
      await refused(part, 'META_WRITER_RETIRED')
      expect(await under.store.isReferenced(blobId)).toBe(false)
      expect(await under.store.listGarbage(10)).toEqual([])
    })

    test('a retirement and commits at once: a blob is referred to if and only if its commit succeeded', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const blobIds = Array.from({ length: 20 }, () => newBlobId(writer))
      const commits = blobIds.map(
        (blobId) => () => under.store.commitVersion(commitOf(bucket, blobId, { body: blobBody(blobId) })),
      )
      const retire = () => under.store.retireWriter(writer).then(() => ({ garbage: [] }))
      commits.splice(10, 0, retire)
      const outcomes = await Promise.allSettled(commits.map((run) => run()))
      outcomes.splice(10, 1)
      for (const [index, blobId] of blobIds.entries()) {
        expect(await under.store.isReferenced(blobId)).toBe(outcomes[index]?.status === 'fulfilled')
      }
    })

    test('what drops a version makes its blobs garbage: an overwrite and a removal', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const [first, second] = [newBlobId(writer), newBlobId(writer)].sort() as [string, string]
      await put(under.store, bucket, 'key', { isNull: true, body: blobBody(first) })
      const over = await under.store.commitVersion(commitOf(bucket, 'key', { isNull: true, body: blobBody(second) }))
      expect(over).toEqual({ garbage: [first] })
      const removal = { bucketId: bucket.id, bucketRevision: 1, key: 'key', which: 'null' as const }
      expect((await under.store.removeVersion(removal)).garbage).toEqual([second])
      expect(await under.store.listGarbage(10)).toEqual([first, second])
      expect(await under.store.listGarbage(1)).toEqual([first])
      expect(await under.store.listGarbage(10, first)).toEqual([second])
      expect(await under.store.listGarbage(10, second)).toEqual([])
      await under.store.forgetGarbage([first])
      await under.store.forgetGarbage([first])
      expect(await under.store.listGarbage(10)).toEqual([second])
      expect(await under.store.listReferencedBlobs('', 10)).toEqual([])
    })

    test('a version kept behind a newer one keeps its blobs', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const body = blobBody(newBlobId(writer))
      await put(under.store, bucket, 'key', { body })
      await put(under.store, bucket, 'key', { isDeleteMarker: true })
      expect(await under.store.listReferencedBlobs('', 10)).toEqual(body.blobs)
      expect(await under.store.listGarbage(10)).toEqual([])
    })

    test('a blob that is referred to is never taken by a second version', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const body = blobBody(newBlobId(writer))
      await put(under.store, bucket, 'key', { body })
      await expect(under.store.commitVersion(commitOf(bucket, 'thief', { body }))).rejects.toThrow()
      const twice = blobBody(newBlobId(writer))
      const doubled = { ...twice, blobs: [...twice.blobs, ...twice.blobs] }
      await expect(under.store.commitVersion(commitOf(bucket, 'twice', { body: doubled }))).rejects.toThrow()
      expect(await under.store.listReferencedBlobs('', 10)).toEqual(body.blobs)
    })

    test('blobs of several stores keep the numbers of theirs: in a version, in a part, as garbage', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const body = blobBody(newBlobId(writer), newBlobId(writer, '01'), newBlobId(writer, 'ff'))
      await put(under.store, bucket, 'key', { isNull: true, body })
      const found = await under.store.findVersion(bucket.id, 'key', 'current', { withBody: true })
      expect(plain(found?.body)).toEqual(plain(body))
      const upload = uploadOf('key')
      await under.store.createUpload(bucket.id, 1, upload)
      const part = partOf(1, newBlobId(writer, '10'))
      await under.store.putPart(bucket.id, 'key', upload.uploadId, part)
      const query = { bucketId: bucket.id, key: 'key', uploadId: upload.uploadId, afterPartNumber: 0, limit: 10 }
      expect(plain((await under.store.listParts(query)).parts)).toEqual(plain([part]))
      const referenced = [...body.blobs, part.blob].map(({ blobId }) => blobId).sort()
      expect((await under.store.listReferencedBlobs('', 10)).map(({ blobId }) => blobId)).toEqual(referenced)
      for (const blobId of referenced) expect(await under.store.isReferenced(blobId)).toBe(true)
      // The same name in another store is another blob.
      const [first = ''] = body.blobs.map(({ blobId }) => blobId)
      expect(await under.store.isReferenced(`${first}-01`)).toBe(false)
      await put(under.store, bucket, 'key', { isNull: true, body: blobBody(`${first}-01`) })
      const dropped = body.blobs.map(({ blobId }) => blobId).sort()
      expect(await under.store.listGarbage(10)).toEqual(dropped)
      await under.store.forgetGarbage(dropped.slice(0, 2))
      expect(await under.store.listGarbage(10)).toEqual(dropped.slice(2))
      expect(await under.store.isReferenced(`${first}-01`)).toBe(true)
    })

    test('referenced blobs are walked in order of their ids, with their sizes', async () => {
      const bucket = await newBucket(under.store)
      const writer = await newWriter(under.store)
      const body = blobBody(...Array.from({ length: 25 }, () => newBlobId(writer)))
      await put(under.store, bucket, 'key', { body })
      const expected = [...body.blobs].sort((a, b) => (a.blobId < b.blobId ? -1 : 1))
      const walked = []
      for (let after = ''; ; ) {
        const page = await under.store.listReferencedBlobs(after, 10)
        walked.push(...page)
        const last = page.at(-1)
        if (!last) break
        after = last.blobId
      }
      expect(walked).toEqual(expected)
    })
  })
}
