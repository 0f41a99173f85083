import { setTimeout as pause } from 'node:timers/promises'
import { invariant, isCofferError } from '@coffer/errors'
import { HELD_LOOK_MS, HELD_MS_MAX, WritesHeld } from '../move/move-store.ts'
import { RowWriter } from '../rows/row.ts'
import type { WriteBatch } from '../rows/write-batch.ts'
import type { Environment } from './environment.ts'
import { Gathering } from './gathering.ts'
import { areWritesHeld, journalOf } from './journal.ts'
import { LmdbBatch } from './lmdb-batch.ts'
import { asCommitError, asMetadataError, BATCH_BYTES_MAX } from './lmdb-errors.ts'

const BATCH_CHANGES_MAX = 1_000
/** How long a batch waits for more: half of what the last commit took, within what a timer can do and what nobody feels. */
const GATHER_MS_MIN = 1
const GATHER_MS_MAX = 5

/** Checks and applies one change. It throws before its first write, or not at all. */
export type Change<Result> = (batch: WriteBatch) => Result

type Outcome = { readonly result: unknown } | { readonly refused: unknown }

interface Pending {
  readonly sizeBytes: number
  apply(batch: LmdbBatch): Outcome
  settle(outcome: Outcome): void
}

/**
 * Group commit: changes that arrive in one turn of the event loop share one transaction, and so its one fdatasync. Each
 * is checked inside the transaction; one that is refused has written nothing, and the others go on.
 *
 * The transaction runs synchronously. lmdb-js' asynchronous ones take the write lock first and then wait for the event
 * loop to run their callback: while other requests are served every other process waits for the lock. Measured with two
 * workers: a quarter more puts a second this way (docs/decisions/0005).
 */
export class GroupCommit {
  readonly #environment: Environment
  readonly #rows = new RowWriter()
  readonly #gathering = new Gathering()
  #gatherMs = GATHER_MS_MIN
  #queue: Pending[] = []
  #running: Promise<void> | undefined
  #closed = false
  /** While a store that is moved makes writes wait: until when at most, on the monotonic clock. */
  #heldUntilMs: number | undefined
  /** Waited for: so many changes. */
  #awaited: { readonly count: number; readonly reached: () => void } | undefined

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** Resolves when the change is on stable storage. `sizeBytes`: about how much it writes. */
  submit<Result>(change: Change<Result>, sizeBytes = 0): Promise<Result> {
    invariant(!this.#closed, 'the metadata store is open')
    return new Promise<Result>((resolve, reject) => {
      this.#queue.push({
        sizeBytes,
        apply: (batch) => attempt(change, batch),
        settle: (outcome) => {
          if ('refused' in outcome) reject(outcome.refused)
          else resolve(outcome.result as Result)
        },
      })
      this.#running ??= this.#drain()
      if (this.#awaited !== undefined && this.#queue.length >= this.#awaited.count) this.#awaited.reached()
    })
  }

  /** Waits for what was submitted; nothing more is taken. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      if (this.#heldUntilMs !== undefined) await this.#untilOpen(this.#heldUntilMs)
      // Whatever has come from the network is handled first: what it submits shares the transaction.
      await new Promise((resolve) => setImmediate(resolve))
      const wanted = Math.min(this.#gathering.wanted(this.#queue.length), BATCH_CHANGES_MAX)
      const isInVain = this.#queue.length < wanted && !(await this.#gather(wanted))
      const batch = this.#takeBatch()
      const startedAt = performance.now()
      this.#commit(batch)
      this.#gatherMs = Math.min(GATHER_MS_MAX, Math.max(GATHER_MS_MIN, (performance.now() - startedAt) / 2))
      this.#gathering.committed(batch.length, isInVain)
    }
    this.#running = undefined
  }

  async #untilOpen(endMs: number): Promise<void> {
    do await pause(HELD_LOOK_MS)
    while (performance.now() < endMs && areWritesHeld(this.#environment.root))
  }

  /** Whether so many changes have come before the time was over. */
  #gather(count: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#awaited = undefined
        resolve(false)
      }, this.#gatherMs)
      const reached = () => {
        clearTimeout(timer)
        this.#awaited = undefined
        // Whoever comes in the same turn shares the transaction too.
        setImmediate(() => resolve(true))
      }
      this.#awaited = { count, reached }
    })
  }

  #takeBatch(): readonly Pending[] {
    let count = 0
    let sizeBytes = 0
    for (const pending of this.#queue) {
      sizeBytes += pending.sizeBytes
      if (count > 0 && (count === BATCH_CHANGES_MAX || sizeBytes > BATCH_BYTES_MAX)) break
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  #commit(pending: readonly Pending[]): void {
    let outcomes: readonly Outcome[]
    try {
      outcomes = this.#environment.root.transactionSync(() => this.#apply(pending))
    } catch (error) {
      if (error instanceof WritesHeld) {
        // They come first when the hold is over.
        this.#queue.unshift(...pending)
        this.#heldUntilMs ??= performance.now() + HELD_MS_MAX
        return
      }
      this.#heldUntilMs = undefined
      this.#recover(pending, error)
      return
    }
    this.#heldUntilMs = undefined
    for (const [index, change] of pending.entries()) change.settle(outcomes[index] as Outcome)
  }

  /** Runs in the write transaction; throwing aborts all of it. */
  #apply(pending: readonly Pending[]): readonly Outcome[] {
    const waitsNoMore = this.#heldUntilMs !== undefined && performance.now() >= this.#heldUntilMs
    const journal = journalOf(this.#environment, waitsNoMore)
    const batch = new LmdbBatch(this.#environment.databases, this.#rows, journal)
    const outcomes = pending.map((change) => change.apply(batch))
    batch.finish()
    return outcomes
  }

  /**
   * Nothing of the batch was kept. If one change was at fault (it does not fit on the disk, say), the others must not fail
   * with it: halves are tried again.
   */
  #recover(pending: readonly Pending[], error: unknown): void {
    if (pending.length > 1 && !isCofferError(error, 'META_STORE_CLOSED')) {
      const middle = pending.length >> 1
      this.#commit(pending.slice(0, middle))
      this.#commit(pending.slice(middle))
      return
    }
    const refused = asCommitError(error, this.#environment.directory)
    for (const change of pending) change.settle({ refused })
  }
}

function attempt(change: Change<unknown>, batch: LmdbBatch): Outcome {
  const writesBefore = batch.writes
  try {
    return { result: change(batch) }
  } catch (error) {
    if (batch.writes !== writesBefore) throw error
    return { refused: asMetadataError(error) }
  }
}
