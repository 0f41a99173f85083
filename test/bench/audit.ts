/**
 * What the audit trail costs a 4 KiB get and put: servers with it off, of changes and of everything, in turns, by the processor
 * time of their processes. `node test/bench/audit.ts [seconds for each]`
 */
import { runLoad } from '@coffer/service-coffer/bench'
import { type BenchServer, makeBenchBucket, startCoffer, WARM_UP_MS } from './bench-server.ts'

const SIZE_BYTES = 4096
const MODES = ['off', 'changes', 'all'] as const
const durationMs = Number(process.argv[2] ?? 8) * 1000

const servers: BenchServer[] = []
try {
  for (const mode of MODES) {
    const server = await startCoffer({ COFFER_AUDIT: mode, COFFER_WORKERS: '1' })
    servers.push(server)
    await makeBenchBucket(server)
  }
  for (const operation of ['get', 'put'] as const) {
    const costs = await load(operation)
    const [off = 0] = costs
    for (const [index, cost] of costs.entries()) {
      const more = ((cost / off - 1) * 100).toFixed(1)
      console.log(
        `${operation}, audit ${MODES[index]}: ${(cost * 1000).toFixed(1)} µs of processor time each (${more} %)`,
      )
    }
  }
} finally {
  for (const server of servers) await server.stop()
}

/** Processor time of each server for one operation, milliseconds. */
async function load(operation: 'get' | 'put'): Promise<readonly number[]> {
  const { results } = await runLoad({
    endpoints: servers.map(({ endpoint }) => endpoint),
    operations: [operation],
    sizesBytes: [SIZE_BYTES],
    bucket: 'bench',
    objectCount: 200,
    connections: 16,
    durationMs,
    warmUpMs: WARM_UP_MS,
    sliceMs: 500,
    sse: 'none',
    counterOf: ({ url }) => servers.find(({ endpoint }) => endpoint.url === url)?.cpuMs() ?? 0,
  })
  return servers.map(({ endpoint }) => {
    const { counted = 0, operationCount = 1 } = results.find((result) => result.endpoint === endpoint.url) ?? {}
    return counted / operationCount
  })
}
