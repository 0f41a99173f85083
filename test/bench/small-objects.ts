/**
 * 4 KiB puts and gets against a bare node:http server with the same bodies, connections and number of processes, in turns.
 * `node test/bench/small-objects.ts [seconds for each]`
 */
import { availableParallelism } from 'node:os'
import { runLoad } from '@coffer/service-coffer/bench'
import { makeBenchBucket, startBareServer, startCoffer } from './bench-server.ts'

const SIZE_BYTES = 4096
const durationMs = Number(process.argv[2] ?? 10) * 1000

const coffer = await startCoffer()
const bare = await startBareServer(availableParallelism(), SIZE_BYTES)
try {
  const report = await runLoad({
    endpoints: [coffer.endpoint, bare.endpoint],
    operations: ['put', 'get'],
    sizesBytes: [SIZE_BYTES],
    bucket: await makeBenchBucket(coffer),
    durationMs,
    sliceMs: 2000,
    sse: 'none',
  })
  for (const { endpoint, operation, operationsPerSecond } of report.results) {
    const name = endpoint === coffer.endpoint.url ? 'coffer' : 'bare node:http'
    console.log(`${operation} ${name}: ${operationsPerSecond.toFixed(0)}/s`)
  }
  for (const operation of ['put', 'get']) {
    const [ours, theirs] = report.results.filter((result) => result.operation === operation)
    if (ours && theirs) {
      console.log(`${operation} ratio: ${(ours.operationsPerSecond / theirs.operationsPerSecond).toFixed(3)}`)
    }
  }
} finally {
  await bare.stop()
  await coffer.stop()
}
