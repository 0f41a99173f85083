import { setTimeout as sleep } from 'node:timers/promises'

const PAUSE_MS = 200

/**
 * AWS KMS is eventually consistent (KMS Developer Guide, "Eventual consistency"): what it does not know or has not done yet is
 * asked for again, until the time of one call is over.
 */
export class Patience {
  readonly #deadlineAtMs: number

  constructor(timeoutMs: number) {
    this.#deadlineAtMs = performance.now() + timeoutMs
  }

  /** Rejects with what `overdue` gives where there is no time left for another try. */
  async pause(overdue: () => unknown): Promise<void> {
    if (performance.now() + PAUSE_MS >= this.#deadlineAtMs) throw overdue()
    await sleep(PAUSE_MS)
  }
}
