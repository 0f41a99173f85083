/**
 * Durable blob writes past the page cache and through it, the reads after each, and the memory of many
 * uploads at once (docs/decisions/0004). `node test/bench/blob-write.ts [directory] [rounds]`: the directory says which disk.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BlobId, type BlobStore, newBlobId } from '@coffer/blob-store'
import { openFsBlobStore } from '@coffer/blob-store/drivers/fs'

const MIB = 1024 * 1024
/** What the gateway hands over: one sealed segment. */
const SEGMENT_BYTES = 65_552
const READ_BYTES = 16 * SEGMENT_BYTES
const WRITER = '0123456789abcdef'
const CASES = [
  { sizeBytes: MIB, writers: 1, totalBytes: 64 * MIB },
  { sizeBytes: MIB, writers: 16, totalBytes: 128 * MIB },
  { sizeBytes: 32 * MIB, writers: 1, totalBytes: 192 * MIB },
  { sizeBytes: 32 * MIB, writers: 16, totalBytes: 512 * MIB },
]
const UPLOADS_AT_ONCE = 64

const parent = process.argv[2] ?? tmpdir()
const rounds = Number(process.argv[3] ?? 5)
const segments = Array.from({ length: 16 }, () => randomBytes(SEGMENT_BYTES))

interface Sample {
  readonly mibPerSecond: number
  readonly cpuMsPerMib: number
}

const directory = await mkdtemp(join(parent, 'coffer-bench-blobs-'))
try {
  await compare(directory)
} finally {
  await rm(directory, { recursive: true })
}

async function compare(path: string): Promise<void> {
  const stores = {
    direct: await openFsBlobStore({ directory: join(path, 'direct') }),
    cached: await openFsBlobStore({ directory: join(path, 'cached'), directIo: false }),
  }
  console.log('size     writers  store   step          MiB/s  CPU ms/MiB')
  for (const one of CASES) {
    const samples = new Map<string, Sample[]>()
    for (let round = 0; round < rounds; round++) {
      for (const [name, store] of Object.entries(stores)) {
        for (const [step, sample] of await measure(store, one)) {
          const key = `${name.padEnd(7)} ${step.padEnd(12)}`
          samples.set(key, [...(samples.get(key) ?? []), sample])
        }
      }
    }
    // Only now: in memory that deleted files have left the page cache writes faster than a store that grows ever sees.
    for (const store of Object.values(stores)) for await (const { blobId } of store.list()) await store.delete(blobId)
    for (const [key, taken] of samples) {
      const rate = median(taken.map(({ mibPerSecond }) => mibPerSecond)).toFixed(0)
      const cpu = median(taken.map(({ cpuMsPerMib }) => cpuMsPerMib)).toFixed(2)
      const place = `${one.sizeBytes / MIB} MiB`.padEnd(8) + String(one.writers).padStart(8)
      console.log(`${place}  ${key} ${rate.padStart(6)} ${cpu.padStart(11)}`)
    }
  }
  await reportMemory(stores.direct)
  for (const store of Object.values(stores)) await store.close()
}

async function measure(store: BlobStore, one: (typeof CASES)[number]): Promise<[step: string, sample: Sample][]> {
  const blobIds = Array.from({ length: one.totalBytes / one.sizeBytes }, () => newBlobId(WRITER))
  const each = (work: (blobId: BlobId) => Promise<unknown>) =>
    timed(one.totalBytes, () => inParallel(blobIds, one.writers, work))
  return [
    ['write', await each((blobId) => store.write(blobId, piecesOf(one.sizeBytes)))],
    ['first read', await each((blobId) => readThrough(store, blobId))],
    ['second read', await each((blobId) => readThrough(store, blobId))],
    ['third read', await each((blobId) => readThrough(store, blobId))],
  ]
}

async function reportMemory(store: BlobStore): Promise<void> {
  const blobIds = Array.from({ length: UPLOADS_AT_ONCE }, () => newBlobId(WRITER))
  let rssMaxBytes = 0
  const watch = setInterval(() => {
    rssMaxBytes = Math.max(rssMaxBytes, process.memoryUsage.rss())
  }, 20)
  await inParallel(blobIds, UPLOADS_AT_ONCE, (blobId) => store.write(blobId, freshPiecesOf(32 * MIB)))
  clearInterval(watch)
  for (const blobId of blobIds) await store.delete(blobId)
  console.log(`${UPLOADS_AT_ONCE} blobs of 32 MiB at once: ${(rssMaxBytes / MIB).toFixed(0)} MiB resident`)
}

async function timed(totalBytes: number, work: () => Promise<void>): Promise<Sample> {
  const cpuBefore = process.cpuUsage()
  const startMs = performance.now()
  await work()
  const seconds = (performance.now() - startMs) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const mib = totalBytes / MIB
  return { mibPerSecond: mib / seconds, cpuMsPerMib: (user + system) / 1000 / mib }
}

async function inParallel<T>(items: readonly T[], count: number, work: (item: T) => Promise<unknown>): Promise<void> {
  const queue = items.values()
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (const item of queue) await work(item)
    }),
  )
}

/** As the gateway reads: a chunk is read while the one before is worked on. */
async function readThrough(store: BlobStore, blobId: BlobId): Promise<void> {
  const blob = await store.open(blobId)
  const chunkAt = (offset: number) => blob.read(offset, Math.min(READ_BYTES, blob.sizeBytes - offset))
  let reading: Promise<Uint8Array> | undefined = chunkAt(0)
  for (let offset = READ_BYTES; reading !== undefined; offset += READ_BYTES) {
    const next: Promise<Uint8Array> | undefined = offset < blob.sizeBytes ? chunkAt(offset) : undefined
    await reading
    reading = next
  }
  await blob.close()
}

async function* piecesOf(plainBytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index * 65_536 < plainBytes; index++) yield segments[index % segments.length] ?? new Uint8Array(0)
}

/** Each piece in memory of its own, as a cipher makes them. */
async function* freshPiecesOf(plainBytes: number): AsyncGenerator<Uint8Array> {
  for await (const piece of piecesOf(plainBytes)) yield Buffer.from(piece)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
