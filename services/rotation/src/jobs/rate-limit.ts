import { setTimeout as sleep } from 'node:timers/promises'

/** What has not been used of the last moments may be used at once. */
const BURST_MS = 250

/** Lets so much pass each second (the generic cell rate algorithm, ITU-T I.371): objects, or bytes. */
export class RateLimit {
  readonly #perSecond: number | undefined
  #freeAtMs = 0

  /** Undefined: no limit. */
  constructor(perSecond: number | undefined) {
    this.#perSecond = perSecond
  }

  /** Resolves when this much may pass; rejects when the signal is aborted. */
  async take(count: number, signal: AbortSignal): Promise<void> {
    if (this.#perSecond === undefined) return
    const nowMs = performance.now()
    const startMs = Math.max(this.#freeAtMs, nowMs - BURST_MS)
    this.#freeAtMs = startMs + (count / this.#perSecond) * 1000
    if (startMs > nowMs) await sleep(startMs - nowMs, undefined, { signal })
  }
}
