/**
 * Which process of a mesh works how long for a small request: the service demands that the model in docs/scaling.md is fed with.
 * Processor time, so that it means something beside other programs too. Metadata is LMDB's, or with `postgres` PostgreSQL's.
 *
 *   node test/bench/mesh-stages.ts [lmdb|postgres] [requests of each kind, default 3000]
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { Agent } from 'node:https'
import { findProgram } from '../harness/find-program.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { sendSigned } from '../harness/raw-request.ts'
import type { ClientTarget } from '../harness/s3.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { startMesh } from '../mesh/mesh-processes.ts'
import { startNats } from '../mesh/nats-server.ts'
import { TICK_MS, ticksOf } from './process-ticks.ts'

const REQUESTS = Number(process.argv[3] ?? 3_000)
const CONNECTIONS = 16
const BODY = Buffer.alloc(4_096, 1)
const TICK_US = TICK_MS * 1000

const directory = temporaryDirectory('mesh-stages')
const programs = { nats: findProgram('nats-server') ?? '', openssl: findProgram('openssl') ?? '' }
const nats = await startNats(programs, directory)
const postgres = process.argv[2] === 'postgres' ? await startPostgres() : undefined
const settings = postgres && {
  COFFER_METADATA_URL: postgres.url,
  COFFER_METADATA_PASSWORD_FILE: postgres.passwordFile,
}
const mesh = await startMesh(nats, directory, settings)
try {
  const target = mesh.gateways[0] as ClientTarget
  const agent = new Agent({ ca: readFileSync(target.caFile), keepAlive: true, maxSockets: CONNECTIONS })
  const ask = async (method: string, path: string, body?: Buffer) => {
    const { status } = await sendSigned(target, { method, path, agent, ...(body && { body }) })
    if (status !== 200) throw new Error(`${method} ${path}: ${status}`)
  }
  await ask('PUT', '/bench')
  const kinds = {
    put: (index: number) => ask('PUT', `/bench/k${index}`, BODY),
    get: (index: number) => ask('GET', `/bench/k${index}`),
  }
  for (const [kind, request] of Object.entries(kinds)) {
    await times(500, request)
    const before = processorTimes()
    await times(REQUESTS, request)
    const after = processorTimes()
    for (const [name, us] of after) {
      const each = (us - (before.get(name) ?? 0)) / REQUESTS
      if (each >= 1) process.stdout.write(`${kind}  ${name.padEnd(12)} ${each.toFixed(0).padStart(5)} µs of a core\n`)
    }
  }
} finally {
  await mesh.stop()
  await nats.group.stop()
  await postgres?.stop()
  rmSync(directory, { recursive: true, force: true })
}

async function times(count: number, request: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    while (next < count) await request(next++)
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
}

function processorTimes(): Map<string, number> {
  const own = [...mesh.groups].map(([name, group]) => [name, ticksOf(group.pid) * TICK_US] as const)
  const server = postgres && [['PostgreSQL', ticksOfPostgres(postgres) * TICK_US] as const]
  return new Map([...own, ['NATS', ticksOf(nats.group.pid) * TICK_US], ...(server ?? [])])
}

/** Of all processes of the server: each connection has one, whose parent listens on the port. */
function ticksOfPostgres({ port }: PostgresServer): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const lineOf = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
    } catch {
      return ''
    }
  }
  const first = pids.find((pid) => lineOf(pid).includes(`port=${port}`))
  const parentOf = (pid: string): string | undefined => {
    try {
      return /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    } catch {
      return undefined
    }
  }
  return pids
    .filter((pid) => pid === first || parentOf(pid) === first)
    .reduce((sum, pid) => sum + ticksOf(Number(pid)), 0)
}
