import type { LifecycleReport } from '@coffer/contracts'
import { type CofferError, isCofferError } from '@coffer/errors'

type Counted = Exclude<keyof LifecycleReport, 'failures'>

/** Refusals that say that something was changed meanwhile: the next pass sees what it is now. */
const MOOT: ReadonlySet<string> = new Set([
  'META_BUCKET_CHANGED',
  'META_BUCKET_NOT_FOUND',
  'META_PRECONDITION_FAILED',
  'META_UPLOAD_NOT_FOUND',
  'META_VERSION_CHANGED',
  'META_VERSION_NOT_NEWEST',
])

/** What is not there will be there again: it ends the step, which is made again from where it began. */
export function isPassing(error: CofferError): boolean {
  return error.code.endsWith('_UNAVAILABLE')
}

/** Counts what a step does; a failure of one thing is told, and does not keep the rest from being done. */
export class Tally {
  readonly #counts: Record<Counted, number> = {
    versionsSeen: 0,
    expired: 0,
    noncurrentRemoved: 0,
    deleteMarkersRemoved: 0,
    uploadsAborted: 0,
    locked: 0,
    transitionsDue: 0,
  }
  readonly #failures: { what: string; code: string }[] = []

  add(what: Counted, count = 1): void {
    this.#counts[what] += count
  }

  fail(...failures: LifecycleReport['failures']): void {
    this.#failures.push(...failures)
  }

  /** Counts what `act` comes to; undefined: nothing. */
  async attempt(what: string, act: () => Promise<Counted | undefined>): Promise<void> {
    try {
      const outcome = await act()
      if (outcome !== undefined) this.add(outcome)
    } catch (error) {
      if (!isCofferError(error) || isPassing(error)) throw error
      if (!MOOT.has(error.code)) this.fail({ what, code: error.code })
    }
  }

  report(): LifecycleReport {
    return { ...this.#counts, failures: this.#failures }
  }
}
