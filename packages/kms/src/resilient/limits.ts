import { kmsError } from '../errors.ts'

export interface ResilienceLimits {
  /** For each attempt. */
  readonly timeoutMs: number
  /** Of a call that may be repeated, the first one included. */
  readonly attemptsMax: number
  /** The wait before attempt n + 1 is random, from 0 to this times 2 to the power of n - 1. */
  readonly backoffBaseMs: number
  /** For all attempts of a call and the waits between them. */
  readonly deadlineMs: number
  /** So many failures in a row open the circuit breaker. */
  readonly failuresMax: number
  /** How long it then lets nothing through. */
  readonly openMs: number
  /** Calls under way at once. */
  readonly callsMax: number
}

export const RESILIENCE_DEFAULTS: ResilienceLimits = {
  timeoutMs: 5_000,
  attemptsMax: 3,
  backoffBaseMs: 100,
  deadlineMs: 10_000,
  failuresMax: 5,
  openMs: 5_000,
  callsMax: 256,
}

/** A longer delay makes setTimeout fire at once. */
const LIMIT_MAX = 2 ** 31 - 1

/** KMS_OPTIONS_INVALID: each is a whole number from 1 to 2^31 - 1. */
export function resilienceLimits(given: Partial<ResilienceLimits>): ResilienceLimits {
  const limits = { ...RESILIENCE_DEFAULTS }
  for (const option of Object.keys(RESILIENCE_DEFAULTS) as (keyof ResilienceLimits)[]) {
    const value = given[option] ?? RESILIENCE_DEFAULTS[option]
    if (!Number.isInteger(value) || value < 1 || value > LIMIT_MAX) throw kmsError('KMS_OPTIONS_INVALID', { option })
    Object.assign(limits, { [option]: value })
  }
  return limits
}
