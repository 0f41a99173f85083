export type Outcome = 'answered' | 'unavailable'

/**
 * Stops asking somebody who does not answer. After `failuresMax` failures in a row it is open: nothing is let through for
 * `openMs`. Then one trial at a time is; its answer closes it, its failure opens it for another `openMs`.
 *
 *     const report = breaker.enter()
 *     if (report === undefined) throw kmsError('KMS_UNAVAILABLE')
 *     report((await ask()) ? 'answered' : 'unavailable') // each call that entered reports once, whatever happens to it
 *
 * Not cockatiel's (4.0.0): there, calls queue behind a trial, a refusal does not end a row of failures, and the wall clock
 * decides, so that a clock put back by an hour keeps it open for an hour. Source: M. Nygard, "Release It!", circuit breaker.
 */
export class CircuitBreaker {
  readonly #failuresMax: number
  readonly #openMs: number
  /** Must never go back. */
  readonly #nowMs: () => number
  readonly #onChange: (isOpen: boolean) => void
  #failuresInARow = 0
  /** When a trial may be made; undefined while closed. */
  #trialAtMs: number | undefined
  #trialUnderWay = false
  /** Counts openings and closings: who entered before one of them says nothing about what came after it. */
  #period = 0

  /** `onChange`: told when it opens and when it closes. */
  constructor(
    limits: { failuresMax: number; openMs: number },
    nowMs: () => number,
    onChange: (isOpen: boolean) => void = () => undefined,
  ) {
    this.#onChange = onChange
    this.#failuresMax = limits.failuresMax
    this.#openMs = limits.openMs
    this.#nowMs = nowMs
  }

  /** Whether `enter` would let a call through now. */
  get admits(): boolean {
    return this.#trialAtMs === undefined || (!this.#trialUnderWay && this.#nowMs() >= this.#trialAtMs)
  }

  /** Lets a call through, which reports its outcome; or undefined. */
  enter(): ((outcome: Outcome) => void) | undefined {
    if (!this.admits) return undefined
    if (this.#trialAtMs !== undefined) this.#trialUnderWay = true
    const period = this.#period
    return (outcome) => {
      if (period === this.#period) this.#count(outcome)
    }
  }

  #count(outcome: Outcome): void {
    const trial = this.#trialUnderWay
    this.#failuresInARow = outcome === 'answered' ? 0 : this.#failuresInARow + 1
    if (outcome === 'unavailable' && (trial || this.#failuresInARow >= this.#failuresMax)) {
      this.#begin(this.#nowMs() + this.#openMs)
    } else if (trial) {
      this.#begin(undefined)
    }
  }

  #begin(trialAtMs: number | undefined): void {
    this.#trialAtMs = trialAtMs
    this.#trialUnderWay = false
    this.#period++
    this.#onChange(trialAtMs !== undefined)
  }
}
