/** Time and chance, as tests can have them too. */
export interface Timing {
  /** Milliseconds from any beginning; never goes back. */
  nowMs(): number
  /** From 0 to just below 1. */
  random(): number
  /** Does it later, unless it is cancelled by what this returns. */
  after(delayMs: number, action: () => void): () => void
}

/** Of the monotonic clock: the wall clock may be put back or forward at any time. */
export const systemTiming: Timing = {
  nowMs: () => performance.now(),
  random: Math.random,
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs)
    return () => clearTimeout(timer)
  },
}
