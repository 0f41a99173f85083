import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { runOrThrow } from '../harness/coffer-command.ts'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { cleanEnvironment } from '../harness/start-server.ts'

export interface NatsServer {
  readonly url: string
  readonly caFile: string
  readonly user: string
  readonly password: string
  readonly passwordFile: string
  readonly group: ProcessGroup
}

/** A nats-server that speaks only TLS and lets in one user; or, with `earlier`, that one again, after it was killed. */
export async function startNats(
  programs: { nats: string; openssl: string },
  directory: string,
  earlier?: NatsServer,
): Promise<NatsServer> {
  const env = cleanEnvironment({})
  const configFile = join(directory, 'nats.conf')
  const server = earlier ?? (await configureNats(programs.openssl, directory, configFile, env))
  const group = startGroup(programs.nats, ['-c', configFile], { env, cwd: directory })
  await untilListening(group)
  return { ...server, group }
}

async function configureNats(
  openssl: string,
  directory: string,
  configFile: string,
  env: NodeJS.ProcessEnv,
): Promise<Omit<NatsServer, 'group'>> {
  const [keyFile, caFile] = [join(directory, 'nats.key'), join(directory, 'nats.crt')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-days', '2']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile, '-out', caFile]
  await runOrThrow(openssl, ['req', '-x509', ...key, ...subject], { env })
  const port = await freePort()
  const [user, password] = ['coffer', randomBytes(16).toString('hex')]
  const passwordFile = join(directory, 'nats.password')
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 })
  writeFileSync(
    configFile,
    `host: "127.0.0.1"\nport: ${port}\n` +
      `tls { cert_file: "${caFile}", key_file: "${keyFile}" }\n` +
      `authorization { users: [ { user: "${user}", password: "${password}" } ] }\n`,
    { mode: 0o600 },
  )
  return { url: `tls://127.0.0.1:${port}`, caFile, user, password, passwordFile }
}

export async function untilListening(group: ProcessGroup): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!group.logs().includes('Server is ready')) {
    if (group.exited() || Date.now() > deadline) throw new Error(`nats-server did not start:\n${group.logs()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export interface NatsCapture {
  /** Every byte that the server sent so far. */
  bytes(): Buffer
  close(): void
}

/**
 * Subscribes to everything, as an eavesdropper who may log in. Source: NATS client protocol (INFO in the clear, then TLS,
 * CONNECT, SUB).
 */
export async function captureAll(nats: NatsServer): Promise<NatsCapture> {
  const { port } = new URL(nats.url)
  const plain = connectPlain(Number(port), '127.0.0.1')
  await new Promise((resolve, reject) => {
    plain.once('error', reject)
    plain.once('data', resolve)
  })
  const socket = connectTls({ socket: plain, ca: readFileSync(nats.caFile), servername: 'localhost' })
  await new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('secureConnect', resolve)
  })
  const chunks: Buffer[] = []
  const subscribed = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const text = chunk.toString('latin1')
      if (text.includes('PING\r\n')) socket.write('PONG\r\n')
      if (text.includes('PONG\r\n')) resolve()
      if (text.includes('-ERR')) reject(new Error(text))
    })
  })
  const options = {
    verbose: false,
    tls_required: true,
    lang: 'node',
    version: '1',
    user: nats.user,
    pass: nats.password,
  }
  socket.write(`CONNECT ${JSON.stringify(options)}\r\nSUB > 1\r\nPING\r\n`)
  await subscribed
  return { bytes: () => Buffer.concat(chunks), close: () => socket.destroy() }
}
