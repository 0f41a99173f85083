/**
 * Processor time of one request in all processes of a server, which says more than requests a second on a machine that others
 * use too: Coffer, bare node:http, and Coffer of another checkout (to see what a change brings), with another setting, with metrics, or with
 * traces of 1 and of 100 % of all requests, in turns of a second, all of them warm.
 * `node test/bench/request-cost.ts [seconds for each] [other checkout, or: COFFER_WORKERS=3, metrics, traces] [object bytes]`
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { runLoad } from '@coffer/service-coffer/bench'
import { freePort } from '../harness/free-port.ts'
import { type BenchServer, makeBenchBucket, startBareServer, startCoffer, WARM_UP_MS } from './bench-server.ts'

const TURN_MS = 1000
/** Of so few that the processor has them in its caches; the others are as many as `coffer bench` takes. */
const FEW_OBJECTS = 50
const seconds = Number(process.argv[2] ?? 10)
const otherCheckout = process.argv[3]
const sizeBytes = Number(process.argv[4] ?? 4096)

const servers = [
  { name: 'coffer', server: await startCoffer() },
  ...(otherCheckout ? await startOthers(otherCheckout) : []),
  { name: 'bare node:http', server: await startBareServer(availableParallelism(), sizeBytes) },
]
try {
  for (const { name, server } of servers) if (name !== 'bare node:http') await makeBenchBucket(server)
  await measure(['put', 'get'], '')
  await measure(['get'], ` of ${FEW_OBJECTS} objects`, { objectCount: FEW_OBJECTS })
} finally {
  for (const { server } of servers) await server.stop()
}

async function measure(operations: ('put' | 'get')[], what: string, options: { objectCount?: number } = {}) {
  const { results } = await runLoad({
    endpoints: servers.map(({ server }) => server.endpoint),
    operations,
    sizesBytes: [sizeBytes],
    bucket: 'bench',
    durationMs: seconds * 1000,
    warmUpMs: WARM_UP_MS,
    sliceMs: TURN_MS,
    sse: 'none',
    counterOf: ({ url }) => servers.find(({ server }) => server.endpoint.url === url)?.server.cpuMs() ?? 0,
    ...options,
  })
  for (const { endpoint, operation, operationCount, errorCount, operationsPerSecond, counted = 0 } of results) {
    if (errorCount > 0) throw new Error(`${operation} failed`)
    const name = servers.find(({ server }) => server.endpoint.url === endpoint)?.name
    const each = ((counted * 1000) / operationCount).toFixed(1)
    console.log(`${operation}${what} ${name}: ${each} µs each, ${operationsPerSecond.toFixed(0)}/s`)
  }
}

async function startOthers(which: string): Promise<{ name: string; server: BenchServer }[]> {
  const [setting = '', value] = which.split('=')
  if (value !== undefined) return [{ name: `with ${which}`, server: await startCoffer({ [setting]: value }) }]
  if (which === 'traces') return [await startTraced('0.01'), await startTraced('1')]
  if (which !== 'metrics') return [{ name: 'other', server: await startCoffer({}, which) }]
  const settings = { COFFER_HEALTH_ADDRESS: `127.0.0.1:${await freePort()}` }
  return [{ name: 'with metrics', server: await startCoffer(settings) }]
}

/** With a collector that takes everything and looks at nothing. */
async function startTraced(ratio: string): Promise<{ name: string; server: BenchServer }> {
  const collector = createServer((request, response) => request.resume().once('end', () => response.end()))
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  collector.unref()
  const { port } = collector.address() as AddressInfo
  const COFFER_TRACES_ENDPOINT = `http://127.0.0.1:${port}/v1/traces`
  const server = await startCoffer({ COFFER_TRACES_ENDPOINT, COFFER_TRACES_SAMPLE_RATIO: ratio })
  return { name: `with traces of ${Number(ratio) * 100} %`, server }
}
