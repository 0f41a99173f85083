import { invariant } from '@coffer/errors'
import type { Environment } from './environment.ts'
import { asMetadataError, commitFailure, isCommitFailure } from './lmdb-errors.ts'
import { RowWriter } from './row.ts'
import { WriteBatch } from './write-batch.ts'

/** Limits of one write transaction: other processes wait for it. */
const BATCH_CHANGES_MAX = 1_000
const BATCH_BYTES_MAX = 32 * 1024 * 1024

/** Checks and applies one change. It throws before its first write, or not at all. */
export type Change<Result> = (batch: WriteBatch) => Result

type Outcome = { readonly result: unknown } | { readonly refused: unknown }

interface Pending {
  readonly sizeBytes: number
  apply(batch: WriteBatch): Outcome
  settle(outcome: Outcome): void
}

/**
 * Group commit: changes that arrive while a transaction is under way share the next one, and so its one fdatasync. Each
 * is checked inside the transaction; one that is refused has written nothing, and the others go on.
 */
export class GroupCommit {
  readonly #environment: Environment
  readonly #rows = new RowWriter()
  #queue: Pending[] = []
  #running: Promise<void> | undefined
  #closed = false

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
    })
  }

  /** Waits for what was submitted; nothing more is taken. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #drain(): Promise<void> {
    // What the same turn of the event loop submits shares the first transaction.
    await Promise.resolve()
    while (this.#queue.length > 0) await this.#commit(this.#takeBatch())
    this.#running = undefined
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

  async #commit(pending: readonly Pending[]): Promise<void> {
    try {
      const outcomes = await this.#environment.root.childTransaction(() => this.#apply(pending))
      for (const [index, change] of pending.entries()) change.settle(outcomes[index] as Outcome)
    } catch (error) {
      await this.#recover(pending, error)
    }
  }

  /** Runs in the write transaction; throwing aborts all of it (a child transaction, as only those can be aborted). */
  #apply(pending: readonly Pending[]): readonly Outcome[] {
    const batch = new WriteBatch(this.#environment.databases, this.#rows)
    const outcomes = pending.map((change) => change.apply(batch))
    batch.finish()
    return outcomes
  }

  /**
   * Nothing of the batch was kept. If one change was at fault (it does not fit, say), the others must not fail with it:
   * halves are tried again. A transaction that could not be committed at all fails for everybody.
   */
  async #recover(pending: readonly Pending[], error: unknown): Promise<void> {
    if (pending.length > 1 && !isCommitFailure(error)) {
      const middle = pending.length >> 1
      await this.#commit(pending.slice(0, middle))
      await this.#commit(pending.slice(middle))
      return
    }
    const refused = asMetadataError(await commitFailure(error))
    for (const change of pending) change.settle({ refused })
  }
}

function attempt(change: Change<unknown>, batch: WriteBatch): Outcome {
  const writesBefore = batch.writes
  try {
    return { result: change(batch) }
  } catch (error) {
    if (batch.writes !== writesBefore) throw error
    return { refused: asMetadataError(error) }
  }
}
