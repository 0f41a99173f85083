import { readFile } from 'node:fs/promises'
import type { ConnectionOptions, JetStreamClient, MsgHdrs, NatsConnection } from 'nats'
import { z } from 'zod'
import { eventTargetError } from '../errors.ts'
import type { EventMessage, EventTarget, EventTargetPlugin } from '../event-target.ts'
import { readSecretFile } from '../secret-file.ts'
import { settledWithin } from '../settled-within.ts'

const TIMEOUT_MS_DEFAULT = 5_000
const SUBJECT = /^[A-Za-z0-9_.{}-]{1,256}$/

const NatsOptions = z.strictObject({
  /** One or several servers: `nats://` or `tls://`. */
  servers: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  /** `{bucket}` and `{event}` stand for the event's; a dot in a bucket's name becomes `_`. */
  subject: z.string().regex(SUBJECT, 'A-Z a-z 0-9 . _ - {bucket} {event}').default('coffer.events.{bucket}'),
  /** Waits for the acknowledgement of a JetStream stream that has the subject; else of the server alone. */
  jetStream: z.boolean().default(false),
  user: z.string().optional(),
  passwordFile: z.string().optional(),
  credentialsFile: z.string().optional(),
  caFile: z.string().optional(),
  certFile: z.string().optional(),
  keyFile: z.string().optional(),
  timeoutMs: z.number().int().min(100).max(60_000).default(TIMEOUT_MS_DEFAULT),
})
type NatsOptions = z.infer<typeof NatsOptions>

/**
 * NATS: core (the server has the message; who does not listen misses it) or JetStream (a stream has stored it, and drops what
 * it has had: `Nats-Msg-Id`). Source: docs.nats.io, "JetStream model deep dive", message deduplication.
 */
export const natsTarget: EventTargetPlugin<NatsOptions> = {
  options: NatsOptions as z.ZodType<NatsOptions>,
  async open(options, { name }) {
    return new NatsTarget(options, await connectionOptions(options, name))
  },
}

class NatsTarget implements EventTarget {
  readonly #options: NatsOptions
  readonly #connect: ConnectionOptions
  #opening: Promise<{ connection: NatsConnection; jetStream: JetStreamClient; headers: () => MsgHdrs }> | undefined

  constructor(options: NatsOptions, connect: ConnectionOptions) {
    this.#options = options
    this.#connect = connect
  }

  async send(message: EventMessage): Promise<void> {
    const { jetStream: stored, timeoutMs } = this.#options
    try {
      const { connection, jetStream, headers: newHeaders } = await this.#open()
      const subject = subjectOf(this.#options.subject, message)
      const headers = newHeaders()
      headers.set('Nats-Msg-Id', message.id)
      if (stored) {
        await jetStream.publish(subject, message.body, { msgID: message.id, timeout: timeoutMs, headers })
        return
      }
      connection.publish(subject, Buffer.from(message.body), { headers })
      await settledWithin(connection.flush(), timeoutMs)
    } catch (cause) {
      const reason = reasonOf(cause)
      // A message that is larger than the server takes will not get smaller.
      const code = reason === 'MAX_PAYLOAD_EXCEEDED' ? 'EVENT_TARGET_REFUSED' : 'EVENT_TARGET_UNAVAILABLE'
      throw eventTargetError(code, { reason }, { cause })
    }
  }

  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => undefined)
    await open?.connection.close()
  }

  #open() {
    this.#opening ??= this.#start()
    this.#opening.catch(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #start() {
    const { connect, headers } = await import('nats')
    const connection = await connect(this.#connect)
    // Whatever closes it for good (credentials that were withdrawn): the next message connects anew.
    void connection.closed().then(() => {
      this.#opening = undefined
    })
    return { connection, jetStream: connection.jetstream(), headers }
  }
}

async function connectionOptions(options: NatsOptions, name: string): Promise<ConnectionOptions> {
  const { servers, user, passwordFile, credentialsFile, caFile, certFile, keyFile, timeoutMs } = options
  const tls = {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
  }
  const { credsAuthenticator } = await import('nats')
  return {
    servers,
    name: `coffer events ${name}`,
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    ...(user !== undefined && { user }),
    ...(passwordFile !== undefined && { pass: await readSecretFile(passwordFile) }),
    ...(credentialsFile !== undefined && { authenticator: credsAuthenticator(await readFile(credentialsFile)) }),
    ...(Object.keys(tls).length > 0 && { tls }),
  }
}

function subjectOf(template: string, { bucket, eventName }: EventMessage): string {
  return template
    .replaceAll('{bucket}', bucket.replaceAll('.', '_'))
    .replaceAll('{event}', eventName.replaceAll(/[^A-Za-z0-9]+/g, '_'))
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return code === '503' ? 'no JetStream stream has the subject' : code || 'unknown'
}
