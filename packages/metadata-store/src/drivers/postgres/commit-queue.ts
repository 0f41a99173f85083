import { invariant } from '@coffer/errors'
import type { WriteBatch } from '../rows/write-batch.ts'
import type { Connection } from './connection.ts'
import type { Needs } from './needs.ts'
import type { Statements } from './statements.ts'
import { type PendingChange, WriteLane } from './write-lane.ts'

const BATCH_CHANGES_MAX = 256
const BATCH_BYTES_MAX = 16 * 1024 * 1024

/**
 * Changes wait here for a free connection; those that wait together share a transaction, and so its round trips and its wait
 * for the disk. The server groups the commits of several connections itself.
 */
export class CommitQueue {
  readonly #lanes: WriteLane[]
  readonly #idle: WriteLane[]
  readonly #running = new Set<Promise<void>>()
  #queue: PendingChange[] = []
  #isScheduled = false
  #closed = false

  constructor(open: () => Promise<Connection>, statements: Statements, laneCount: number) {
    this.#lanes = Array.from({ length: laneCount }, () => new WriteLane(open, statements))
    this.#idle = [...this.#lanes]
  }

  /** Resolves when the change is on stable storage. `needs`: what it is known to read; `sizeBytes`: about how much it writes. */
  submit<Result>(run: (batch: WriteBatch) => Result, needs: Needs, sizeBytes: number): Promise<Result> {
    invariant(!this.#closed, 'the metadata store is open')
    return new Promise<Result>((resolve, reject) => {
      this.#queue.push({ run, needs, sizeBytes, resolve: (result) => resolve(result as Result), reject })
      this.#schedule()
    })
  }

  /** Waits for what was submitted; nothing more is taken. */
  async close(): Promise<void> {
    this.#closed = true
    while (this.#queue.length > 0 || this.#running.size > 0) {
      if (this.#running.size > 0) await Promise.race(this.#running)
      else await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  /** Whatever has come from the network is handled first: what it submits shares the transaction. */
  #schedule(): void {
    if (this.#isScheduled || this.#idle.length === 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      const lane = this.#queue.length > 0 ? this.#idle.pop() : undefined
      if (!lane) return
      const running = lane.commit(this.#takeBatch()).finally(() => {
        this.#running.delete(running)
        this.#idle.push(lane)
        if (this.#queue.length > 0) this.#schedule()
      })
      this.#running.add(running)
      if (this.#queue.length > 0) this.#schedule()
    })
  }

  #takeBatch(): readonly PendingChange[] {
    let count = 0
    let sizeBytes = 0
    for (const pending of this.#queue) {
      sizeBytes += pending.sizeBytes
      if (count > 0 && (count === BATCH_CHANGES_MAX || sizeBytes > BATCH_BYTES_MAX)) break
      count += 1
    }
    return this.#queue.splice(0, count)
  }
}
