import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { kmsError } from '../../errors.ts'
import { isCertificateRefused, readOptionFile } from '../mutual-tls.ts'
import type { KmipOptions } from './options.ts'
import { TTLV_HEADER_BYTES, ttlvValueBytes } from './ttlv.ts'
import { TAG } from './vocabulary.ts'

/** An answer is a few hundred bytes, or the 4 KiB of a plaintext. */
export const RESPONSE_BYTES_MAX = 1024 * 1024
const IDLE_CONNECTIONS_MAX = 8
/** Shorter than what servers leave an idle connection open for. */
const IDLE_MS_MAX = 5_000
const STRUCTURE_TYPE = 1
const RESPONSE_HEAD = TAG.responseMessage * 0x100 + STRUCTURE_TYPE

/** Connections over mutual TLS: each carries one exchange at a time and is kept for the next one. */
export class KmipConnections {
  readonly #options: KmipOptions
  readonly #secureContext: SecureContext
  readonly #idle = new Set<TLSSocket>()
  readonly #open = new Set<TLSSocket>()
  #isClosed = false

  private constructor(options: KmipOptions, secureContext: SecureContext) {
    this.#options = options
    this.#secureContext = secureContext
  }

  /** KMS_OPTIONS_INVALID for files that cannot be used. */
  static async open(options: KmipOptions): Promise<KmipConnections> {
    const ca = options.caFile === undefined ? undefined : await readOptionFile(options.caFile, 'caFile')
    const cert = await readOptionFile(options.certFile, 'certFile')
    const key = await readOptionFile(options.keyFile, 'keyFile')
    try {
      return new KmipConnections(options, createSecureContext({ cert, key, ...(ca && { ca }), minVersion: 'TLSv1.2' }))
    } catch {
      throw kmsError('KMS_OPTIONS_INVALID', { option: 'caFile, certFile or keyFile' })
    } finally {
      key.fill(0)
    }
  }

  /** Sends a message and wipes it. KMS_UNAVAILABLE, KMS_ACCESS_DENIED. */
  async exchange(request: Buffer): Promise<Buffer> {
    if (this.#isClosed) throw kmsError('KMS_UNAVAILABLE')
    const signal = AbortSignal.timeout(this.#options.timeoutMs)
    let socket: TLSSocket | undefined
    try {
      socket = this.#takeIdle() ?? (await this.#connect(signal))
      const response = await exchangeOver(socket, request, signal)
      this.#keep(socket)
      return response
    } catch (error) {
      socket?.destroy()
      throw kmsError(isCertificateRefused(error) ? 'KMS_ACCESS_DENIED' : 'KMS_UNAVAILABLE')
    } finally {
      request.fill(0)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const socket of this.#open) socket.destroy()
  }

  #takeIdle(): TLSSocket | undefined {
    for (const socket of this.#idle) {
      this.#idle.delete(socket)
      socket.setTimeout(0)
      if (!socket.destroyed && socket.writable) return socket.ref()
    }
    return undefined
  }

  #keep(socket: TLSSocket): void {
    if (this.#isClosed || this.#idle.size >= IDLE_CONNECTIONS_MAX) {
      socket.destroy()
      return
    }
    socket.setTimeout(IDLE_MS_MAX)
    // An idle connection keeps no process alive.
    this.#idle.add(socket.unref())
  }

  async #connect(signal: AbortSignal): Promise<TLSSocket> {
    const { host, port } = this.#options
    const servername = isIP(host) ? {} : { servername: host }
    const socket = connect({ host, port, secureContext: this.#secureContext, ...servername })
    this.#open.add(socket)
    socket.once('close', () => {
      this.#idle.delete(socket)
      this.#open.delete(socket)
    })
    socket.on('timeout', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    // The exchange that it hits hears of it too; between exchanges nobody needs to.
    socket.on('error', () => socket.destroy())
    try {
      await once(socket, 'secureConnect', { signal })
      return socket
    } catch (error) {
      socket.destroy()
      throw error
    }
  }
}

/** One message there, one message back, and nothing after it. */
function exchangeOver(socket: TLSSocket, request: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise<Buffer>((resolve, reject) => {
    let received = Buffer.alloc(0)
    const settle = (act: () => void) => {
      socket.off('data', take).off('error', fail).off('close', closed)
      signal.removeEventListener('abort', fail)
      act()
    }
    const fail = (reason: unknown) => settle(() => reject(reason))
    const closed = () => fail(new Error('closed'))
    const take = (chunk: Buffer) => {
      const longer = Buffer.concat([received, chunk])
      // They can hold a key.
      received.fill(0)
      chunk.fill(0)
      received = longer
      try {
        const missingBytes = missingFrom(received)
        if (missingBytes < 0) fail(new Error('more than an answer'))
        if (missingBytes === 0) settle(() => resolve(received))
      } catch (error) {
        fail(error)
      }
    }
    socket.on('data', take).once('error', fail).once('close', closed)
    signal.addEventListener('abort', fail)
    if (signal.aborted || socket.destroyed) closed()
    else socket.write(request)
  })
}

/** How many bytes of the message are still to come: negative when there are too many; more than none before its length is known. */
function missingFrom(received: Buffer): number {
  if (received.length < TTLV_HEADER_BYTES) return TTLV_HEADER_BYTES - received.length
  if (received.readUInt32BE(0) !== RESPONSE_HEAD) throw new Error('not an answer')
  return TTLV_HEADER_BYTES + ttlvValueBytes(received, RESPONSE_BYTES_MAX) - received.length
}
