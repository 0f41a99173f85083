import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Logger } from '@coffer/mesh'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ensureDefaultCertificate } from './certificates/certificate-files.ts'
import { CertificateStore } from './certificates/certificate-store.ts'
import { newCertificateKey, selfSign } from './certificates/self-signed.ts'
import { type Listener, listen } from './listener.ts'

const SILENT = { info: () => {}, error: () => {} } as unknown as Logger
const ADDRESS = { host: '127.0.0.1', port: 0 }

let certsDirectory: string
let certificates: CertificateStore
let ca: string
const listeners: Listener[] = []

beforeAll(async () => {
  certsDirectory = await mkdtemp(join(tmpdir(), 'coffer-listener-'))
  await ensureDefaultCertificate(certsDirectory, ['localhost', '127.0.0.1'])
  certificates = await CertificateStore.open(certsDirectory, SILENT)
  ca = await readFile(join(certsDirectory, 'public.crt'), 'utf8')
})
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close(0)
})
afterAll(async () => {
  certificates.close()
  await rm(certsDirectory, { recursive: true })
})

/** Answers with the method, the path and how many bytes came. */
const describeRequest: RequestListener = async (request, response) => {
  let sizeBytes = 0
  for await (const piece of request) sizeBytes += piece.length
  response.end(`${request.method} ${request.url} ${sizeBytes}`)
}

async function start(options: { allowHttp: boolean; handler?: RequestListener }): Promise<Listener> {
  const { allowHttp, handler = describeRequest } = options
  const listener = await listen({ address: ADDRESS, certificates, allowHttp, handler })
  listeners.push(listener)
  return listener
}

async function ask(
  scheme: 'http' | 'https',
  port: number,
  options: { path?: string; body?: Buffer; agent?: HttpAgent } = {},
): Promise<string> {
  const send = scheme === 'https' ? httpsRequest : httpRequest
  const { path = '/', body, agent } = options
  const request = send({ host: '127.0.0.1', port, path, ca, method: body ? 'PUT' : 'GET', agent: agent ?? false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return await text(response)
}

async function sendRaw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return await text(socket)
}

test('requests in a pipeline are served one after the other, so that each finds what the one before it did', async () => {
  let isWritten = false
  const handler: RequestListener = async (request, response) => {
    const before = isWritten
    // As a store that takes its time.
    if (request.method === 'PUT') await new Promise((resolve) => setImmediate(resolve))
    isWritten ||= request.method === 'PUT'
    response.end(`${request.method} found ${before}.`)
  }
  const { port } = await start({ allowHttp: true, handler })
  const socket = connect(port, '127.0.0.1')
  const put = 'PUT /k HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n'
  socket.write(`${put}GET /k HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n`)
  const answers = await text(socket)
  expect(answers.match(/(PUT|GET) found (true|false)/g)).toEqual(['PUT found false', 'GET found true'])
})

test('what comes behind a whole request does not take the answer of that one', async () => {
  const slow: RequestListener = async (request, response) => {
    for await (const _ of request);
    // Long enough for what is behind it to be read.
    setImmediate(() => setTimeout(() => response.writeHead(409).end('its own answer'), 50))
  }
  const { port } = await start({ allowHttp: true, handler: slow })
  const answer = await sendRaw(port, 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nbar')
  expect(answer).toMatch(/^HTTP\/1.1 409 .*its own answer/s)
  expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1)
  expect(await sendRaw(port, 'nonsense\r\n\r\n')).toContain('<Code>BadRequest</Code>')
})

describe('over TLS only', () => {
  test('answers TLS and nothing else', async () => {
    const { port } = await start({ allowHttp: false })
    expect(await ask('https', port, { path: '/a' })).toBe('GET /a 0')
    await expect(ask('http', port)).rejects.toThrow()
  })

  test('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    const { port } = await start({ allowHttp: false })
    const protocolOf = async (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') => {
      const options = {
        host: '127.0.0.1',
        port,
        ca,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      }
      const socket: TLSSocket = connectTls(options)
      await once(socket, 'secureConnect')
      const protocol = socket.getProtocol()
      socket.destroy()
      return protocol
    }
    expect(await protocolOf('TLSv1.3')).toBe('TLSv1.3')
    expect(await protocolOf('TLSv1.2')).toBe('TLSv1.2')
    await expect(protocolOf('TLSv1.1')).rejects.toThrow()
  })
})

