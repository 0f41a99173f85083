import { setTimeout as sleep } from 'node:timers/promises'
import type { EventTargetReport } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { type EventTarget, failureOf } from '@coffer/event-targets'
import type { Logger, Mesh } from '@coffer/mesh'
import type { OutboxEntry } from '@coffer/metadata-store'
import { inTraceOfItsOwn, type SpanStart } from '@coffer/tracing'
import type { MessageOpener, OpenedMessage } from './message-opener.ts'
import { queueOf } from './queues.ts'
import { retryPauseMs } from './retry-pauses.ts'

/** Entries that are looked at together. */
const PAGE = 512
/** Messages under way at once. */
const WAVE_MAX = 256
const IDLE_POLL_MS = 200
/** Of a span: OpenTelemetry's default limit. */
const LINKS_MAX = 128

export interface TargetRelayOptions {
  readonly mesh: Mesh
  readonly logger: Logger
  readonly opener: MessageOpener
  readonly name: string
  readonly target: EventTarget
  /** Whose buckets may use the target; undefined: all may. */
  readonly accounts: ReadonlySet<string> | undefined
  /** How often a message may be refused before it is a dead letter. */
  readonly attemptsMax: number
  /** How long a message may wait before it is one. */
  readonly waitMsMax: number
  /** Whether what is delivered is kept for a replay. */
  readonly keeps: boolean
  readonly signal: AbortSignal
}

interface Opened {
  readonly entry: OutboxEntry
  readonly message: OpenedMessage
}

interface Held {
  attempts: number
  notBefore: number
}

/**
 * Empties the queue of one target: from its beginning, at least once, messages of one object key one after the other. A message
 * is taken out when the target has acknowledged it. A message that is refused holds up its own key only; a target that is away
 * holds up all.
 */
export class TargetRelay {
  readonly #options: TargetRelayOptions
  readonly #queue: string
  /** Refused messages, by entry. */
  readonly #refused = new Map<string, Held>()
  #away: Held & { reason: string; at: number } = { attempts: 0, notBefore: 0, reason: '', at: 0 }
  #deliveredCount = 0
  #lastDeliveredAt: number | undefined

  constructor(options: TargetRelayOptions) {
    this.#options = options
    this.#queue = queueOf(options.name, 'waiting')
  }

  report(): Omit<EventTargetReport, 'at'> {
    const { attempts, reason, at } = this.#away
    return {
      state: attempts > 0 ? 'waiting' : 'delivering',
      deliveredCount: this.#deliveredCount,
      ...(this.#lastDeliveredAt !== undefined && { lastDeliveredAt: this.#lastDeliveredAt }),
      ...(attempts > 0 && { failure: { at, attempts, reason } }),
    }
  }

  /** Until the signal. */
  async run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      let delivered = 0
      const pauseMs = this.#away.notBefore - Date.now()
      if (pauseMs > 0) await pause(Math.min(pauseMs, 1_000), signal)
      else delivered = await this.#turn().catch((error: unknown) => this.#failed(error))
      if (delivered === 0 && this.#away.notBefore <= Date.now()) await pause(IDLE_POLL_MS, signal)
    }
  }

