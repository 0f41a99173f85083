/**
 * Processor time of one request in all processes of a server, which says more than requests a second on a machine that others
 * use too: Coffer, bare node:http, and Coffer of another checkout (to see what a change brings), with metrics, or with traces of 1 and of
 * 100 % of all requests, in turns of a second.
 * `node test/bench/request-cost.ts [seconds for each] [other checkout, or: metrics, or: traces] [object bytes]`
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { runLoad } from '@coffer/service-coffer/bench'
import { freePort } from '../harness/free-port.ts'
import { type BenchServer, makeBenchBucket, startBareServer, startCoffer } from './bench-server.ts'

const TURN_MS = 1000
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
  for (const operation of ['put', 'get'] as const) {
    const sums = servers.map(() => ({ cpuMs: 0, operations: 0, elapsedSeconds: 0 }))
    for (let turn = 0; turn < seconds; turn++) {
      // There and back: who comes after whom makes a difference on a busy machine.
      const order = [...servers.entries()]
      for (const [index, { server }] of turn % 2 ? order.reverse() : order) {
        await takeTurn(server, operation, sums[index])
      }
    }
    for (const [index, { name }] of servers.entries()) {
      const { cpuMs, operations, elapsedSeconds } = sums[index] ?? { cpuMs: 0, operations: 1, elapsedSeconds: 1 }
      console.log(
        `${operation} ${name}: ${((cpuMs * 1000) / operations).toFixed(1)} µs each, ${(operations / elapsedSeconds).toFixed(0)}/s`,
      )
    }
  }
} finally {
  for (const { server } of servers) await server.stop()
}

async function startOthers(which: string): Promise<{ name: string; server: BenchServer }[]> {
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

async function takeTurn(
  server: BenchServer,
  operation: 'put' | 'get',
  sum: { cpuMs: number; operations: number; elapsedSeconds: number } | undefined,
): Promise<void> {
  const before = server.cpuMs()
  const { results } = await runLoad({
    endpoints: [server.endpoint],
    operations: [operation],
    sizesBytes: [sizeBytes],
    bucket: 'bench',
    durationMs: TURN_MS,
    sliceMs: TURN_MS,
    sse: 'none',
    // What a get asks for is put first, at each turn.
    ...(operation === 'get' && { objectCount: 50 }),
  })
  const [result] = results
  if (sum === undefined || result === undefined || result.errorCount > 0) throw new Error(`${operation} failed`)
  sum.cpuMs += server.cpuMs() - before
  sum.operations += result.operationCount
  sum.elapsedSeconds += result.elapsedSeconds
}
