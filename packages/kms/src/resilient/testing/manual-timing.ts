import type { Timing } from '../timing.ts'

/** Time that passes when a test says so, and chance that a test has chosen. */
export class ManualTiming implements Timing {
  chance = 0.5
  /** How much too late timers go off, as they do in a busy process. */
  lateMs = 0
  #nowMs = 1_000
  #timers: { atMs: number; action: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  random(): number {
    return this.chance
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs + this.lateMs, action }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  /** Timers that wait: none is left when nothing is under way. */
  get waiting(): number {
    return this.#timers.length
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await settled()
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > untilMs) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#nowMs = next.atMs
      next.action()
      await settled()
    }
    this.#nowMs = untilMs
  }
}

/** When all promises that can go on have gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
