import type { Job as BullJob } from 'bullmq'
import type { Job, JobState, JsonObject, Schedule } from '../job-queue.ts'

/** What Coffer keeps in a BullMQ job. The run tells its progress by BullMQ's; all else is written by who controls the job. */
export interface JobData {
  readonly request: JsonObject
  readonly submittedBy: string
  readonly scheduleName?: string
  readonly wanted?: 'paused' | 'cancelled'
}

type Ended = { readonly result: JsonObject } | { readonly cancelled: true }

/** A BullMQ job scheduler as it lists them. */
export interface StoredSchedule {
  readonly key: string
  readonly name: string
  readonly next?: number
  readonly pattern?: string
  readonly every?: number
  readonly template?: { readonly data?: JobData }
}

export function jobOf(job: BullJob<JobData>, bullState: string): Job {
  const { request, submittedBy, scheduleName, wanted } = job.data
  const state = stateOf(bullState, job)
  const ended = job.returnvalue as Ended | null | undefined
  const isOpen = state === 'waiting' || state === 'running'
  return {
    id: job.id ?? '',
    kind: job.name,
    request,
    submittedBy,
    submittedAt: job.timestamp,
    ...(scheduleName !== undefined && { scheduleName }),
    state,
    ...(isOpen && wanted !== undefined && { wanted }),
    ...(job.processedOn !== undefined && { startedAt: job.processedOn }),
    ...(job.finishedOn !== undefined && { endedAt: job.finishedOn }),
    ...(isObject(job.progress) && { progress: job.progress }),
    ...(ended && 'result' in ended && { result: ended.result }),
    ...(state === 'failed' && { failure: failureOf(job.failedReason ?? '') }),
  }
}

export function scheduleOf({ key, name, next, pattern, every, template }: StoredSchedule): Schedule {
  return {
    name: key,
    kind: name,
    request: template?.data?.request ?? {},
    submittedBy: template?.data?.submittedBy ?? '',
    timetable: pattern !== undefined ? { cron: pattern } : { everyMs: Number(every) },
    nextAt: next ?? 0,
  }
}

function stateOf(bullState: string, job: BullJob<JobData>): JobState {
  if (bullState === 'active') return 'running'
  if (bullState === 'failed') return 'failed'
  if (bullState === 'completed') return isCancelled(job.returnvalue) ? 'cancelled' : 'completed'
  if (bullState === 'delayed' && job.data.wanted === 'paused') return 'paused'
  return 'waiting'
}

function isCancelled(ended: unknown): boolean {
  return isObject(ended) && 'cancelled' in ended
}

/** `CODE: message`, as a run failed. */
function failureOf(reason: string): NonNullable<Job['failure']> {
  const [, code = 'INTERNAL_ERROR', message = reason] = /^([A-Z][A-Z0-9_]+): (.*)$/s.exec(reason) ?? []
  return { code, message }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null
}
