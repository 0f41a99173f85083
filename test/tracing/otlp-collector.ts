import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { vi } from 'vitest'
import type { IssuedFiles } from '../kms/certificate-authority.ts'
import { WireMessage } from './protobuf.ts'

const PATIENCE = { timeout: 60_000, interval: 50 }

export interface ReceivedSpan {
  readonly service: string
  readonly instance: string
  readonly traceId: string
  readonly spanId: string
  /** '' at the beginning of a trace. */
  readonly parentId: string
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer' | ''
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly hasFailed: boolean
  readonly statusText: string
  readonly eventCount: number
  readonly endedAt: number
}

const KINDS = ['', 'internal', 'server', 'client', 'producer', 'consumer'] as const
const STATUS_ERROR = 2

/** An OpenTelemetry collector: OTLP over HTTP with Protocol Buffers (opentelemetry-proto, `trace/v1/trace.proto`). */
export class OtlpCollector {
  readonly spans: ReceivedSpan[] = []
  readonly headers: IncomingHttpHeaders[] = []
  /** Every byte of the bodies, as they came. */
  received = Buffer.alloc(0)
  requestCount = 0
  /** What it answers; 200 unless a test says otherwise. `undefined`: nothing, ever. */
  status: number | undefined = 200
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #scheme: string
  #port = 0

  constructor(tls?: IssuedFiles) {
    const listener: RequestListener = (request, response) => {
      this.requestCount += 1
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        if (this.status === undefined) return
        if (this.status === 200) this.#take(request.headers, Buffer.concat(chunks))
        response.writeHead(this.status, { 'content-type': 'application/x-protobuf' }).end()
      })
    }
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server =
      tls === undefined
        ? createServer(listener)
        : createTlsServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) }, listener)
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  get endpoint(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}/v1/traces`
  }

  /** Again on the same port after {@link stop}. */
  async start(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** The span that fits, once it has come. */
  async spanWhere(fits: (span: ReceivedSpan) => boolean, what = 'a span'): Promise<ReceivedSpan> {
    return await vi.waitFor(() => {
      const found = this.spans.find(fits)
      if (found === undefined) throw new Error(`${what} has not come; ${this.spans.length} others have`)
      return found
    }, PATIENCE)
  }

  /** That of a request, by the id that its answer has. */
  async ofRequest(requestId: string | undefined): Promise<ReceivedSpan> {
    return await this.spanWhere((span) => span.attributes['aws.request_id'] === requestId, `request ${requestId}`)
  }

  /** All of a trace that have come. */
  ofTrace({ traceId }: Pick<ReceivedSpan, 'traceId'>): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId)
  }

  /** A span of that trace. */
  async inTrace({ traceId }: Pick<ReceivedSpan, 'traceId'>, name: string, kind?: string): Promise<ReceivedSpan> {
    return await this.spanWhere(
      (span) => span.traceId === traceId && span.name === name && (kind === undefined || span.kind === kind),
      `${name} of ${traceId}`,
    )
  }

  /** Whether the parent of a span is another, over whatever is between. */
  descends(span: ReceivedSpan, from: ReceivedSpan): boolean {
    if (span.spanId === from.spanId) return true
    const parent = this.spans.find(({ traceId, spanId }) => traceId === span.traceId && spanId === span.parentId)
    return parent !== undefined && this.descends(parent, from)
  }

  #take(headers: IncomingHttpHeaders, sent: Buffer): void {
    const body = headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
    this.headers.push(headers)
    this.received = Buffer.concat([this.received, body])
    for (const resource of new WireMessage(body).messages(1)) {
      const of = attributesOf(resource.message(1), 1)
      for (const scope of resource.messages(2)) {
        for (const span of scope.messages(2)) this.spans.push(spanOf(span, of))
      }
    }
  }
}

function spanOf(span: WireMessage, resource: ReceivedSpan['attributes']): ReceivedSpan {
  const status = span.message(15)
  return {
    service: String(resource['service.name']),
    instance: String(resource['service.instance.id']),
    traceId: span.hex(1),
    spanId: span.hex(2),
    parentId: span.hex(4),
    name: span.text(5),
    kind: KINDS[span.number(6)] ?? '',
    attributes: attributesOf(span, 9),
    links: span.messages(13).map((link) => ({ traceId: link.hex(1), spanId: link.hex(2) })),
    hasFailed: status.number(3) === STATUS_ERROR,
    statusText: status.text(2),
    eventCount: span.messages(11).length,
    endedAt: span.number(8),
  }
}

function attributesOf(message: WireMessage, field: number): ReceivedSpan['attributes'] {
  return Object.fromEntries(
    message.messages(field).map((pair) => {
      const value = pair.message(2)
      return [pair.text(1), value.has(1) ? value.text(1) : value.has(2) ? value.number(2) === 1 : value.number(3)]
    }),
  )
}
