import { isCofferError } from '@coffer/errors'
import type { Job, JobHandler, JobRun, JsonObject } from './job-queue.ts'

/** Why a run is told to stop; the reason of its signal. */
export type StopReason = 'paused' | 'cancelled' | 'closing' | 'taken-over'

export type RunOutcome =
  | { readonly kind: 'completed'; readonly result: JsonObject }
  | { readonly kind: 'failed'; readonly failure: NonNullable<Job['failure']> }
  | { readonly kind: 'stopped'; readonly reason: StopReason }

/** Runs a job and tells how that ended. A run that was told to stop has stopped, whatever it said at its end but success. */
export async function outcomeOf(handler: JobHandler, run: JobRun): Promise<RunOutcome> {
  try {
    return { kind: 'completed', result: await handler(run) }
  } catch (error) {
    if (run.signal.aborted) return { kind: 'stopped', reason: run.signal.reason as StopReason }
    return { kind: 'failed', failure: failureOf(error) }
  }
}

/** Codes and messages of our own errors only: another's message may hold anything. */
function failureOf(error: unknown): NonNullable<Job['failure']> {
  if (isCofferError(error)) return { code: error.code, message: error.message }
  return { code: 'INTERNAL_ERROR', message: error instanceof Error ? error.name : 'unknown' }
}
