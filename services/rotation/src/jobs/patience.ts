import { setTimeout as sleep } from 'node:timers/promises'
import { isCofferError } from '@coffer/errors'
import type { JobTally } from './job-tally.ts'

/** What goes by: a job waits for it, where a request would be refused. */
const PASSING: ReadonlySet<string> = new Set([
  'BLOB_UNAVAILABLE',
  'KMS_UNAVAILABLE',
  'MESH_SERVICE_UNAVAILABLE',
  'META_STORE_CLOSED',
])

export function isPassing(code: string): boolean {
  return PASSING.has(code)
}

const PAUSE_MS_MIN = 1_000
const PAUSE_MS_MAX = 30_000

/**
 * Acts, again and again while what it needs is away: `passes` says by which codes. Rejects with any other failure, and when the
 * signal is aborted.
 */
export async function patiently<Result>(
  act: () => Promise<Result>,
  tally: JobTally,
  signal: AbortSignal,
  passes: (code: string) => boolean = isPassing,
): Promise<Result> {
  for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
    signal.throwIfAborted()
    try {
      const result = await act()
      tally.waiting(undefined)
      return result
    } catch (error) {
      if (!isCofferError(error) || !passes(error.code)) throw error
      tally.waiting(error.code)
      tally.tellSometimes()
      await sleep(pauseMs, undefined, { signal })
    }
  }
}
