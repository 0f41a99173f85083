import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { HostPort } from '@coffer/config'
import type { CertificateStore } from './certificates/certificate-store.ts'
import { cofferError } from './errors.ts'
import { createFirstByteServer } from './first-byte.ts'

/** Request line and headers: what AWS S3 takes is 8 KiB of headers; signed URLs with session tokens need room beside. */
const HEADER_SIZE_BYTES_MAX = 16 * 1024
const HEADERS_TIMEOUT_MS = 30_000
/** A connection on which a client neither sends nor takes a byte for this long is closed. */
const IDLE_TIMEOUT_MS = 60_000
/** Longer than the 60 s after which common load balancers drop an idle connection, so that they never use a closed one. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000
const HANDSHAKE_TIMEOUT_MS = 10_000
const BACKLOG = 1024
const IDLE_CHECK_INTERVAL_MS = 20

export interface ListenerOptions {
  readonly address: HostPort
  readonly certificates: CertificateStore
  /** Answer plain HTTP on the same port. */
  readonly allowHttp: boolean
  /** For the events `request` and `checkContinue`. */
  readonly handler: RequestListener
}

export interface Listener {
  readonly port: number
  /**
   * Takes no more connections; resolves when the last request has ended, or after `drainMs` with the rest cut off. Before that, for
   * `farewellMs` at most, clients are told to go: each connection ends with its next answer, so that none is closed under a request
   * on its way.
   */
  close(drainMs: number, farewellMs?: number): Promise<void>
}

/** Listens for S3 over TLS, and plain HTTP where that is allowed. COFFER_ADDRESS_UNAVAILABLE. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const parting: Parting = { hasBegun: false }
  const https = createTlsServer(options, parting)
  const http = options.allowHttp ? createPlainServer(options, parting) : undefined
  const door = http ? createFirstByteServer({ tls: https, plain: http }, HEADERS_TIMEOUT_MS) : https
  if (http) for (const server of [https, http]) watchConnections(server)
  await bind(door, options.address)
  const servers = http ? [https, http] : [https]
  const sockets = trackSockets(door)
  return {
    port: (door.address() as AddressInfo).port,
    async close(drainMs, farewellMs = 0) {
      parting.hasBegun = true
      await untilGone(sockets, farewellMs)
      await drain(door, servers, sockets, drainMs)
    },
  }
}

/** From then on each answer ends its connection. */
interface Parting {
  hasBegun: boolean
}

/** A server that never listens itself would neither time out slow headers nor know which connections are idle. */
function watchConnections(server: HttpServer): void {
  server.emit('listening')
}

const HTTP_OPTIONS = {
  maxHeaderSize: HEADER_SIZE_BYTES_MAX,
  headersTimeout: HEADERS_TIMEOUT_MS,
  // An upload may take hours; a silent one ends by the idle time.
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  // S3 answers a request without Host by itself, with its own error.
  requireHostHeader: false,
} as const

function createTlsServer({ certificates, handler }: ListenerOptions, parting: Parting): HttpsServer {
  const server = createHttpsServer({
    ...HTTP_OPTIONS,
    ...certificates.material,
    cert: certificates.fallback.certificatePem,
    key: certificates.fallback.keyPem,
    requestCert: certificates.clientCertificates !== 'off',
    rejectUnauthorized: certificates.clientCertificates === 'required',
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    SNICallback: (serverName, done) => done(null, certificates.contextFor(serverName)),
  })
  const certified = trackCertified(server)
  let trust = trustIn(certificates)
  certificates.onChange(({ certificatePem, keyPem }) => {
    server.setSecureContext({ ...certificates.material, cert: certificatePem, key: keyPem })
    const before = trust
    trust = trustIn(certificates)
    if (trust !== before) for (const socket of certified) endAfterAnswer(socket)
  })
  return serve(server, handler, parting)
}

/** Whom to believe as a client: authorities and what they have revoked. */
function trustIn({ material }: CertificateStore): string {
  return JSON.stringify([material.ca, material.crl])
}

/**
 * Connections with a client certificate that was genuine in the handshake. What has been revoked since is found out in the next one, so
 * they are ended when whom to trust has changed.
 */