describe.each(['https', 'http'] as const)('where plain HTTP is allowed, over %s', (scheme) => {
  test('bodies of any size arrive whole, many on one connection', async () => {
    const { port } = await start({ allowHttp: true })
    const agent =
      scheme === 'https'
        ? new HttpsAgent({ keepAlive: true, maxSockets: 1 })
        : new HttpAgent({ keepAlive: true, maxSockets: 1 })
    for (const sizeBytes of [1, 100, 65_536, 3_000_000, 0]) {
      const answer = await ask(scheme, port, { path: `/${sizeBytes}`, body: Buffer.alloc(sizeBytes, 1), agent })
      expect(answer).toBe(`PUT /${sizeBytes} ${sizeBytes}`)
    }
    agent.destroy()
  })

  test('many connections at once are each served', async () => {
    const { port } = await start({ allowHttp: true })
    const paths = Array.from({ length: 50 }, (_, index) => `/${index}`)
    const answers = await Promise.all(paths.map((path) => ask(scheme, port, { path, body: Buffer.alloc(5000) })))
    expect(answers).toEqual(paths.map((path) => `PUT ${path} 5000`))
  })

  test('a stop ends idle connections at once and lets a request in flight end', async () => {
    const started = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const { port, close } = await start({
      allowHttp: true,
      handler: async (request, response) => {
        if (request.url === '/slow') {
          started.resolve()
          await release.promise
        }
        response.end('done')
      },
    })
    const agent = scheme === 'https' ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
    expect(await ask(scheme, port, { agent })).toBe('done')
    const slow = ask(scheme, port, { path: '/slow', agent })
    await started.promise
    const closed = close(60_000)
    release.resolve()
    expect(await slow).toBe('done')
    await closed
    await expect(ask(scheme, port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    agent.destroy()
  })

  test('a stop cuts off what does not end in its time', async () => {
    const started = Promise.withResolvers<void>()
    const { port, close } = await start({ allowHttp: true, handler: () => started.resolve() })
    const endless = expect(ask(scheme, port)).rejects.toThrow()
    await started.promise
    await close(10)
    await endless
  })
})

describe('what is no request', () => {
  test('gets an error in S3 form', async () => {
    const { port } = await start({ allowHttp: true })
    const answer = await sendRaw(port, 'PUT / HTTP/1.1\r\nbad header\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('<Code>BadRequest</Code>')
  })

  test('with headers beyond 16 KiB is refused as such', async () => {
    const { port } = await start({ allowHttp: true })
    const answer = await sendRaw(port, `GET / HTTP/1.1\r\nhost: a\r\nx-long: ${'a'.repeat(20_000)}\r\n\r\n`)
    expect(answer).toContain('<Code>RequestHeaderSectionTooLarge</Code>')
  })

  test('a connection that ends without a byte disturbs nobody', async () => {
    const { port } = await start({ allowHttp: true })
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.end()
    await once(socket, 'close')
    expect(await ask('http', port)).toBe('GET / 0')
  })
})

describe('a listener that ends', () => {
  test('tells clients to go with their next answer, and waits for no others', async () => {
    const { port, close } = await start({ allowHttp: false })
    const agent = new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    const headersOf = async () => {
      const request = httpsRequest({ host: '127.0.0.1', port, ca, agent }).end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      await text(response)
      return { connection: response.headers.connection, isReused: request.reusedSocket }
    }
    expect(await headersOf()).toEqual({ connection: 'keep-alive', isReused: false })
    const closed = close(10_000, 60_000)
    expect(await headersOf()).toEqual({ connection: 'close', isReused: true })
    // Every connection has ended: the minute need not pass.
    await closed
    await expect(headersOf()).rejects.toThrow('ECONNREFUSED')
    agent.destroy()
  })

  test('closes connections that nobody used in that time', async () => {
    const { port, close } = await start({ allowHttp: true })
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 })
    expect(await ask('http', port, { agent })).toBe('GET / 0')
    await close(60_000, 50)
    agent.destroy()
  })
})

describe('certificates', () => {
  test('are chosen by server name, and a renewed default reaches new connections while open ones go on', async () => {
    const named = join(certsDirectory, 's3.example.org')
    await mkdir(named)
    const keyPem = await newCertificateKey()
    await writeFile(join(named, 'private.key'), keyPem)
    await writeFile(join(named, 'public.crt'), await selfSign(keyPem, ['s3.example.org']))
    const { port } = await start({ allowHttp: false })
    const subjectNamesFor = async (servername?: string) => {
      const socket = connectTls({
        host: '127.0.0.1',
        port,
        rejectUnauthorized: false,
        ...(servername && { servername }),
      })
      await once(socket, 'secureConnect')
      const names = socket.getPeerCertificate().subjectaltname
      socket.destroy()
      return names
    }
    await vi.waitFor(async () => expect(await subjectNamesFor('s3.example.org')).toBe('DNS:s3.example.org'), {
      timeout: 60_000,
    })
    expect(await subjectNamesFor()).toContain('DNS:localhost')

    const agent = new HttpsAgent({ keepAlive: true, maxSockets: 1 })
    expect(await ask('https', port, { agent })).toBe('GET / 0')
    const renewedKey = await newCertificateKey()
    await writeFile(join(certsDirectory, 'private.key'), renewedKey)
    await writeFile(join(certsDirectory, 'public.crt'), await selfSign(renewedKey, ['renewed.example']))
    await vi.waitFor(async () => expect(await subjectNamesFor()).toBe('DNS:renewed.example'), { timeout: 60_000 })
    expect(await ask('https', port, { agent })).toBe('GET / 0')
    agent.destroy()
  })
})

test('an address in use is refused by name', async () => {
  const { port } = await start({ allowHttp: false })
  const again = listen({
    address: { host: '127.0.0.1', port },
    certificates,
    allowHttp: false,
    handler: describeRequest,
  })
  await expect(again).rejects.toMatchObject({ code: 'COFFER_ADDRESS_UNAVAILABLE', details: { reason: 'EADDRINUSE' } })
})
