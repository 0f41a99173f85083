import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isBlobId, newBlobId } from './blob-id.ts'
import type { BlobId, BlobStore } from './blob-store.ts'

export interface BlobStoreFixture {
  readonly store: BlobStore
  dispose(): Promise<void>
}

export interface BlobStoreContractOptions {
  /** A store with room for more than 1 MiB and less than 32 MiB; where there can be one, a full store is tested too. */
  readonly openSmall?: () => Promise<BlobStoreFixture>
}

const WRITER = '0123456789abcdef'
const SIZES = [
  0, 1, 4095, 4096, 4097, 65_536, 1_048_575, 1_048_576, 1_048_577, 1_114_111, 1_114_112, 1_114_113, 5_000_001,
]

/**
 * What every {@link BlobStore} promises, as tests. `open` gives an empty store for each test.
 *
 * @example blobStoreContract('my driver', async () => ({ store: await openMine(), dispose: async () => {} }))
 */
export function blobStoreContract(
  name: string,
  open: () => Promise<BlobStoreFixture>,
  options: BlobStoreContractOptions = {},
): void {
  describe(`${name} keeps the promises of a blob store`, () => {
    let fixture: BlobStoreFixture
    let store: BlobStore

    beforeEach(async () => {
      fixture = await open()
      store = fixture.store
    })
    afterEach(() => fixture.dispose())

    const readAll = (blobId: BlobId) => readWhole(store, blobId)
    const listed = () => listIds(store)

    it.each(SIZES)('gives back the %i bytes that it was given, in whatever pieces', async (sizeBytes) => {
      const bytes = patternOf(sizeBytes)
      for (const pieceBytes of [7777, 65_552, 3_000_000]) {
        const blobId = newBlobId(WRITER)
        expect(await store.write(blobId, piecesOf(bytes, pieceBytes))).toBe(sizeBytes)
        expect((await readAll(blobId)).equals(bytes)).toBe(true)
      }
    })

    it('reads any range, several at once, again and again', async () => {
      const bytes = patternOf(2_300_001)
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [bytes])
      const blob = await store.open(blobId)
      const ranges = [
        [0, 1],
        [2_300_000, 1],
        [4095, 2],
        [100_000, 350_000],
        [0, 1_048_880],
        [1_048_880, 1_048_832],
        [2_000_001, 300_000],
        [4096, 1_048_576],
        [1, 2_300_000],
      ] as const
      for (let round = 0; round < 3; round++) {
        const read = await Promise.all(ranges.map(([offset, length]) => blob.read(offset, length)))
        for (const [index, [offset, length]] of ranges.entries()) {
          expect(Buffer.from(read[index] ?? []).equals(bytes.subarray(offset, offset + length))).toBe(true)
        }
      }
      await blob.close()
    })

    it.each([
      [100, 50, 51],
      [600_000, 200_000, 400_001],
      [600_000, 600_000, 300_000],
      [600_000, 700_000, 300_000],
    ])('refuses to read past the end: of %i bytes, from %i, %i', async (sizeBytes, offsetBytes, lengthBytes) => {
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [patternOf(sizeBytes)])
      const blob = await store.open(blobId)
      await expect(blob.read(offsetBytes, lengthBytes)).rejects.toMatchObject({ code: 'BLOB_TRUNCATED' })
      await blob.close()
    })

    it('gives each read bytes of its own, which later reads and writes leave alone', async () => {
      const bytes = patternOf(1_000_000)
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [bytes])
      const blob = await store.open(blobId)
      const kept = await blob.read(0, 900_000)
      const changed = await blob.read(0, 900_000)
      changed.fill(0)
      await store.write(newBlobId(WRITER), [Buffer.alloc(3_000_000, 0xff)])
      expect(Buffer.from(kept).equals(bytes.subarray(0, 900_000))).toBe(true)
      expect(Buffer.from(await blob.read(0, 900_000)).equals(bytes.subarray(0, 900_000))).toBe(true)
      await blob.close()
    })

    it('writes a blob once', async () => {
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [patternOf(10)])
      await expect(store.write(blobId, [patternOf(20)])).rejects.toMatchObject({ code: 'BLOB_EXISTS' })
      expect(await readAll(blobId)).toHaveLength(10)
    })

    it('lets one of two writers of the same blob win, whole', async () => {
      const blobId = newBlobId(WRITER)
      const [one, other] = [patternOf(1_500_000), patternOf(1_500_001)]
      const ended = await Promise.allSettled([
        store.write(blobId, piecesOf(one, 65_552)),
        store.write(blobId, piecesOf(other, 65_552)),
      ])
      expect(ended.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(ended.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'BLOB_EXISTS' } })
      const winner = ended[0].status === 'fulfilled' ? one : other
      expect((await readAll(blobId)).equals(winner)).toBe(true)
    })

    it.each([0, 1, 100_000, 1_048_576, 2_000_000, 4_200_000])(
      'leaves nothing of a write whose source fails after %i bytes, and passes its error on',
      async (sizeBytes) => {
        const blobId = newBlobId(WRITER)
        // What a socket gives when the client has gone: it looks like an error of the file system, and is not.
        const gone = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' })
        async function* failing() {
          yield* piecesOf(patternOf(sizeBytes), 65_552)
          throw gone
        }
        await expect(store.write(blobId, failing())).rejects.toBe(gone)
        await expect(store.open(blobId)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
        expect(await listed()).toEqual([])
      },
    )

    it('is not disturbed by writes that fail beside others', async () => {
      const whole = Array.from({ length: 30 }, () => newBlobId(WRITER))
      const bytes = patternOf(1_300_000)
      async function* failing() {
        yield* piecesOf(patternOf(2_500_000), 65_552)
        throw new Error('cut')
      }
      await Promise.all([
        ...whole.map((blobId) => store.write(blobId, piecesOf(bytes, 65_552))),
        ...whole.map(() => expect(store.write(newBlobId(WRITER), failing())).rejects.toThrow('cut')),
      ])
      expect((await listed()).sort()).toEqual(whole.sort())
      for (const blobId of whole) expect((await readAll(blobId)).equals(bytes)).toBe(true)
    })

    it('lists a blob that is still being written, and ends the write only with its source', async () => {
      const blobId = newBlobId(WRITER)
      const bytes = patternOf(3_000_000)
      const gate = Promise.withResolvers<void>()
      const halfWay = Promise.withResolvers<void>()
      async function* slow() {
        yield* piecesOf(bytes.subarray(0, 2_500_000), 65_552)
        halfWay.resolve()
        await gate.promise
        yield bytes.subarray(2_500_000)
      }
      let isWritten = false
      const writing = store.write(blobId, slow()).then(() => {
        isWritten = true
      })
      await halfWay.promise
      expect(await listed()).toEqual([blobId])
      expect(isWritten).toBe(false)
      gate.resolve()
      await writing
      expect((await readAll(blobId)).equals(bytes)).toBe(true)
    })

    it('lets a reader finish after a delete, and opens nothing after it', async () => {
      const bytes = patternOf(2_000_000)
      const blobId = newBlobId(WRITER)
      await store.write(blobId, [bytes])
      const blob = await store.open(blobId)
      await store.delete(blobId)
      await expect(store.open(blobId)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
      expect(Buffer.from(await blob.read(0, bytes.length)).equals(bytes)).toBe(true)
      expect(Buffer.from(await blob.read(1, 1_000_000)).equals(bytes.subarray(1, 1_000_001))).toBe(true)
      await blob.close()
    })

    it('gives each of many readers whole bytes or none while the blob is deleted', async () => {
      const bytes = patternOf(1_000_000)
      for (let round = 0; round < 10; round++) {
        const blobId = newBlobId(WRITER)
        await store.write(blobId, [bytes])
        const reads = Promise.allSettled(
          Array.from({ length: 20 }, async (_, index) => {
            for (let waited = 0; waited < index; waited++) await turn()
            return await readAll(blobId)
          }),
        )
        await turn()
        await store.delete(blobId)
        for (const read of await reads) {
          if (read.status === 'fulfilled') expect(read.value.equals(bytes)).toBe(true)
          else expect(read.reason).toMatchObject({ code: 'BLOB_NOT_FOUND' })
        }
      }
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

    it('lists what is there all the time once, while others come and go', async () => {
      const kept = Array.from({ length: 60 }, () => newBlobId(WRITER))
      for (const blobId of kept) await store.write(blobId, [patternOf(10)])
      let isOver = false
      const churn = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          const blobId = newBlobId(WRITER)
          await store.write(blobId, [patternOf(100)])
          await store.delete(blobId)
        }
      })
      for (let round = 0; round < 5; round++) {
        const seen = await listed()
        expect(seen.filter((blobId) => kept.includes(blobId)).sort()).toEqual(kept.toSorted())
        expect(seen.every(isBlobId)).toBe(true)
      }
      isOver = true
      await Promise.all(churn)
      expect((await listed()).sort()).toEqual(kept.toSorted())
    })

    it('may be stopped in the middle of a list', async () => {
      for (let index = 0; index < 5; index++) await store.write(newBlobId(WRITER), [patternOf(1)])
      for await (const { sizeBytes } of store.list()) {
        expect(sizeBytes).toBe(1)
        break
      }
      expect(await listed()).toHaveLength(5)
    })

    it('keeps many writers apart', async () => {
      const blobs = Array.from({ length: 80 }, (_, index) => ({
        blobId: newBlobId(WRITER),
        bytes: patternOf(1_100_000 + index),
      }))
      await Promise.all(blobs.map(({ blobId, bytes }) => store.write(blobId, piecesOf(bytes, 65_552))))
      for (const { blobId, bytes } of blobs) expect((await readAll(blobId)).equals(bytes)).toBe(true)
    })

    it.each(['', '.', '..', '../../etc/passwd', `${WRITER}-00/../../../../etc/passwd`, `${WRITER}-${'0'.repeat(23)}G`])(
      'makes no path of %j, which is no blob id',
      async (text) => {
        await expect(store.open(text)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
        await expect(store.write(text, [])).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
        await expect(store.delete(text)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
      },
    )

    it('keeps any bytes in any pieces, and gives back any range', async () => {
      const pieceBytes = fc.oneof(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 0, max: 1_200_000 }))
      await fc.assert(
        fc.asyncProperty(fc.array(pieceBytes, { maxLength: 6 }), fc.nat(), fc.nat(), async (sizes, from, to) => {
          const bytes = patternOf(sizes.reduce((sum, size) => sum + size, 0))
          const blobId = newBlobId(WRITER)
          expect(await store.write(blobId, piecesOfSizes(bytes, sizes))).toBe(bytes.length)
          const offset = from % (bytes.length + 1)
          const length = to % (bytes.length - offset + 1)
          const blob = await store.open(blobId)
          const range = Buffer.from(await blob.read(offset, length))
          await blob.close()
          expect(range.equals(bytes.subarray(offset, offset + length))).toBe(true)
        }),
        { numRuns: 40 },
      )
    })

    const { openSmall } = options
    if (openSmall !== undefined) fullStoreContract(openSmall)
  })
}

