import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newBlobId } from './blob-id.ts'
import type { BlobStore } from './blob-store.ts'

export interface BlobStoreFixture {
  readonly store: BlobStore
  dispose(): Promise<void>
}

const WRITER = '0123456789abcdef'
const SIZES = [0, 1, 4095, 4096, 4097, 65_536, 1_048_575, 1_048_576, 1_048_577, 5_000_001]

/** What every blob store must keep, run against the real thing. */
export function blobStoreContract(name: string, open: () => Promise<BlobStoreFixture>): void {
  describe(`${name} keeps the promises of a blob store`, () => {
    let fixture: BlobStoreFixture
    let store: BlobStore

    beforeEach(async () => {
      fixture = await open()
      store = fixture.store
    })
    afterEach(() => fixture.dispose())

    const readAll = async (blobId: string): Promise<Buffer> => {
      const blob = await store.open(blobId)
      try {
        return Buffer.from(await blob.read(0, blob.sizeBytes))
      } finally {
        await blob.close()
      }
    }
    const listed = async () => {
      const ids: string[] = []
      for await (const { blobId } of store.list()) ids.push(blobId)
      return ids
    }

    it.each(SIZES)('gives back the %i bytes that it was given, in whatever pieces', async (sizeBytes) => {
      const bytes = patternOf(sizeBytes)
      for (const pieceBytes of [7777, 65_552, 3_000_000]) {
        const blobId = newBlobId(WRITER)
        expect(await store.write(blobId, piecesOf(bytes, pieceBytes))).toBe(sizeBytes)
        expect((await readAll(blobId)).equals(bytes)).toBe(true)
      }
    })

    it('reads any range, several at once', async () => {
      const bytes = patternOf(300_000)
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [bytes])
      const blob = await store.open(blobId)
      const ranges = [
        [0, 1],
        [299_999, 1],
        [4095, 2],
        [100_000, 150_000],
        [0, 300_000],
      ] as const
      const read = await Promise.all(ranges.map(([offset, length]) => blob.read(offset, length)))
      for (const [index, [offset, length]] of ranges.entries()) {
        expect(Buffer.from(read[index] ?? []).equals(bytes.subarray(offset, offset + length))).toBe(true)
      }
      await blob.close()
    })

    it('refuses to read past the end', async () => {
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [patternOf(100)])
      const blob = await store.open(blobId)
      await expect(blob.read(50, 51)).rejects.toMatchObject({ code: 'BLOB_TRUNCATED' })
      await blob.close()
    })

    it('writes a blob once', async () => {
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [patternOf(10)])
      await expect(store.write(blobId, [patternOf(20)])).rejects.toMatchObject({ code: 'BLOB_EXISTS' })
      expect(await readAll(blobId)).toHaveLength(10)
    })

    it('leaves nothing of a write whose source fails, and passes its error on', async () => {
      const blobId = newBlobId(WRITER)
      async function* failing() {
        yield patternOf(2_000_000)
        await pause(1)
        throw new RangeError('the client went away')
      }
      await expect(store.write(blobId, failing())).rejects.toThrow(RangeError)
      await expect(store.open(blobId)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
      expect(await listed()).toEqual([])
    })

    it('lets a reader finish after a delete, and opens nothing after it', async () => {
      const bytes = patternOf(2_000_000)
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [bytes])
      const blob = await store.open(blobId)
      await store.delete(blobId)
      await expect(store.open(blobId)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
      expect(Buffer.from(await blob.read(0, bytes.length)).equals(bytes)).toBe(true)
      await blob.close()
    })

    it('deletes what is not there', async () => {
      await expect(store.delete(newBlobId(WRITER))).resolves.toBeUndefined()
    })

    it('lists every blob with its size', async () => {
      const ids = Array.from({ length: 50 }, () => newBlobId(WRITER))
      for (const [index, blobId] of ids.entries()) await store.write(blobId, [patternOf(index)])
      const sizes = new Map<string, number>()
      for await (const { blobId, sizeBytes } of store.list()) sizes.set(blobId, sizeBytes)
      expect([...sizes].sort()).toEqual(ids.map((id, index): [string, number] => [id, index]).sort())
    })

    it('keeps many writers apart', async () => {
      const blobs = Array.from({ length: 80 }, (_, index) => ({
        blobId: newBlobId(WRITER),
        bytes: patternOf(1_100_000 + index),
      }))
      await Promise.all(blobs.map(({ blobId, bytes }) => store.write(blobId, piecesOf(bytes, 65_552))))
      for (const { blobId, bytes } of blobs) expect((await readAll(blobId)).equals(bytes)).toBe(true)
    })

    it('makes no path of anything but a blob id', async () => {
      await expect(store.open('../../etc/passwd')).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
      await expect(store.write('..', [])).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
    })
  })
}

function patternOf(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  for (let index = 0; index < sizeBytes; index++) bytes[index] = (index * 31 + (index >> 8)) & 0xff
  return bytes
}

async function* piecesOf(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) yield bytes.subarray(offset, offset + pieceBytes)
}
