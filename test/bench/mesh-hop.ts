/**
 * What a call to another process costs: one caller and one provider over a NATS server on loopback with TLS, and the same call within
 * a process. One call at a time for the latency of a hop, many at once for what a core carries.
 *
 *   node test/bench/mesh-hop.ts [calls, default 5000]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type { MetadataService } from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { createLogger, Mesh } from '@coffer/mesh'
import { findProgram } from '../harness/find-program.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { type NatsServer, startNats } from '../mesh/nats-server.ts'

const CALLS = Number(process.argv[2] ?? 5_000)
const AT_ONCE = 128
const RECORD_BYTES = 1_000
const value = new Uint8Array(RECORD_BYTES)
const service = {
  findRecord: async (_: string, id: string) => ({ id, value, revision: 1 }),
} as unknown as MetadataService

if (process.send === undefined) await call()
else process.once('message', (nats: NatsServer) => void provide(nats))

async function provide(nats: NatsServer): Promise<void> {
  const mesh = await start(nats)
  await mesh.provide('metadata', service, ['findRecord'])
  process.send?.('ready')
}

function start(nats?: NatsServer): Promise<Mesh> {
  const password = Secret.copyOf(Buffer.from(nats?.password ?? ''))
  const connection = nats && { url: nats.url, user: nats.user, password, tls: { caFile: nats.caFile } }
  return Mesh.start({
    logger: createLogger({ level: 'silent', name: 'bench', json: true }),
    meshKey: Secret.copyOf(Buffer.alloc(32, 7)),
    ...(connection && { nats: connection }),
  })
}

async function call(): Promise<void> {
  const programs = { nats: findProgram('nats-server') ?? '', openssl: findProgram('openssl') ?? '' }
  const directory = temporaryDirectory('mesh-hop')
  const nats = await startNats(programs, directory)
  const provider = fork(import.meta.filename)
  try {
    provider.send(nats)
    await once(provider, 'message')
    const [far, near] = [await start(nats), await start()]
    await near.provide('metadata', service, ['findRecord'])
    await far.waitFor(['metadata'], 10_000)
    for (const [name, mesh] of [
      ['in the same process', near],
      ['over NATS', far],
    ] as const) {
      await measure(`${name}, one at a time`, mesh, 1)
      await measure(`${name}, ${AT_ONCE} at once`, mesh, AT_ONCE)
    }
    await far.stop()
    await near.stop()
  } finally {
    provider.kill('SIGKILL')
    await nats.group.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function measure(name: string, mesh: Mesh, atOnce: number): Promise<void> {
  const metadata = mesh.use('metadata')
  const latencies: number[] = []
  let left = CALLS
  const work = async () => {
    while (left-- > 0) {
      const startedAt = performance.now()
      await metadata.findRecord('iam', 'x')
      latencies.push(performance.now() - startedAt)
    }
  }
  for (let warmUp = 0; warmUp < 500; warmUp++) await metadata.findRecord('iam', 'x')
  const [startedAt, cpu] = [performance.now(), process.cpuUsage()]
  await Promise.all(Array.from({ length: atOnce }, work))
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  const sorted = latencies.sort((a, b) => a - b)
  const at = (share: number) => `${(sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(3)} ms`
  const ofCaller = ((user + system) / CALLS).toFixed(0)
  process.stdout.write(
    `${name.padEnd(36)} fastest ${at(0)}, p50 ${at(0.5)}, p99 ${at(0.99)}; ${Math.round(CALLS / seconds)}/s; caller ${ofCaller} µs of a core\n`,
  )
}
