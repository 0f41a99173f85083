import type { ChannelModel, ConfirmChannel } from 'amqplib'
import { z } from 'zod'
import { eventTargetError } from '../errors.ts'
import type { EventMessage, EventTarget, EventTargetPlugin } from '../event-target.ts'
import { readSecretFile } from '../secret-file.ts'
import { settledWithin } from '../settled-within.ts'
import { readTlsFiles, TLS_FILES } from '../tls-files.ts'

const TIMEOUT_MS_DEFAULT = 5_000
/** A connection that is silent for twice as long is dead (AMQP 0-9-1, section 4.2.7). */
const HEARTBEAT_SECONDS = 10
const NAME_CHARS_MAX = 127

const AmqpOptions = z.strictObject({
  /** `amqps://host:5671/virtual-host` (TLS) or `amqp://host:5672/virtual-host`, without a password. */
  url: z.string().refine(isServer, 'amqp:// or amqps://, without a password'),
  user: z.string().min(1).optional(),
  passwordFile: z.string().optional(),
  /** Without one: the default exchange, whose routing keys are names of queues. It has to be there. */
  exchange: z.string().min(1).max(NAME_CHARS_MAX).optional(),
  /** `{bucket}` and `{event}` stand for the event's; a dot in a bucket's name becomes `_`. */
  routingKey: z.string().min(1).max(NAME_CHARS_MAX).default('coffer.events.{bucket}'),
  ...TLS_FILES,
  timeoutMs: z.number().int().min(100).max(60_000).default(TIMEOUT_MS_DEFAULT),
})
type AmqpOptions = z.infer<typeof AmqpOptions>

/**
 * AMQP 0-9-1, as RabbitMQ speaks it. A message is acknowledged by a publisher confirm, and is one only where a queue takes it:
 * what the exchange routes nowhere comes back. Sources: rabbitmq.com, "Consumer Acknowledgements and Publisher Confirms", and
 * "Publishers", unroutable messages.
 */
export const amqpTarget: EventTargetPlugin<AmqpOptions> = {
  options: AmqpOptions as z.ZodType<AmqpOptions>,
  async open(options, { name }) {
    const password = options.passwordFile === undefined ? undefined : await readSecretFile(options.passwordFile)
    const tls = await readTlsFiles(options)
    const { protocol, hostname, port, pathname } = new URL(options.url)
    return new AmqpTarget(options, async () => {
      const { connect, credentials } = await import('amqplib')
      const login = {
        ...(options.user !== undefined && { username: options.user }),
        ...(password !== undefined && { password }),
      }
      // Who shows a certificate and no name is known by the certificate (RabbitMQ's auth mechanism for TLS).
      const isExternal = tls.cert !== undefined && options.user === undefined
      return await connect(
        {
          protocol: protocol.slice(0, -1),
          hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
          ...(port !== '' && { port: Number(port) }),
          vhost: pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/',
          heartbeat: HEARTBEAT_SECONDS,
          ...login,
        },
        {
          ...tls,
          timeout: options.timeoutMs,
          clientProperties: { connection_name: `coffer events ${name}` },
          ...(isExternal && { credentials: credentials.external() }),
        },
      )
    })
  },
}

interface Opened {
  readonly connection: ChannelModel
  readonly channel: ConfirmChannel
  /** Messages that came back, by id, before they were confirmed. */
  readonly unroutable: Set<string>
  /** Rejects when the channel or the connection has ended. */
  readonly ended: Promise<never>
}

class AmqpTarget implements EventTarget {
  readonly #options: AmqpOptions
  readonly #connect: () => Promise<ChannelModel>
  #opening: Promise<Opened> | undefined

  constructor(options: AmqpOptions, connect: () => Promise<ChannelModel>) {
    this.#options = options
    this.#connect = connect
  }

  async send(message: EventMessage): Promise<void> {
    try {
      const opened = await this.#open()
      await settledWithin(Promise.race([this.#publish(opened, message), opened.ended]), this.#options.timeoutMs)
      if (opened.unroutable.delete(message.id)) {
        throw Object.assign(new Error('unroutable'), { code: 'no queue has the routing key' })
      }
    } catch (cause) {
      throw eventTargetError('EVENT_TARGET_UNAVAILABLE', { reason: reasonOf(cause) }, { cause })
    }
  }

  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined)
    await opened?.connection.close().catch(() => undefined)
  }

  #publish({ channel }: Opened, message: EventMessage): Promise<void> {
    const { id, createdAt, eventName, bucket, body } = message
    const { exchange = '' } = this.#options
    const properties = {
      messageId: id,
      contentType: 'application/json',
      type: eventName,
      // Seconds (AMQP 0-9-1, section 4.2.5.4).
      timestamp: Math.floor(createdAt / 1000),
      persistent: true,
      mandatory: true,
      headers: { bucket },
    }
    return new Promise((resolve, reject) => {
      channel.publish(exchange, this.#routingKey(message), Buffer.from(body), properties, (error: unknown) => {
        if (error) reject(Object.assign(new Error('not confirmed', { cause: error }), { code: 'not confirmed' }))
        else resolve()
      })
    })
  }

  #routingKey({ bucket, eventName }: EventMessage): string {
    return this.#options.routingKey
      .replaceAll('{bucket}', bucket.replaceAll('.', '_'))
      .replaceAll('{event}', eventName.replaceAll(/[^A-Za-z0-9]+/g, '_'))
  }

  #open(): Promise<Opened> {
    if (this.#opening === undefined) {
      const opening = this.#start()
      const forget = () => {
        if (this.#opening === opening) this.#opening = undefined
      }
      this.#opening = opening
      opening.then(({ ended }) => ended.catch(forget), forget)
    }
    return this.#opening
  }

  async #start(): Promise<Opened> {
    const connection = await settledWithin(this.#connect(), this.#options.timeoutMs)
    // What went wrong is told by the events of the end.
    connection.on('error', () => undefined)
    const channel = await settledWithin(connection.createConfirmChannel(), this.#options.timeoutMs)
    const unroutable = new Set<string>()
    channel.on('return', ({ properties }) => unroutable.add(String(properties.messageId)))
    const ended = new Promise<never>((_, reject) => {
      channel.on('error', reject)
      for (const emitter of [channel, connection]) emitter.on('close', () => reject(new Error('closed')))
    })
    // A channel that the server closed (no such exchange) leaves its connection open.
    ended.catch(() => connection.close().catch(() => undefined))
    return { connection, channel, unroutable, ended }
  }
}

/** A word of ours, or the number of the server's reply (AMQP 0-9-1, section 1.2); never its text, which may quote. */
function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return code === '' ? 'no connection' : /^\d+$/.test(code) ? `AMQP reply ${code}` : code
}

function isServer(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password, search, hash } = new URL(text)
  const isPlain = username === '' && password === '' && search === '' && hash === ''
  return (protocol === 'amqp:' || protocol === 'amqps:') && hostname !== '' && isPlain
}
