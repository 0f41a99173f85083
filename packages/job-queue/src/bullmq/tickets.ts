import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Job as BullJob } from 'bullmq'
import { jobError } from '../errors.ts'
import type { JsonObject, Schedule, Timetable } from '../job-queue.ts'

/** What lies in Redis: that a job is to be looked at. What the job is, is in the metadata store. */
export interface Ticket {
  /** Of the job; absent: a schedule's. */
  readonly id?: string
  readonly scheduleName?: string
  /** Of the schedule as it was when it was given to Redis. */
  readonly stamp?: string
  /** Before there were tickets, the job itself. */
  readonly request?: JsonObject
  readonly submittedBy?: string
  readonly wanted?: 'paused' | 'cancelled'
}

/** A BullMQ job scheduler, as it lists them. */
export interface StoredScheduler {
  readonly key: string
  readonly name: string
  readonly next?: number
  readonly pattern?: string
  readonly every?: number
  readonly template?: { readonly data?: Ticket }
}

/** An answer that takes longer counts as none. */
const ANSWER_MS_MAX = 5_000

/** The same as long as the schedule is. */
export function stampOf({ kind, request, submittedBy, timetable }: Schedule): string {
  const text = JSON.stringify([kind, request, submittedBy, timetable])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}

export function timetableOf({ pattern, every }: StoredScheduler): Timetable {
  return pattern !== undefined ? { cron: pattern } : { everyMs: Number(every) }
}

/** When the schedule's ticket was due: BullMQ ends the ids of such jobs with it. */
export function dueAtOf({ id = '', timestamp }: BullJob<Ticket>): number {
  const last = Number(id.slice(id.lastIndexOf(':') + 1))
  return Number.isSafeInteger(last) && last > 0 ? last : timestamp
}

/** JOB_QUEUE_UNAVAILABLE for whatever Redis or the way to it refuses; its messages can hold a URL with a password. */
export async function reached<T>(act: () => Promise<T>, answerMsMax = ANSWER_MS_MAX): Promise<T> {
  const cutOff = new AbortController()
  const { signal } = cutOff
  // BullMQ waits for its first connection without an end.
  const late = sleep(answerMsMax, undefined, { signal }).then(() => Promise.reject(new Error('no answer')))
  try {
    return await Promise.race([act(), late])
  } catch (error) {
    throw jobError('JOB_QUEUE_UNAVAILABLE', { reason: error instanceof Error ? error.name : 'unknown' })
  } finally {
    late.catch(() => undefined)
    cutOff.abort()
  }
}
