import { connect as connectPlain, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { LoadEndpoint } from './load-options.ts'
import { type LoadResponse, ResponseReader } from './response-reader.ts'

const RESPONSE_TIMEOUT_MS = 60_000
const READ_BUFFER_SIZE_BYTES = 256 * 1024
/** A write of this size keeps the socket busy; the next waits until it is taken, so that TLS doesn't seal ahead of need. */
const WRITE_SIZE_BYTES = 256 * 1024

export interface LoadRequest {
  /** Request line and headers, with the empty line after them. */
  readonly head: Buffer
  readonly body?: Buffer
  readonly keepsBody?: boolean
}

type Done = (error: Error | undefined, response: LoadResponse | undefined) => void

/** One HTTP/1.1 connection, kept alive, one request at a time, opened again when it was lost. */
export class LoadConnection {
  readonly #endpoint: LoadEndpoint
  readonly #url: URL
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BUFFER_SIZE_BYTES)
  #socket: Socket | undefined
  #reader = new ResponseReader()
  #done: Done | undefined
  #unsent: Buffer | undefined

  constructor(endpoint: LoadEndpoint) {
    this.#endpoint = endpoint
    this.#url = new URL(endpoint.url)
  }

  /** Calls back once. The promise form is {@link exchange}; this one costs less. */
  send(request: LoadRequest, done: Done): void {
    const socket = this.#socket ?? this.#open()
    this.#done = done
    this.#reader.expect(request.keepsBody ?? false)
    if (!request.body) {
      socket.write(request.head)
      return
    }
    socket.cork()
    socket.write(request.head)
    this.#unsent = request.body
    this.#sendBody(socket)
    socket.uncork()
  }

  exchange(request: LoadRequest): Promise<LoadResponse> {
    return new Promise((resolve, reject) => {
      this.send(request, (error, response) => (response ? resolve(response) : reject(error)))
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #sendBody(socket: Socket): void {
    const body = this.#unsent
    if (!body || socket !== this.#socket) return
    this.#unsent = body.length > WRITE_SIZE_BYTES ? body.subarray(WRITE_SIZE_BYTES) : undefined
    if (!this.#unsent) socket.write(body)
    else socket.write(body.subarray(0, WRITE_SIZE_BYTES), () => this.#sendBody(socket))
  }

  #open(): Socket {
    const { hostname, protocol, port } = this.#url
    const host = hostname.replace(/^\[|\]$/g, '')
    const isTls = protocol === 'https:'
    const onread = {
      buffer: this.#buffer,
      callback: (sizeBytes: number, bytes: Uint8Array) => {
        this.#receive(socket, (bytes as Buffer).subarray(0, sizeBytes))
        return true
      },
    }
    const socket: Socket = isTls
      ? connectTls(this.#tlsOptions({ host, port: Number(port || 443), onread }))
      : connectPlain({ host, port: Number(port || 80), onread })
    this.#socket = socket
    this.#reader = new ResponseReader()
    socket.setNoDelay(true)
    socket.setTimeout(RESPONSE_TIMEOUT_MS, () => socket.destroy(new Error('no answer in 60 s')))
    socket.on('error', (error) => this.#lose(socket, error))
    socket.on('close', () => this.#lose(socket, new Error('connection closed')))
    return socket
  }

  /** `onread` is an option of tls.connect too; its type declaration leaves it out. */
  #tlsOptions(to: { host: string; port: number; onread: unknown }): ConnectionOptions {
    const { caPem, insecure } = this.#endpoint
    return {
      ...to,
      ...(caPem !== undefined && { ca: caPem }),
      rejectUnauthorized: !insecure,
      ALPNProtocols: ['http/1.1'],
    }
  }

  #receive(socket: Socket, bytes: Buffer): void {
    let response: LoadResponse | undefined
    try {
      response = this.#reader.push(bytes)
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined)
      return
    }
    if (response) this.#complete(socket, response)
  }

  #complete(socket: Socket, response: LoadResponse): void {
    const isCutShort = this.#unsent !== undefined
    if (isCutShort || !response.keepsAlive) {
      this.#unsent = undefined
      this.#socket = undefined
      socket.destroy()
    }
    const done = this.#done
    this.#done = undefined
    done?.(undefined, response)
  }

  #lose(socket: Socket, error: Error): void {
    if (socket !== this.#socket) return
    this.#socket = undefined
    this.#unsent = undefined
    const response = this.#reader.end()
    const done = this.#done
    this.#done = undefined
    done?.(response ? undefined : error, response)
  }
}
