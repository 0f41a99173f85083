import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FoundLease, LeaseRecord, type LeaseStore } from './lease-record.ts'

export type { LeaseStore } from './lease-record.ts'

export interface HoldLeaseOptions {
  /** `mesh.use('metadata')`, or the store itself. */
  readonly store: LeaseStore
  /** Of what one process at a time does, such as `events-relay`. */
  readonly name: string
  /**
   * Begun each time the lease is won. `held` is aborted when the lease is lost or given back: the work has to end soon after,
   * within a quarter of `leaseMs`. When it ends by itself the lease is given back, and somebody begins it again.
   */
  readonly work: (held: AbortSignal) => Promise<void>
  /** How long another waits for a holder that is not heard of any more, milliseconds. Default: 15 seconds. */
  readonly leaseMs?: number
}

export interface LeaseHold {
  /** Ends the work, gives the lease back, and contends no more. */
  stop(): Promise<void>
}

const LEASE_MS = 15_000
/** Renewals, and looks of those who wait, within the time of a lease. */
const BEATS = 10
/** A holder that could not renew gives up after this share of the lease, before anybody else may take it. */
const HELD_SHARE = 0.7

/**
 * Lets one process at a time do something, whatever number of them run: each calls this, and `work` goes on in the one that
 * holds the lease of this name. When that one is killed, another takes over after `leaseMs`; when it stops, at once.
 *
 * No two clocks are compared. The holder counts the record's revision up; who waits takes the lease when the revision has not
 * changed for `leaseMs` of its own monotonic time, and the holder counts from before its last renewal that succeeded. A process
 * that is frozen right in the middle of a step can still end that step when it thaws: what is done under a lease must bear
 * being done twice now and then.
 *
 * @example
 * const relay = holdLease({ store: mesh.use('metadata'), name: 'events-relay', work: (held) => relayUntil(held) })
 * cleanup.defer(() => relay.stop())
 */
export function holdLease(options: HoldLeaseOptions): LeaseHold {
  const contender = new Contender(options)
  return { stop: () => contender.stop() }
}

class Contender {
  readonly #record: LeaseRecord
  readonly #work: HoldLeaseOptions['work']
  readonly #leaseMs: number
  readonly #me = randomBytes(8).toString('hex')
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  /** What was seen last, and since when it has been so, on the monotonic clock. */
  #seen: (FoundLease & { readonly sinceMs: number }) | undefined

  constructor({ store, name, work, leaseMs = LEASE_MS }: HoldLeaseOptions) {
    this.#record = new LeaseRecord(store, name)
    this.#work = work
    this.#leaseMs = leaseMs
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const askedAtMs = performance.now()
      // A store that is away is asked again.
      const revision = await this.#win().catch(() => undefined)
      if (revision !== undefined) await this.#hold(revision, askedAtMs)
      await this.#pause()
    }
  }

  /** The revision of the record that says that the lease is ours; undefined: it is another's. */
  async #win(): Promise<number | undefined> {
    const found = await this.#record.find()
    const nowMs = performance.now()
    const isAsSeen = this.#seen?.revision === found.revision
    if (!isAsSeen) this.#seen = { ...found, sinceMs: nowMs }
    const isFree = found.holder === undefined || found.holder === this.#me
    if (!isFree && nowMs - (this.#seen?.sinceMs ?? nowMs) < this.#leaseMs) return undefined
    return (await this.#record.put(this.#me, found.revision)) ? found.revision + 1 : undefined
  }

  async #hold(wonRevision: number, askedAtMs: number): Promise<void> {
    const lost = new AbortController()
    const giveUp = () => lost.abort()
    let timer = setTimeout(giveUp, this.#heldMs(askedAtMs))
    let isDone = false
    const work = this.#begin(AbortSignal.any([lost.signal, this.#stopping.signal])).finally(() => {
      isDone = true
    })
    let revision = wonRevision
    while (!isDone && !lost.signal.aborted && !this.#stopping.signal.aborted) {
      await this.#pause()
      const renewedAtMs = performance.now()
      const renewed = await this.#renew(revision).catch(() => 'unknown' as const)
      if (renewed === 'lost') giveUp()
      if (typeof renewed !== 'number') continue
      revision = renewed
      clearTimeout(timer)
      timer = setTimeout(giveUp, this.#heldMs(renewedAtMs))
    }
    await work
    clearTimeout(timer)
    if (!lost.signal.aborted) await this.#record.put(undefined, revision).catch(() => undefined)
  }

  async #begin(held: AbortSignal): Promise<void> {
    // What fails is begun again, here or by another, when the lease is won again.
    await Promise.try(this.#work, held).catch(() => undefined)
  }

  async #renew(revision: number): Promise<number | 'lost'> {
    if (await this.#record.put(this.#me, revision)) return revision + 1
    const found = await this.#record.find()
    // Ours: a renewal whose answer was lost.
    return found.holder === this.#me ? this.#renew(found.revision) : 'lost'
  }

  #heldMs(sinceMs: number): number {
    return Math.max(0, sinceMs + this.#leaseMs * HELD_SHARE - performance.now())
  }

  async #pause(): Promise<void> {
    await sleep(this.#leaseMs / BEATS, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}
