/**
 * 32 MiB puts and gets against a loop that only hashes and seals (put) or opens (get) the same bytes, one process per core.
 * `node test/bench/large-objects.ts [seconds for each]`
 */
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { generateObjectKey, newStreamHeader, StreamOpener, StreamSealer } from '@coffer/crypto-core'
import { runLoad } from '@coffer/service-coffer/bench'
import { startCoffer } from './bench-server.ts'

const OBJECT_BYTES = 32 * 1024 * 1024
const CHUNK_BYTES = 65_536
const MIB = 1024 * 1024
const seconds = Number(process.argv[2] ?? 10)

if (process.argv[3] === 'loop') await runLoop(process.argv[4] === 'get' ? 'get' : 'put')
else await compare()

async function compare(): Promise<void> {
  const coffer = await startCoffer()
  try {
    for (const operation of ['put', 'get'] as const) {
      const loop = await measureLoops(operation)
      const report = await runLoad({
        endpoints: [coffer.endpoint],
        operations: operation === 'put' ? ['put'] : ['put', 'get'],
        sizesBytes: [OBJECT_BYTES],
        durationMs: seconds * 1000,
        sliceMs: 2000,
        sse: 'none',
      })
      const result = report.results.find((one) => one.operation === operation)
      const served = ((result?.operationsPerSecond ?? 0) * OBJECT_BYTES) / MIB
      console.log(
        `${operation}: coffer ${served.toFixed(0)} MiB/s, loop ${loop.toFixed(0)} MiB/s, ratio ${(served / loop).toFixed(2)}`,
      )
    }
  } finally {
    await coffer.stop()
  }
}

async function measureLoops(operation: 'put' | 'get'): Promise<number> {
  const rates = Array.from({ length: availableParallelism() }, async () => {
    const child = fork(import.meta.filename, [String(seconds), 'loop', operation])
    const [rate] = await once(child, 'message')
    return Number(rate)
  })
  return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0)
}

async function runLoop(operation: 'put' | 'get'): Promise<void> {
  const objectKey = generateObjectKey('AES-256-GCM')
  const header = newStreamHeader({ algorithm: 'AES-256-GCM', partNumber: 0 })
  const plain = Buffer.alloc(OBJECT_BYTES, 1)
  const seal = (md5: boolean): Uint8Array[] => {
    const sealer = new StreamSealer(objectKey, header, { plainSizeBytes: OBJECT_BYTES })
    const hash = createHash('md5')
    const pieces: Uint8Array[] = []
    for (let offset = 0; offset < OBJECT_BYTES; offset += CHUNK_BYTES) {
      const chunk = plain.subarray(offset, offset + CHUNK_BYTES)
      if (md5) hash.update(chunk)
      pieces.push(...sealer.seal(chunk, offset + CHUNK_BYTES === OBJECT_BYTES))
    }
    hash.digest()
    return pieces
  }
  const sealed = Buffer.concat(seal(false).slice(1))
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
