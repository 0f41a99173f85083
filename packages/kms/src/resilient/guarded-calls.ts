import type { CofferError } from '@coffer/errors'
import { CircuitBreaker } from '../circuit-breaker.ts'
import { kmsError } from '../errors.ts'
import { codedError } from './coded-error.ts'
import type { ResilienceLimits } from './limits.ts'
import type { Timing } from './timing.ts'
import { withinTime } from './within-time.ts'

export interface GuardedCall<T> {
  /** For errors: `decrypt`. */
  readonly operation: string
  /** Whether it may be asked again when nobody knows whether it was done. */
  readonly repeatable: boolean
  readonly run: () => Promise<T>
  /** Wipes what comes too late. */
  readonly discard?: (late: T) => void
}

/** Why a call is KMS_UNAVAILABLE; in its details, for the one who reads the log. */
type Reason = 'timed-out' | 'circuit-open' | 'too-many-calls' | 'failed-without-code'

/** Calls to one KMS: bounded in number, each in time, repeated where that is safe, and none while the KMS is away. */
export class GuardedCalls {
  readonly #connector: string
  readonly #limits: ResilienceLimits
  readonly #timing: Timing
  readonly #breaker: CircuitBreaker
  #underWay = 0

  constructor(connector: string, limits: ResilienceLimits, timing: Timing, onBreaker?: (isOpen: boolean) => void) {
    this.#connector = connector
    this.#limits = limits
    this.#timing = timing
    this.#breaker = new CircuitBreaker(limits, () => timing.nowMs(), onBreaker)
  }

  async run<T>(call: GuardedCall<T>): Promise<T> {
    if (this.#underWay >= this.#limits.callsMax) throw this.#unavailable(call.operation, 'too-many-calls')
    this.#underWay++
    try {
      return await this.#attempts(call)
    } finally {
      this.#underWay--
    }
  }

  /** Past bound and breaker, for what must be tried in any case: one attempt within the time-out. */
  async runAlways<T>(call: GuardedCall<T>): Promise<T> {
    return this.#attempt(call, this.#limits.timeoutMs)
  }

  async #attempts<T>(call: GuardedCall<T>): Promise<T> {
    const { attemptsMax, deadlineMs, timeoutMs } = this.#limits
    const deadlineAtMs = this.#timing.nowMs() + deadlineMs
    for (let attempt = 1; ; attempt++) {
      const report = this.#breaker.enter()
      if (report === undefined) throw this.#unavailable(call.operation, 'circuit-open')
      try {
        const value = await this.#attempt(call, Math.min(timeoutMs, deadlineAtMs - this.#timing.nowMs()))
        report('answered')
        return value
      } catch (cause) {
        const error = cause as CofferError
        const answered = error.code !== 'KMS_UNAVAILABLE'
        report(answered ? 'answered' : 'unavailable')
        if (answered || !call.repeatable || attempt >= attemptsMax || !this.#breaker.admits) throw error
        if (!(await this.#backOff(attempt, deadlineAtMs))) throw error
      }
    }
  }

  /** Rejects with nothing but CofferErrors. */
  async #attempt<T>(call: GuardedCall<T>, limitMs: number): Promise<T> {
    const limit = {
      limitMs,
      expired: () => this.#unavailable(call.operation, 'timed-out'),
      discard: call.discard ?? (() => undefined),
    }
    return withinTime(call.run, limit, this.#timing).catch((error: unknown) => {
      throw codedError(error) ?? this.#unavailable(call.operation, 'failed-without-code')
    })
  }

  /** Full jitter: clients that failed together do not come back together (M. Brooker, AWS Architecture Blog, 2015). */
  async #backOff(attempt: number, deadlineAtMs: number): Promise<boolean> {
    const { backoffBaseMs, deadlineMs } = this.#limits
    const waitMs = this.#timing.random() * Math.min(backoffBaseMs * 2 ** (attempt - 1), deadlineMs)
    if (this.#timing.nowMs() + waitMs >= deadlineAtMs) return false
    await new Promise<void>((resolve) => this.#timing.after(waitMs, resolve))
    return this.#timing.nowMs() < deadlineAtMs
  }

  #unavailable(operation: string, reason: Reason): CofferError {
    return kmsError('KMS_UNAVAILABLE', { connector: this.#connector, operation, reason })
  }
}
