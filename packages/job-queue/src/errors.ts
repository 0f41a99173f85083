import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a job queue can refuse. Codes are API. */
export const JOB_ERRORS = {
  JOB_NOT_FOUND: 'no such job',
  JOB_STATE_INVALID: 'the job is not in a state in which that can be done',
  JOB_REQUEST_TOO_LARGE: 'a job is described in at most 64 KiB',
  JOB_SCHEDULE_INVALID: 'a schedule has a name of 1 to 64 of A-Z a-z 0-9 . _ - and a cron expression or an interval',
  JOB_SCHEDULE_NOT_FOUND: 'no such schedule',
  JOB_RECORD_DAMAGED: 'a stored job cannot be decoded',
  JOB_QUEUE_UNAVAILABLE: 'the job queue cannot be reached',
} as const

export type JobErrorCode = keyof typeof JOB_ERRORS

export function jobError(
  code: JobErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: JOB_ERRORS[code], ...(details && { details }) }, options)
}
