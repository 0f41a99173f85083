import type { Producer } from '@platformatic/kafka'
import { z } from 'zod'
import { eventTargetError } from '../errors.ts'
import type { EventMessage, EventTarget, EventTargetPlugin } from '../event-target.ts'
import { readSecretFile } from '../secret-file.ts'
import { settledWithin } from '../settled-within.ts'
import { readTlsFiles, TLS_FILES } from '../tls-files.ts'

const TIMEOUT_MS_DEFAULT = 10_000
/** Attempts of the client within the time limit, which an idempotent producer makes without doubling a message. */
const RETRIES = 2
const RETRY_MS = 200
/** What goes out together: less than a broker's `message.max.bytes` of 1 MB, also if all of it is for one partition. */
const BATCH_BYTES_MAX = 512 * 1024
const TOPIC = /^[A-Za-z0-9._-]{1,249}$/
const BROKER = /^[^\s/@:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/
/** Answers of a broker that are about the message itself (Kafka protocol, "Error codes"). */
const REFUSALS: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD'])

const KafkaOptions = z.strictObject({
  /** One or several of the cluster's brokers: `host:port`. */
  brokers: z.array(z.string().regex(BROKER, 'host:port')).min(1),
  /** It has to be there. */
  topic: z.string().regex(TOPIC, 'A-Z a-z 0-9 . _ -').default('coffer-events'),
  /** On without a word where a file for TLS is named. */
  tls: z.boolean().default(false),
  ...TLS_FILES,
  mechanism: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']).default('SCRAM-SHA-512'),
  user: z.string().min(1).optional(),
  passwordFile: z.string().optional(),
  timeoutMs: z.number().int().min(100).max(60_000).default(TIMEOUT_MS_DEFAULT),
})
type KafkaOptions = z.infer<typeof KafkaOptions>

type EventProducer = Producer<string, string, string, string>

/**
 * A record in a topic of Kafka for each message. Its key is the bucket and the object's key, so that what happens to an object is
 * in one partition, in its order; the message id is a header. All replicas in sync have it before it is acknowledged. Source:
 * kafka.apache.org, "Producer Configs", `acks` and `enable.idempotence`.
 */
export const kafkaTarget: EventTargetPlugin<KafkaOptions> = {
  options: KafkaOptions as z.ZodType<KafkaOptions>,
  async open(options, { name }) {
    const { brokers, mechanism, user: username, passwordFile, timeoutMs } = options
    const password = passwordFile === undefined ? undefined : await readSecretFile(passwordFile)
    const tls = await readTlsFiles(options)
    const isTls = options.tls || Object.keys(tls).length > 0
    return new KafkaTarget(options.topic, timeoutMs, async () => {
      const { compatibilityPartitioner, Producer, stringSerializers } = await import('@platformatic/kafka')
      return new Producer({
        clientId: `coffer-events-${name}`,
        bootstrapBrokers: [...brokers],
        serializers: stringSerializers,
        // The partition of a key that Kafka's own clients choose as well.
        partitioner: compatibilityPartitioner,
        idempotent: true,
        retries: RETRIES,
        retryDelay: RETRY_MS,
        timeout: timeoutMs,
        connectTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        ...(isTls && { tls: { ...tls, minVersion: 'TLSv1.2' }, tlsServerName: true }),
        ...(username !== undefined && { sasl: { mechanism, username, ...(password !== undefined && { password }) } }),
      })
    })
  },
}

interface Waiting {
  readonly message: EventMessage
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** An idempotent producer has one request under way at a time, so what comes meanwhile goes out together. */
class KafkaTarget implements EventTarget {
  readonly #topic: string
  readonly #timeoutMs: number
  readonly #connect: () => Promise<EventProducer>
  #producer: Promise<EventProducer> | undefined
  #waiting: Waiting[] = []
  #sending: Promise<void> | undefined

  constructor(topic: string, timeoutMs: number, connect: () => Promise<EventProducer>) {
    this.#topic = topic
    this.#timeoutMs = timeoutMs
    this.#connect = connect
  }

  send(message: EventMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject })
      this.#sending ??= this.#sendAll()
    })
  }

  async close(): Promise<void> {
    await this.#sending
    await this.#forget()
  }

  async #sendAll(): Promise<void> {
    // Those that are sent in this turn of the event loop are one batch.
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#sendBatch(this.#nextBatch())
    // In the same turn as the last look: who comes later begins anew.
    this.#sending = undefined
  }

  #nextBatch(): readonly Waiting[] {
    let bytes = 0
    const next = this.#waiting.findIndex(({ message }, index) => {
      bytes += message.body.length
      return index > 0 && bytes > BATCH_BYTES_MAX
    })
    return this.#waiting.splice(0, next === -1 ? this.#waiting.length : next)
  }

  async #sendBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      await settledWithin(this.#produce(batch), this.#timeoutMs)
      for (const { resolve } of batch) resolve()
    } catch (cause) {
      // Its sequence numbers have a gap now.
      await this.#forget()
      const reason = reasonOf(cause)
      const isRefused = REFUSALS.has(reason)
      // Which of them it was is found out one by one.
      if (isRefused && batch.length > 1) {
        for (const one of batch) await this.#sendBatch([one])
        return
      }
      const error = eventTargetError(
        isRefused ? 'EVENT_TARGET_REFUSED' : 'EVENT_TARGET_UNAVAILABLE',
        { reason },
        { cause },
      )
      for (const { reject } of batch) reject(error)
      // Whoever waits behind a broker that is away would wait for longer than the limit.
      if (!isRefused) for (const { reject } of this.#waiting.splice(0)) reject(error)
    }
  }

  async #produce(batch: readonly Waiting[]): Promise<void> {
    this.#producer ??= this.#connect()
    const producer = await this.#producer
    const messages = batch.map(({ message: { id, eventName, bucket, key, createdAt, body } }) => ({
      topic: this.#topic,
      key: `${bucket}/${key}`,
      value: body,
      timestamp: BigInt(createdAt),
      headers: { id, event: eventName },
    }))
    await producer.send({ messages })
  }

  /** The next message has a new producer. */
  async #forget(): Promise<void> {
    const producer = await this.#producer?.catch(() => undefined)
    this.#producer = undefined
    producer?.close().catch(() => undefined)
  }
}

/** The name of a broker's answer, or of the client's kind of failure; never its text. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const nested = error instanceof AggregateError ? error.errors : [error.cause]
  const named = 'apiId' in error && typeof error.apiId === 'string' ? error.apiId : undefined
  if (named !== undefined) return named
  for (const inner of nested) {
    const reason = reasonOf(inner)
    if (/^[A-Z_]+$/.test(reason) && !reason.startsWith('PLT_KFK_')) return reason
  }
  return 'code' in error ? String(error.code) : 'unknown'
}
