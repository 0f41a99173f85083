/**
 * 64 uploads of 32 MiB at once, again and again: the resident memory of all processes at its highest, and whether it grows.
 * `node test/bench/upload-memory.ts [seconds]`
 */
import { runLoad } from '@coffer/service-coffer/bench'
import { startCoffer } from './bench-server.ts'

const MIB = 1024 * 1024
const SAMPLE_MS = 100
const seconds = Number(process.argv[2] ?? 60)

const coffer = await startCoffer()
const samples: number[] = []
const idleBytes = coffer.residentBytes()
const sampler = setInterval(() => samples.push(coffer.residentBytes()), SAMPLE_MS)
try {
  await runLoad({
    endpoints: [coffer.endpoint],
    operations: ['put'],
    sizesBytes: [32 * MIB],
    connections: 64,
    durationMs: seconds * 1000,
    sliceMs: seconds * 1000,
    sse: 'none',
    objectCount: 64,
  })
} finally {
  clearInterval(sampler)
  await coffer.stop()
}
const half = Math.floor(samples.length / 2)
const highest = (part: readonly number[]) => (Math.max(...part) / MIB).toFixed(0)
console.log(`idle: ${(idleBytes / MIB).toFixed(0)} MiB`)
console.log(
  `highest: ${highest(samples)} MiB; first half ${highest(samples.slice(0, half))}, second half ${highest(samples.slice(half))}`,
)
