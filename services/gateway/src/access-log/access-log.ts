import type { BucketLogging } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { LocatedRequest } from '../requests.ts'
import { accessLogLine } from './access-log-line.ts'
import { deliverLog } from './deliver-log.ts'

type Closing = Parameters<typeof accessLogLine>[1]

/** Lines of one bucket that wait for their delivery. */
interface Waiting {
  readonly logging: BucketLogging
  readonly source: { readonly bucket: string; readonly ownerAccountId: string; readonly region: string }
  readonly beganAtMs: number
  lines: string[]
  chars: number
}

/** A log object of this size is delivered at once. */
const LOG_CHARS_MAX = 4 * 1024 * 1024
/** Of all buckets together; what comes beyond it before the next delivery is dropped. */
const WAITING_CHARS_MAX = 32 * 1024 * 1024
const BUCKETS_MAX = 1_000

/**
 * Server access logs, best effort as with S3: lines wait in this process, bounded, and are delivered as objects every so often.
 * Those of a process that is killed are lost.
 */
export class AccessLog {
  readonly #context: () => GatewayContext
  readonly #waiting = new Map<string, Waiting>()
  readonly #timer: NodeJS.Timeout
  #chars = 0
  #dropped = 0
  #delivering: Promise<void> = Promise.resolve()

  constructor(context: () => GatewayContext, options: { readonly everyMs: number }) {
    this.#context = context
    this.#timer = setInterval(() => void this.flush(), options.everyMs)
    this.#timer.unref()
  }

  /** Notes the request when its response is closed, if its bucket keeps logs. */
  follow(
    located: LocatedRequest,
    closing: Pick<Closing, 'request' | 'response'>,
    errorOf: () => string | undefined,
  ): void {
    const { bucket } = located
    const logging = bucket?.config.logging
    if (bucket === undefined || logging === undefined) return
    const { name, ownerAccountId, id } = bucket.record
    const source = { bucket: name, ownerAccountId, region: bucket.config.region }
    closing.response.once('close', () => {
      const line = accessLogLine(located, { ...closing, error: errorOf(), endedAtMs: Date.now() })
      this.#add(`${id}/${logging.targetBucket}/${logging.targetPrefix}`, logging, source, line)
    })
  }

  #add(name: string, logging: BucketLogging, source: Waiting['source'], line: string): void {
    const waiting = this.#waiting.get(name) ?? { logging, source, beganAtMs: Date.now(), lines: [], chars: 0 }
    const isFull = this.#chars + line.length > WAITING_CHARS_MAX || this.#waiting.size > BUCKETS_MAX
    if (isFull) {
      this.#dropped++
      return
    }
    waiting.lines.push(line)
    waiting.chars += line.length + 1
    this.#chars += line.length + 1
    this.#waiting.set(name, waiting)
    if (waiting.chars >= LOG_CHARS_MAX) void this.flush()
  }

  /** Delivers what waits, after what is being delivered. */
  flush(): Promise<void> {
    const delivery = this.#delivering.then(() => this.#deliverAll())
    this.#delivering = delivery
    return delivery
  }

  async #deliverAll(): Promise<void> {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#chars = 0
    const context = this.#context()
    const { logger } = context.options
    if (this.#dropped > 0) logger.warn({ lines: this.#dropped }, 'access log lines dropped: too many were waiting')
    this.#dropped = 0
    for (const { logging, source, lines, beganAtMs } of all) {
      const text = `${lines.join('\n')}\n`
      await deliverLog(context, logging, source, { text, beganAtMs }).catch((err: unknown) =>
        logger.warn({ err, bucket: source.bucket, targetBucket: logging.targetBucket }, 'access log not delivered'),
      )
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
