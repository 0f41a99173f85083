import { readFileSync } from 'node:fs'
import { type ConnectionOptions, connect, credsAuthenticator, type NatsConnection } from 'nats'
import { z } from 'zod'
import { type AuditTarget, defineAuditTarget } from '../audit-target.ts'
import { auditError } from '../errors.ts'

const ACK_TIMEOUT_MS = 5_000

const NatsOptions = z.strictObject({
  /** `tls://host:port` or `nats://host:port`; several separated by commas. */
  url: z.string().regex(/^(nats|tls):\/\/[^@\s]+$/, 'nats:// or tls://, without a password'),
  subject: z
    .string()
    .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/)
    .default('coffer.audit'),
  /** A stream takes the subject, and acknowledges each record when it is stored. false: the server has it, no more. */
  jetStream: z.boolean().default(true),
  user: z.string().optional(),
  passwordFile: z.string().optional(),
  credentialsFile: z.string().optional(),
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
})

type NatsOptions = z.infer<typeof NatsOptions>

/** Records as messages on a NATS subject, each with `Nats-Msg-Id` chain and number, so that a stream keeps one of two alike. */
export const natsTarget = defineAuditTarget({
  name: 'nats',
  options: NatsOptions,
  async open(options) {
    return new NatsTarget(options)
  },
})

class NatsTarget implements AuditTarget {
  readonly #options: NatsOptions
  #connection: NatsConnection | undefined

  constructor(options: NatsOptions) {
    this.#options = options
  }

  async write(lines: readonly string[]): Promise<void> {
    try {
      const connection = await this.#connected()
      if (this.#options.jetStream) await this.#store(connection, lines)
      else {
        for (const line of lines) connection.publish(this.#options.subject, Buffer.from(line))
        await connection.flush()
      }
    } catch (cause) {
      await this.#connection?.close().catch(() => undefined)
      this.#connection = undefined
      throw auditError('AUDIT_TARGET_UNAVAILABLE', { target: 'nats', subject: this.#options.subject }, { cause })
    }
  }

  async close(): Promise<void> {
    await this.#connection?.drain()
  }

  async #store(connection: NatsConnection, lines: readonly string[]): Promise<void> {
    const stream = connection.jetstream({ timeout: ACK_TIMEOUT_MS })
    await Promise.all(
      lines.map((line) => {
        const { chain, seq } = JSON.parse(line) as { chain: string; seq: number }
        return stream.publish(this.#options.subject, Buffer.from(line), { msgID: `${chain}-${seq}` })
      }),
    )
  }

  async #connected(): Promise<NatsConnection> {
    this.#connection ??= await connect({
      ...connectionOptions(this.#options),
      reconnect: false,
      timeout: ACK_TIMEOUT_MS,
    })
    return this.#connection
  }
}

function connectionOptions(options: NatsOptions): ConnectionOptions {
  const { url, user, passwordFile, credentialsFile, caFile, certFile, keyFile } = options
  const tls = { ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) }
  return {
    servers: url.split(',').map((server) => server.trim().replace(/^(nats|tls):\/\//, '')),
    ...(user !== undefined && { user }),
    ...(passwordFile !== undefined && { pass: readFileSync(passwordFile, 'utf8').trimEnd() }),
    ...(credentialsFile !== undefined && { authenticator: credsAuthenticator(readFileSync(credentialsFile)) }),
    ...((Object.keys(tls).length > 0 || url.includes('tls://')) && { tls }),
  }
}