function fullStoreContract(openSmall: () => Promise<BlobStoreFixture>): void {
  it('refuses a write that finds no room, keeps the others whole, and goes on when there is room again', async () => {
    const { store, dispose } = await openSmall()
    try {
      const bytes = patternOf(1_000_001)
      const kept = newBlobId(WRITER)
      await store.write(kept, [bytes])
      const tooMuch = () => store.write(newBlobId(WRITER), piecesOf(patternOf(33_000_000), 65_552))
      await expect(tooMuch()).rejects.toMatchObject({ code: 'BLOB_STORE_FULL' })
      expect(await listIds(store)).toEqual([kept])
      const together = await Promise.allSettled([tooMuch(), tooMuch(), tooMuch()])
      expect(together.map((ended) => ended.status === 'rejected' && ended.reason.code)).toEqual(
        Array(3).fill('BLOB_STORE_FULL'),
      )
      expect((await readWhole(store, kept)).equals(bytes)).toBe(true)
      await store.delete(kept)
      const next = newBlobId(WRITER)
      await store.write(next, [bytes])
      expect((await readWhole(store, next)).equals(bytes)).toBe(true)
    } finally {
      await dispose()
    }
  })
}

async function readWhole(store: BlobStore, blobId: BlobId): Promise<Buffer> {
  const blob = await store.open(blobId)
  try {
    return Buffer.from(await blob.read(0, blob.sizeBytes))
  } finally {
    await blob.close()
  }
}

async function listIds(store: BlobStore): Promise<BlobId[]> {
  const ids: BlobId[] = []
  for await (const { blobId } of store.list()) ids.push(blobId)
  return ids
}

function patternOf(sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  for (let index = 0; index < sizeBytes; index++) bytes[index] = (index * 31 + (index >> 8)) & 0xff
  return bytes
}

async function* piecesOf(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) yield bytes.subarray(offset, offset + pieceBytes)
}

function* piecesOfSizes(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let offset = 0
  for (const size of sizes) {
    yield bytes.subarray(offset, offset + size)
    offset += size
  }
}
