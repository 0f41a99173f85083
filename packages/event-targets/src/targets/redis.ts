import type { Redis } from 'ioredis'
import { z } from 'zod'
import { eventTargetError } from '../errors.ts'
import type { EventMessage, EventTarget, EventTargetPlugin } from '../event-target.ts'
import { readSecretFile } from '../secret-file.ts'

const TIMEOUT_MS_DEFAULT = 5_000
const LENGTH_MAX_DEFAULT = 1_000_000
/** Answers of a Redis that will take the message another time. */
const LATER = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|OOM|MISCONF|BUSY|TRYAGAIN|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM)/

const RedisOptions = z.strictObject({
  /** `redis://` or `rediss://` (TLS). */
  url: z.string().regex(/^rediss?:\/\/[^@]+$/, 'redis:// or rediss://, without a password'),
  user: z.string().optional(),
  passwordFile: z.string().optional(),
  /** The key of the stream. */
  stream: z.string().min(1).max(256).default('coffer-events'),
  /** About as many of the newest entries are kept (XADD ... MAXLEN ~). */
  lengthMax: z.number().int().min(1).default(LENGTH_MAX_DEFAULT),
  timeoutMs: z.number().int().min(100).max(60_000).default(TIMEOUT_MS_DEFAULT),
})
type RedisOptions = z.infer<typeof RedisOptions>

/** A Redis stream: an entry for each message, with the fields `id`, `event`, `bucket` and `body`. Source: redis.io, XADD. */
export const redisTarget: EventTargetPlugin<RedisOptions> = {
  options: RedisOptions as z.ZodType<RedisOptions>,
  async open(options) {
    const password = options.passwordFile === undefined ? undefined : await readSecretFile(options.passwordFile)
    const { Redis } = await import('ioredis')
    const client = new Redis(options.url, {
      ...(options.user !== undefined && { username: options.user }),
      ...(password !== undefined && { password }),
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: options.timeoutMs,
      connectTimeout: options.timeoutMs,
      autoResendUnfulfilledCommands: false,
    })
    // What goes wrong is told by the command that it happens to.
    client.on('error', () => undefined)
    return new RedisTarget(client, options)
  },
}

class RedisTarget implements EventTarget {
  readonly #client: Redis
  readonly #options: RedisOptions
  #connecting: Promise<void> | undefined

  constructor(client: Redis, options: RedisOptions) {
    this.#client = client
    this.#options = options
  }

  async send({ id, eventName, bucket, body }: EventMessage): Promise<void> {
    const { stream, lengthMax } = this.#options
    try {
      await this.#connected()
      const fields = ['id', id, 'event', eventName, 'bucket', bucket, 'body', body]
      await this.#client.xadd(stream, 'MAXLEN', '~', lengthMax, '*', ...fields)
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : ''
      const isReply = cause instanceof Error && cause.name === 'ReplyError'
      const code = isReply && !LATER.test(text) ? 'EVENT_TARGET_REFUSED' : 'EVENT_TARGET_UNAVAILABLE'
      // The first word of an answer is its code (Redis protocol, "Simple errors"); the rest may quote.
      throw eventTargetError(code, { reason: isReply ? (text.split(' ', 1)[0] ?? '') : 'no connection' }, { cause })
    }
  }

  async close(): Promise<void> {
    this.#client.disconnect()
  }

  /** The first command connects; later ones find the connection that the client makes anew by itself. */
  async #connected(): Promise<void> {
    if (this.#client.status !== 'wait' && this.#client.status !== 'end') return
    this.#connecting ??= this.#client.connect().finally(() => {
      this.#connecting = undefined
    })
    await this.#connecting
  }
}
