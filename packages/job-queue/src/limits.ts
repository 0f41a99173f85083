import { jobError } from './errors.ts'
import type { JobSubmission } from './job-queue.ts'

/** Jobs that have ended are forgotten past this number, the oldest first. */
export const ENDED_MAX = 1000
export const CONCURRENCY = 2
const SUBMISSION_BYTES_MAX = 64 * 1024

/** JOB_REQUEST_TOO_LARGE. */
export function assertSubmission({ kind, request, submittedBy }: JobSubmission): void {
  const sizeBytes = Buffer.byteLength(JSON.stringify({ kind, request, submittedBy }))
  if (sizeBytes > SUBMISSION_BYTES_MAX) throw jobError('JOB_REQUEST_TOO_LARGE', { sizeBytes })
}
