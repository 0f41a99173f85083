import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { auditTargetContract } from '@coffer/audit/contract'
import { fileTarget } from '@coffer/audit/targets/file'
import { natsTarget } from '@coffer/audit/targets/nats'
import { syslogTarget } from '@coffer/audit/targets/syslog'
import { webhookTarget } from '@coffer/audit/targets/webhook'
import { afterAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { startGroup } from '../harness/process-group.ts'
import { cleanEnvironment } from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'

const directory = mkdtempSync(join(tmpdir(), 'coffer-targets-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '')

auditTargetContract('a file', async () => {
  const folder = mkdtempSync(join(directory, 'file-'))
  const files = () => readdirSync(folder).sort()
  return {
    open: (chain) => fileTarget.open({ fileSizeBytesMax: 100_000, syncIntervalMs: 0 }, { chain, directory: folder }),
    received: async () =>
      linesOf(
        files()
          .map((name) => readFileSync(join(folder, name), 'utf8'))
          .join(''),
      ),
    async dispose() {
      for (const name of files()) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    },
  }
})

auditTargetContract('a webhook', async () => {
  const received: string[] = []
  const authorizationFile = join(directory, 'authorization')
  writeFileSync(authorizationFile, 'Bearer 0123\n', { mode: 0o600 })
  let isAway = false
  const server = createHttpServer((request, response) => {
    void bodyOf(request).then((body) => {
      const isRight = request.headers.authorization === 'Bearer 0123' && request.method === 'POST'
      if (isRight && !isAway) received.push(...linesOf(body))
      response.writeHead(isAway ? 500 : isRight ? 204 : 401).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/audit`
  const options = webhookTarget.options.parse({ url, authorizationFile, timeoutMs: 20_000 })
  return {
    open: (chain) => webhookTarget.open(options, { chain, directory }),
    received: async () => received,
    async interrupt() {
      isAway = true
    },
    async resume() {
      isAway = false
    },
    async dispose() {
      server.closeAllConnections()
      server.close()
    },
  }
})

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

it('a webhook over plain HTTP is for this machine only, and none is followed elsewhere', () => {
  expect(webhookTarget.options.safeParse({ url: 'http://10.0.0.1/audit' }).success).toBe(false)
  expect(webhookTarget.options.safeParse({ url: 'https://user:password@example.org/' }).success).toBe(false)
})

/** RFC 5424, section 6, with the header that every message of ours has. */
const MESSAGE = /^<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ coffer \d+ audit - (\{.*\})$/s

/** The messages of a stream with octet counting (RFC 6587, section 3.4.1). */
function messagesIn(stream: Buffer): string[] {
  const messages: string[] = []
  for (let rest = stream; rest.length > 0; ) {
    const spaceAt = rest.indexOf(0x20)
    const end = spaceAt + 1 + Number(rest.toString('latin1', 0, spaceAt))
    if (spaceAt === -1 || end > rest.length) break
    messages.push(MESSAGE.exec(rest.toString('utf8', spaceAt + 1, end))?.[1] ?? 'not RFC 5424')
    rest = rest.subarray(end)
  }
  return messages
}

auditTargetContract('syslog over UDP', async () => {
  const received: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (message) => received.push(MESSAGE.exec(message.toString())?.[1] ?? 'not RFC 5424'))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.setRecvBufferSize(8 * 1024 * 1024)
  const options = syslogTarget.options.parse({ transport: 'udp', host: '127.0.0.1', port: socket.address().port })
  return {
    open: (chain) => syslogTarget.open(options, { chain, directory }),
    received: async () => received,
    async dispose() {
      socket.close()
    },
  }
})

auditTargetContract('syslog over TCP', async () => {
  let streams: Buffer[] = []
  const sockets = new Set<Socket>()
  const port = await freePort()
  const server = createServer((socket) => {
    const index = streams.push(Buffer.alloc(0)) - 1
    sockets.add(socket)
    socket.on('data', (chunk: Buffer) => {
      streams = streams.with(index, Buffer.concat([streams[index] ?? Buffer.alloc(0), chunk]))
    })
    socket.on('error', () => undefined)
  })
  const listen = async () => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const away = async () => {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }
  await listen()
  const options = syslogTarget.options.parse({ transport: 'tcp', host: '127.0.0.1', port })
  return {
    open: (chain) => syslogTarget.open(options, { chain, directory }),
    received: async () => streams.flatMap(messagesIn),
    interrupt: away,
    resume: listen,
    dispose: away,
  }
})

describeWithPrograms('syslog over TLS', ['openssl'], ({ openssl }) => {
  const authority = new CertificateAuthority(openssl)
  afterAll(() => authority.dispose())

  auditTargetContract('syslog over TLS', async () => {
    let stream = Buffer.alloc(0)
    const { certFile, keyFile } = authority.issue('localhost', 'serverAuth')
    const server = createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        stream = Buffer.concat([stream, chunk])
      })
      socket.on('error', () => undefined)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const options = syslogTarget.options.parse({ host: 'localhost', port, caFile: authority.caFile })
    return {
      open: (chain) => syslogTarget.open(options, { chain, directory }),
      received: async () => messagesIn(stream),
      async dispose() {
        server.close()
      },
    }
  })

  it('does not speak to a receiver whose certificate nobody vouches for', async () => {
    const { certFile, keyFile } = authority.issue('localhost', 'serverAuth')
    const server = createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }).listen(0, '127.0.0.1')
    server.on('tlsClientError', () => undefined)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const target = await syslogTarget.open(syslogTarget.options.parse({ host: 'localhost', port }), {
      chain: 'c',
      directory,
    })
    await expect(target.write(['{}'])).rejects.toMatchObject({ code: 'AUDIT_TARGET_UNAVAILABLE' })
    server.close()
  })
})

describeWithPrograms('NATS JetStream', ['nats-server'], ({ 'nats-server': nats }) => {
  auditTargetContract('a NATS stream', async () => {
    const folder = mkdtempSync(join(directory, 'nats-'))
    const port = await freePort()
    const configFile = join(folder, 'nats.conf')
    writeFileSync(configFile, `host: "127.0.0.1"\nport: ${port}\njetstream { store_dir: "${folder}" }\n`)
    const run = async () => {
      const group = startGroup(nats, ['-c', configFile], { env: cleanEnvironment({}), cwd: folder })
      while (!group.logs().includes('Server is ready')) {
        if (group.exited()) throw new Error(group.logs())
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      return group
    }
    let group = await run()
    const { connect } = await import('nats')
    const open = () => connect({ servers: `127.0.0.1:${port}` })
    const connection = await open()
    const manager = await connection.jetstreamManager()
    await manager.streams.add({ name: 'audit', subjects: ['coffer.audit'] })
    await connection.close()
    const options = natsTarget.options.parse({ url: `nats://127.0.0.1:${port}` })
    return {
      open: (chain) => natsTarget.open(options, { chain, directory: folder }),
      async received() {
        const reader = await open()
        const stream = await reader.jetstreamManager().then(({ streams }) => streams.get('audit'))
        const { state } = await stream.info()
        const messages: string[] = []
        for (let seq = 1; seq <= state.messages; seq++) {
          messages.push((await stream.getMessage({ seq })).string())
        }
        await reader.close()
        return messages
      },
      async interrupt() {
        await group.kill('SIGKILL')
      },
      async resume() {
        group = await run()
      },
      async dispose() {
        await group.stop()
      },
    }
  })
})
