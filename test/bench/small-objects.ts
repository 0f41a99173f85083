/**
 * 4 KiB puts and gets against a bare node:http server with the same bodies, connections and number of processes, in turns; with
 * `tls`, over TLS against node:https. Both are warm: see WARM_UP_MS. `node test/bench/small-objects.ts [seconds for each] [tls]`
 */
import { availableParallelism } from 'node:os'
import { runLoad } from '@coffer/service-coffer/bench'
import { certsDirectoryOf, makeBenchBucket, overTls, startBareServer, startCoffer, WARM_UP_MS } from './bench-server.ts'

const SIZE_BYTES = 4096
const durationMs = Number(process.argv[2] ?? 10) * 1000
const isTls = process.argv[3] === 'tls'

const coffer = await startCoffer()
const endpoint = isTls ? overTls(coffer.endpoint) : coffer.endpoint
const bare = await startBareServer(availableParallelism(), SIZE_BYTES, isTls ? certsDirectoryOf(coffer) : undefined)
try {
  const report = await runLoad({
    endpoints: [endpoint, bare.endpoint],
    operations: ['put', 'get'],
    sizesBytes: [SIZE_BYTES],
    bucket: await makeBenchBucket(coffer),
    durationMs,
    warmUpMs: WARM_UP_MS,
    sliceMs: 2000,
    sse: 'none',
  })
  for (const { endpoint: url, operation, operationsPerSecond } of report.results) {
    const name = url === endpoint.url ? 'coffer' : `bare node:${isTls ? 'https' : 'http'}`
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
