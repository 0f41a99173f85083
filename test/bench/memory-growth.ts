/**
 * Whether memory grows: puts, gets, listings and deletes of small and large objects at once, for minutes; resident memory of all
 * processes by quarters of that time. `node test/bench/memory-growth.ts [seconds]`
 */
import { runLoad } from '@coffer/service-coffer/bench'
import { startCoffer } from './bench-server.ts'

const MIB = 1024 * 1024
const SAMPLE_MS = 250
const QUARTERS = 4
const SLICE_MS = 1000
/** Together 28 connections: what two cores can still serve. */
const MIXES = [
  { sizeBytes: 4096, connections: 16 },
  { sizeBytes: MIB, connections: 8 },
  { sizeBytes: 32 * MIB, connections: 4 },
]
const seconds = Number(process.argv[2] ?? 180)

const coffer = await startCoffer()
const samples: { atMs: number; bytes: number }[] = []
const startedAt = performance.now()
const isOver = () => performance.now() - startedAt > seconds * 1000
const sampler = setInterval(
  () => samples.push({ atMs: performance.now() - startedAt, bytes: coffer.residentBytes() }),
  SAMPLE_MS,
)
let operations = 0
try {
  await Promise.all(MIXES.map(mix))
} finally {
  clearInterval(sampler)
  await coffer.stop()
}
for (let quarter = 0; quarter < QUARTERS; quarter++) {
  const bytes = samples
    .filter(({ atMs }) => Math.floor((atMs / seconds / 1000) * QUARTERS) === quarter)
    .map((sample) => sample.bytes)
    .sort((a, b) => a - b)
  const [median, highest] = [bytes[bytes.length >> 1] ?? 0, bytes.at(-1) ?? 0]
  console.log(
    `quarter ${quarter + 1}: median ${(median / MIB).toFixed(0)} MiB, highest ${(highest / MIB).toFixed(0)} MiB`,
  )
}
console.log(`${operations} operations`)

/** Round after round in a bucket of its own, which is removed at the end of each. */
async function mix({ sizeBytes, connections }: (typeof MIXES)[number]): Promise<void> {
  while (!isOver()) {
    const { results } = await runLoad({
      endpoints: [coffer.endpoint],
      operations: ['put', 'get', 'list', 'delete'],
      sizesBytes: [sizeBytes],
      connections,
      durationMs: SLICE_MS,
      sliceMs: SLICE_MS,
      sse: 'none',
    })
    for (const { operation, operationCount, errorCount } of results) {
      if (errorCount > 0) throw new Error(`${operation} of ${sizeBytes} bytes: ${errorCount} failures`)
      operations += operationCount
    }
  }
}
