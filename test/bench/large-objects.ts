/**
 * 32 MiB puts and gets against a loop that only hashes and seals (put) or opens (get) the same bytes, one process per core; and
 * against a bare node:http server that takes or sends the same bytes for the same load, in turns. With
 * `tls`, over TLS against node:https. `node test/bench/large-objects.ts [seconds for each] [tls]`
 */
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { generateObjectKey, newStreamHeader, StreamOpener, StreamSealer } from '@coffer/crypto-core'
import { runLoad } from '@coffer/service-coffer/bench'
import {
  type BenchServer,
  certsDirectoryOf,
  makeBenchBucket,
  overTls,
  startBareServer,
  startCoffer,
} from './bench-server.ts'

const OBJECT_BYTES = 32 * 1024 * 1024
const CHUNK_BYTES = 65_536
const MIB = 1024 * 1024
const seconds = Number(process.argv[2] ?? 10)
const isTls = process.argv[3] === 'tls'

if (process.argv[3] === 'loop') await runLoop(process.argv[4] === 'get' ? 'get' : 'put')
else await compare()

async function compare(): Promise<void> {
  const coffer = await startCoffer()
  const certsDirectory = isTls ? certsDirectoryOf(coffer) : undefined
  const bare = await startBareServer(availableParallelism(), OBJECT_BYTES, certsDirectory)
  try {
    await makeBenchBucket(coffer)
    for (const operation of ['put', 'get'] as const) await compareOne(operation, coffer, bare)
  } finally {
    await bare.stop()
    await coffer.stop()
  }
}

async function compareOne(operation: 'put' | 'get', coffer: BenchServer, bare: BenchServer): Promise<void> {
  const loop = await measureLoops(operation)
  const endpoint = isTls ? overTls(coffer.endpoint) : coffer.endpoint
  const { results } = await runLoad({
    endpoints: [endpoint, bare.endpoint],
    operations: [operation],
    sizesBytes: [OBJECT_BYTES],
    bucket: 'bench',
    durationMs: seconds * 1000,
    sliceMs: 2000,
    sse: 'none',
  })
  const rateOf = ({ url }: { readonly url: string }) =>
    results.find((result) => result.endpoint === url)?.mebibytesPerSecond ?? 0
  const [served, ceiling] = [rateOf(endpoint), rateOf(bare.endpoint)]
  // One after the other. No ceiling: Coffer may spend less than the loop on the same bytes (two MD5s at once, memory given back).
  const both = 1 / (1 / ceiling + 1 / loop)
  console.log(
    `${operation}: coffer ${served.toFixed(0)} MiB/s, loop ${loop.toFixed(0)} MiB/s, ratio ${(served / loop).toFixed(2)}; ` +
      `bare server ${ceiling.toFixed(0)} MiB/s, with the loop ${both.toFixed(0)} MiB/s (${(both / loop).toFixed(2)}), of which coffer ${(served / both).toFixed(2)}`,
  )
}

async function measureLoops(operation: 'put' | 'get'): Promise<number> {
  const rates = Array.from({ length: availableParallelism() }, async () => {
    const child = fork(import.meta.filename, [String(seconds), 'loop', operation])
    const failed = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the loop ended with ${code}`)))
    const [rate] = await Promise.race([once(child, 'message'), failed])
    return Number(rate)
  })
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0)
}

async function runLoop(operation: 'put' | 'get'): Promise<void> {
  const objectKey = generateObjectKey('AES-256-GCM')
  const plain = Buffer.alloc(OBJECT_BYTES, 1)
  const seal = (md5: boolean) => {
    const header = newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 0 })
    const sealer = new StreamSealer(objectKey, header, { plainSizeBytes: OBJECT_BYTES })
    const hash = createHash('md5')
    const pieces: Uint8Array[] = []
    for (let offset = 0; offset < OBJECT_BYTES; offset += CHUNK_BYTES) {
      const chunk = plain.subarray(offset, offset + CHUNK_BYTES)
      if (md5) hash.update(chunk)
      pieces.push(...sealer.seal(chunk, offset + CHUNK_BYTES === OBJECT_BYTES))
    }
    hash.digest()
    return { header, pieces }
  }
  const { header, pieces } = seal(false)
  const sealed = Buffer.concat(pieces.slice(1))
  const open = () => {
    const opener = new StreamOpener(objectKey, header, { plainTotalBytes: OBJECT_BYTES, expectedPartNumber: 0 })
    const batchBytes = 16 * (CHUNK_BYTES + 16)
    for (let offset = 0, index = 0; offset < sealed.length; offset += batchBytes, index += 16) {
      opener.openSegments(index, sealed.subarray(offset, offset + batchBytes))
    }
  }
  const endAt = Date.now() + seconds * 1000
  const startedAt = Date.now()
  let objects = 0
  for (; Date.now() < endAt; objects++) {
    if (operation === 'put') seal(true)
    else open()
  }
  process.send?.((objects * OBJECT_BYTES) / MIB / ((Date.now() - startedAt) / 1000))
  process.disconnect?.()
}
