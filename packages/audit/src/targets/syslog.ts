import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { connect as connectTls } from 'node:tls'
import { z } from 'zod'
import { type AuditTarget, defineAuditTarget } from '../audit-target.ts'
import { auditError } from '../errors.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** RFC 5424, section 6.2.1: facility 13 (log audit), severity 6 (informational). */
const PRIORITY = 13 * 8 + 6

const SyslogOptions = z.strictObject({
  /** udp: nobody acknowledges anything, and what is too long for a datagram fails. For what must not be lost: tls or tcp. */
  transport: z.enum(['tls', 'tcp', 'udp']).default('tls'),
  host: z.string().min(1),
  port: z.number().int().min(1).max(65_535).default(6514),
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
})

type SyslogOptions = z.infer<typeof SyslogOptions>

/**
 * Records as syslog messages (RFC 5424) over TLS (RFC 5425), TCP (RFC 6587, octet counting) or UDP (RFC 5426). Syslog knows no
 * acknowledgement: a batch is taken when the other side's connection has taken its bytes.
 */
export const syslogTarget = defineAuditTarget({
  name: 'syslog',
  options: SyslogOptions,
  async open(options) {
    return options.transport === 'udp' ? new DatagramTarget(options) : new StreamTarget(options)
  },
})

/** `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG` (RFC 5424, section 6). */
function messageOf(line: string): Buffer {
  const time = new Date().toISOString()
  return Buffer.from(`<${PRIORITY}>1 ${time} ${hostname() || '-'} coffer ${process.pid} audit - ${line}`)
}

class StreamTarget implements AuditTarget {
  readonly #options: SyslogOptions
  #socket: Socket | undefined

  constructor(options: SyslogOptions) {
    this.#options = options
  }

  async write(lines: readonly string[]): Promise<void> {
    try {
      const socket = await this.#connected()
      const frames = lines.map(messageOf).flatMap((message) => [Buffer.from(`${message.length} `), message])
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      socket.write(Buffer.concat(frames), (error) => (error ? reject(error) : resolve()))
      await promise
    } catch (cause) {
      this.#socket?.destroy()
      this.#socket = undefined
      throw auditError('AUDIT_TARGET_UNAVAILABLE', { target: 'syslog', host: this.#options.host }, { cause })
    }
  }

  async close(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    socket.end()
    await once(socket, 'close', { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) }).catch(() => socket.destroy())
  }

  async #connected(): Promise<Socket> {
    if (this.#socket?.writable) return this.#socket
    const { transport, host, port, caFile, certFile, keyFile } = this.#options
    const socket =
      transport === 'tcp'
        ? connectTcp({ host, port })
        : connectTls({
            host,
            port,
            servername: host,
            minVersion: 'TLSv1.2',
            ...(caFile && { ca: readFileSync(caFile) }),
            ...(certFile && { cert: readFileSync(certFile) }),
            ...(keyFile && { key: readFileSync(keyFile) }),
          })
    const ready = transport === 'tcp' ? 'connect' : 'secureConnect'
    try {
      await once(socket, ready, { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) })
    } catch (error) {
      socket.destroy()
      throw error
    }
    socket.on('error', () => socket.destroy())
    // A receiver says nothing; what it says is not kept.
    socket.resume()
    this.#socket = socket
    return socket
  }
}

class DatagramTarget implements AuditTarget {
  readonly #options: SyslogOptions
  readonly #socket: UdpSocket

  constructor(options: SyslogOptions) {
    this.#options = options
    this.#socket = createSocket(options.host.includes(':') ? 'udp6' : 'udp4')
    this.#socket.on('error', () => undefined)
  }

  async write(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      this.#socket.send(messageOf(line), this.#options.port, this.#options.host, (error) =>
        error ? reject(error) : resolve(),
      )
      await promise.catch((cause: unknown) => {
        throw auditError('AUDIT_TARGET_UNAVAILABLE', { target: 'syslog', host: this.#options.host }, { cause })
      })
    }
  }

  async close(): Promise<void> {
    this.#socket.close()
  }
}
