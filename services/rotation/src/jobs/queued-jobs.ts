import type { RotationService } from '@coffer/contracts'
import type { JobQueue, JsonObject } from '@coffer/job-queue'
import { rotationError } from '../errors.ts'
import { isJobKind, parseJobRequest } from './job-requests.ts'

const LIST_MAX = 1000

type QueuedJobs = Pick<
  RotationService,
  | 'submitJob'
  | 'findJob'
  | 'listJobs'
  | 'pauseJob'
  | 'resumeJob'
  | 'cancelJob'
  | 'putSchedule'
  | 'listSchedules'
  | 'removeSchedule'
>

/** The queue as the mesh has it: what is asked for is checked before it is kept. */
export function queuedJobs(queue: JobQueue): QueuedJobs {
  return {
    submitJob: async (submission) => await queue.submit({ ...submission, request: checked(submission) }),
    findJob: (id) => queue.find(id),
    listJobs: ({ limit }) => queue.list({ limit: Math.min(limit, LIST_MAX) }),
    pauseJob: (id) => queue.pause(id),
    resumeJob: (id) => queue.resume(id),
    cancelJob: (id) => queue.cancel(id),
    putSchedule: async (schedule) => await queue.putSchedule({ ...schedule, request: checked(schedule) }),
    listSchedules: () => queue.listSchedules(),
    removeSchedule: (name) => queue.removeSchedule(name),
  }
}

function checked({ kind, request }: { readonly kind: string; readonly request: JsonObject }): JsonObject {
  if (!isJobKind(kind)) throw rotationError('ROTATION_REQUEST_INVALID', { kind: kind.slice(0, 100) })
  return parseJobRequest(kind, request)
}