  /** Delivers what a page of the queue holds; returns how many were settled. */
  async #turn(): Promise<number> {
    const metadata = this.#options.mesh.use('metadata')
    const entries = await metadata.listEvents({ queue: this.#queue, afterId: '', limit: PAGE })
    const expired = entries.filter(({ createdAt }) => createdAt < Date.now() - this.#options.waitMsMax)
    if (expired.length > 0) await this.#bury(expired, 'waited for too long')
    const opened: Opened[] = []
    for (const entry of entries.slice(expired.length)) {
      const message = await this.#options.opener.open(this.#queue, entry)
      if (message === undefined) await this.#bury([entry], 'damaged, or its key is gone')
      else if (!this.#isOpenTo(message)) await this.#bury([entry], 'its account may not use the target')
      else opened.push({ entry, message })
    }
    return expired.length + (await this.#deliver(opened))
  }

  /** Notifications may be older than the rule that keeps their account out. A test message is sent where the rule was kept. */
  #isOpenTo({ ownerAccountId }: OpenedMessage): boolean {
    const { accounts } = this.#options
    return accounts === undefined || ownerAccountId === undefined || accounts.has(ownerAccountId)
  }

  /** In waves of different keys: what follows on a key waits for what comes before it. */
  async #deliver(opened: readonly Opened[]): Promise<number> {
    let waiting: readonly Opened[] = opened
    let settled = 0
    while (waiting.length > 0 && !this.#options.signal.aborted) {
      const blocked = new Set<string>()
      const wave: Opened[] = []
      const rest: Opened[] = []
      for (const one of waiting) {
        const key = `${one.message.bucketId}/${one.message.key}`
        const isHeld = (this.#refused.get(one.entry.id)?.notBefore ?? 0) > Date.now()
        if (isHeld || blocked.has(key) || wave.length >= WAVE_MAX) rest.push(one)
        else wave.push(one)
        blocked.add(key)
      }
      if (wave.length === 0) return settled
      const { count, isAway } = await this.#traceWave(wave)
      settled += count
      if (isAway) return settled
      // What follows on the key of a refused message waits for the next turn.
      if (count < wave.length) return settled
      waiting = rest
    }
    return settled
  }

  #traceWave(wave: readonly Opened[]): Promise<{ count: number; isAway: boolean }> {
    const attributes = {
      'messaging.operation.name': 'deliver',
      'messaging.destination.name': this.#options.name,
      'messaging.batch.message_count': wave.length,
    }
    const links = wave.flatMap(({ message }) => message.cause ?? []).slice(0, LINKS_MAX)
    const start: SpanStart = { name: 'deliver events', kind: 'producer', isCarried: true, links, attributes }
    return inTraceOfItsOwn(this.#options.mesh.tracer, start, () => this.#sendWave(wave))
  }

  async #sendWave(wave: readonly Opened[]): Promise<{ count: number; isAway: boolean }> {
    const { target, mesh, keeps, name } = this.#options
    const outcomes = await Promise.allSettled(wave.map(({ message }) => target.send(message)))
    const done = wave.filter((_, index) => outcomes[index]?.status === 'fulfilled').map(({ entry }) => entry.id)
    if (done.length > 0) {
      const to = keeps ? { to: queueOf(name, 'kept') } : {}
      await mesh.use('metadata').moveEvents({ queue: this.#queue, ids: done, ...to })
      for (const id of done) this.#refused.delete(id)
      this.#deliveredCount += done.length
      this.#lastDeliveredAt = Date.now()
    }
    let away: unknown
    let count = done.length
    for (const [index, { entry }] of wave.entries()) {
      const outcome = outcomes[index]
      if (outcome?.status !== 'rejected') continue
      mesh.tracer?.current()?.failed(failureOf(outcome.reason)?.code ?? 'unexpected')
      if (failureOf(outcome.reason)?.code === 'EVENT_TARGET_REFUSED') count += await this.#refuse(entry, outcome.reason)
      else away = outcome.reason
    }
    if (away !== undefined) this.#failed(away)
    else this.#away = { attempts: 0, notBefore: 0, reason: '', at: 0 }
    return { count, isAway: away !== undefined }
  }

  /** Returns 1 where the message is a dead letter now. */
  async #refuse(entry: OutboxEntry, error: unknown): Promise<number> {
    const attempts = (this.#refused.get(entry.id)?.attempts ?? 0) + 1
    if (attempts >= this.#options.attemptsMax) {
      await this.#bury([entry], `refused ${attempts} times: ${reasonOf(error)}`)
      return 1
    }
    this.#refused.set(entry.id, { attempts, notBefore: Date.now() + retryPauseMs(attempts) })
    return 0
  }

  async #bury(entries: readonly OutboxEntry[], note: string): Promise<void> {
    const { mesh, name, logger } = this.#options
    const ids = entries.map(({ id }) => id)
    await mesh.use('metadata').moveEvents({ queue: this.#queue, ids, to: queueOf(name, 'dead-letters'), note })
    for (const id of ids) this.#refused.delete(id)
    logger.error({ target: name, count: ids.length, note }, 'events could not be delivered and are dead letters')
  }

  #failed(error: unknown): 0 {
    const attempts = this.#away.attempts + 1
    const reason = reasonOf(error)
    this.#away = { attempts, notBefore: Date.now() + retryPauseMs(attempts), reason, at: Date.now() }
    if (attempts === 1)
      this.#options.logger.warn({ target: this.#options.name, reason }, 'events wait for their target')
    return 0
  }
}

/** A code and a word: what a client library says may quote what it was given. */
function reasonOf(error: unknown): string {
  const { code, reason } = failureOf(error) ?? {}
  if (code !== undefined) return reason === undefined ? code : `${code} (${reason})`
  return isCofferError(error) ? error.code : 'unexpected failure'
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