function trackCertified(server: HttpsServer): ReadonlySet<TLSSocket> {
  const certified = new Set<TLSSocket>()
  server.on('secureConnection', (socket) => {
    if (!socket.authorized) return
    certified.add(socket)
    socket.once('close', () => certified.delete(socket))
  })
  return certified
}

function endAfterAnswer(socket: Socket): void {
  const exchange = exchanges.get(socket)
  if (exchange === undefined || exchange.response.writableFinished) socket.destroy()
  else exchange.response.once('close', () => socket.destroy())
}

function createPlainServer({ handler }: ListenerOptions, parting: Parting): HttpServer {
  return serve(createHttpServer(HTTP_OPTIONS), handler, parting)
}

/** The newest of each connection. */
const exchanges = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>()

function serve<S extends HttpServer>(server: S, handler: RequestListener, parting: Parting): S {
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    exchanges.set(request.socket, { request, response })
    const begin = () => {
      if (parting.hasBegun) response.shouldKeepAlive = false
      handler(request, response)
    }
    // RFC 9112, section 9.3.2: what comes in a pipeline behind a request that changes something has to find that done. Node gives a
    // response the socket when the one before it has ended.
    if (response.socket === null) response.once('socket', begin)
    else begin()
  }
  server.on('request', handle)
  server.on('checkContinue', handle)
  // Expectations other than 100-continue are passed over, as S3 does (RFC 9110, section 10.1.1: 417 is a MAY).
  server.on('checkExpectation', handle)
  server.on('clientError', refuseUnreadable)
  server.setTimeout(IDLE_TIMEOUT_MS)
  server.on('timeout', (socket: Socket) => {
    const exchange = exchanges.get(socket)
    if (exchange && isOurTurn(exchange, socket)) socket.setTimeout(IDLE_TIMEOUT_MS)
    else socket.destroy()
  })
  return server
}

/** Silence is the server's own while it works on a request (a large copy, the completion of an upload). */
function isOurTurn(exchange: { request: IncomingMessage; response: ServerResponse }, socket: Socket): boolean {
  const { request, response } = exchange
  return request.complete && !response.writableFinished && socket.writableLength === 0
}

/**
 * What Node's parser refuses never becomes a request: it gets S3's error form without a request id. What comes behind a whole request
 * does not take that one's answer: the connection ends after it.
 */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const exchange = exchanges.get(socket)
  if (exchange?.request.complete && !exchange.response.writableFinished) return void endAfterAnswer(socket)
  const isTooLong = error.code === 'HPE_HEADER_OVERFLOW'
  const code = isTooLong
    ? 'RequestHeaderSectionTooLarge'
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? 'RequestTimeout'
      : 'BadRequest'
  const message = isTooLong
    ? 'Your request header section exceeds the maximum allowed size.'
    : 'The request could not be read as HTTP/1.1.'
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  const head = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/xml'
  socket.end(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
}

/** Returns the port. COFFER_ADDRESS_UNAVAILABLE. */
export async function bind(server: Server, { host, port }: HostPort): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, backlog: BACKLOG, ...(host !== '' && { host }) }, resolve)
  try {
    await promise
    return (server.address() as AddressInfo).port
  } catch (cause) {
    const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw cofferError('COFFER_ADDRESS_UNAVAILABLE', `${host}:${port} (${reason})`, { host, port, reason }, { cause })
  } finally {
    server.off('error', reject)
  }
}

function trackSockets(door: Server): Set<Socket> {
  const sockets = new Set<Socket>()
  door.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return sockets
}

async function untilGone(sockets: ReadonlySet<Socket>, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs
  while (sockets.size > 0 && performance.now() < endMs) await sleep(IDLE_CHECK_INTERVAL_MS)
}

async function drain(door: Server, servers: HttpServer[], sockets: Set<Socket>, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => door.close(() => resolve()))
  const closeIdle = () => {
    for (const server of servers) server.closeIdleConnections()
  }
  closeIdle()
  // Connections that become idle later: kept alive by a client that has no more requests.
  const idle = setInterval(closeIdle, IDLE_CHECK_INTERVAL_MS)
  const cutOff = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, drainMs)
  await closed
  clearInterval(idle)
  clearTimeout(cutOff)
  // Ends the timers of those that are not the door; closing one twice is harmless.
  for (const server of servers) server.close()
}
