import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { type ProcessGroup, startGroup } from './process-group.ts'

export interface RabbitServer {
  readonly url: string
  /** `amqps://`, with a certificate of the files that it was started with. */
  readonly tlsUrl: string
  readonly user: string
  readonly password: string
  /** SIGKILL to all of it, as a crash would. */
  kill(): Promise<void>
  /** On what a killed one left. */
  start(): Promise<void>
  stop(): Promise<void>
}

const PATIENCE_MS = 120_000
const USER = 'coffer'
/** Debian's program of this name becomes another user first; this is what it starts then. */
const DEBIAN_PROGRAM = '/usr/lib/rabbitmq/bin/rabbitmq-server'

/**
 * A RabbitMQ of its own on loopback: an Erlang node with a name, a cookie, ports and a port mapper (epmd) of its own, which end
 * with it. A durable queue `coffer.events.photos`.
 */
export async function startRabbit(
  programs: { readonly 'rabbitmq-server': string; readonly epmd: string },
  tls: { readonly certFile: string; readonly keyFile: string },
): Promise<RabbitServer> {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-rabbit-'))
  const password = randomBytes(12).toString('hex')
  const [port, tlsPort, distributionPort, mapperPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  writeFileSync(join(directory, '.erlang.cookie'), randomBytes(16).toString('hex'), { mode: 0o400 })
  writeFileSync(join(directory, 'plugins'), '[].')
  const definitions = {
    users: [{ name: USER, password_hash: hashOf(password), tags: [], limits: {} }],
    vhosts: [{ name: '/' }],
    permissions: [{ user: USER, vhost: '/', configure: '.*', write: '.*', read: '.*' }],
    queues: [{ name: 'coffer.events.photos', vhost: '/', durable: true, auto_delete: false, arguments: {} }],
  }
  writeFileSync(join(directory, 'definitions.json'), JSON.stringify(definitions), { mode: 0o600 })
  const lines = [
    `listeners.tcp.local = 127.0.0.1:${port}`,
    `listeners.ssl.local = 127.0.0.1:${tlsPort}`,
    `ssl_options.certfile = ${tls.certFile}`,
    `ssl_options.keyfile = ${tls.keyFile}`,
    `load_definitions = ${join(directory, 'definitions.json')}`,
    'log.console = true',
    'log.console.level = info',
    'log.file = false',
    // The test's machine may have little of either.
    'disk_free_limit.absolute = 1MB',
    'vm_memory_high_watermark.relative = 0.8',
  ]
  writeFileSync(join(directory, 'rabbitmq.conf'), `${lines.join('\n')}\n`)
  mkdirSync(join(directory, 'log'))
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    LANG: 'C.UTF-8',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(mapperPort),
    RABBITMQ_NODENAME: `coffer-${randomBytes(4).toString('hex')}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none',
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_PID_FILE: join(directory, 'pid'),
  }
  // Not as a daemon: so that it ends with this group.
  const mapper = startGroup(programs.epmd, ['-port', String(mapperPort), '-address', '127.0.0.1'], {
    env,
    cwd: directory,
  })
  const program = existsSync(DEBIAN_PROGRAM) ? DEBIAN_PROGRAM : programs['rabbitmq-server']
  let group: ProcessGroup
  const start = async () => {
    group = startGroup(program, [], { env, cwd: directory })
    const deadline = Date.now() + PATIENCE_MS
    while (!((await answers(port)) && (await answers(tlsPort)) && /startup complete/i.test(group.logs()))) {
      if (group.exited() || Date.now() > deadline) throw new Error(`rabbitmq-server did not start:\n${group.logs()}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  await start()
  return {
    url: `amqp://127.0.0.1:${port}`,
    tlsUrl: `amqps://localhost:${tlsPort}`,
    user: USER,
    password,
    start,
    kill: () => group.kill('SIGKILL'),
    async stop() {
      await group.kill('SIGKILL')
      await mapper.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** rabbitmq.com, "Passwords": base64 of a salt of 32 bits, and SHA-256 of salt and password. */
function hashOf(password: string): string {
  const salt = randomBytes(4)
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password).digest()]).toString('base64')
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
