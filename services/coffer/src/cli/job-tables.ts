import type { JobProgress, RewrapReport } from '@coffer/contracts'
import type { Job, Schedule } from '@coffer/job-queue'
import Table from 'cli-table3'
import { durationText, sizeText } from './quantities.ts'

export function renderJobs(jobs: readonly Job[]): string {
  const table = tableOf(['job', 'kind', 'state', 'submitted', 'by', 'done'])
  for (const job of jobs) {
    const { id, kind, submittedBy, scheduleName } = job
    const by = scheduleName === undefined ? submittedBy : `schedule ${scheduleName}`
    table.push([id, kind, stateOf(job), dateOf(job.submittedAt), by, shareDone(job)])
  }
  return table.toString()
}

export function renderSchedules(schedules: readonly Schedule[]): string {
  const table = tableOf(['schedule', 'kind', 'when', 'next', 'by'])
  for (const { name, kind, timetable, nextAt, submittedBy } of schedules) {
    const when = 'cron' in timetable ? `${timetable.cron} (UTC)` : `every ${durationText(timetable.everyMs)}`
    table.push([name, kind, when, dateOf(nextAt), submittedBy])
  }
  return table.toString()
}

/** All that is known of a job. */
export function renderJob(job: Job): string {
  const lines = [
    `Job ${job.id}: ${job.kind}, ${stateOf(job)}`,
    `asked for: ${JSON.stringify(job.request)}`,
    `submitted: ${dateOf(job.submittedAt)} by ${job.submittedBy}`,
    ...(job.startedAt === undefined ? [] : [`began: ${dateOf(job.startedAt)}`]),
    ...(job.endedAt === undefined ? [] : [`ended: ${dateOf(job.endedAt)}`]),
    ...progressLines(job),
    ...(job.failure === undefined ? [] : [`failure: ${job.failure.message} [${job.failure.code}]`]),
  ]
  return lines.join('\n')
}

/** One line, for a job that is watched. */
export function renderProgress(job: Job): string {
  const progress = progressOf(job)
  if (progress === undefined) return stateOf(job)
  const { seen, total, changed, failedCount, waitingFor } = progress
  const rest = remainingMs(progress)
  return [
    stateOf(job),
    `${seen.objectCount} of ${total.objectCount} versions, ${sizeText(seen.sizeBytes)} of ${sizeText(total.sizeBytes)}`,
    `${changed.objectCount} changed`,
    ...(failedCount > 0 ? [`${failedCount} failed`] : []),
    ...(waitingFor === undefined ? [] : [`waits (${waitingFor})`]),
    ...(job.state === 'running' && rest !== undefined ? [`about ${durationText(rest)} left`] : []),
  ].join(', ')
}

/** The slower of what the versions and what the bytes so far say; undefined before anything is known. */
export function remainingMs({ seen, total, runMs }: JobProgress): number | undefined {
  if (seen.objectCount === 0) return undefined
  const byObjects = (runMs * Math.max(0, total.objectCount - seen.objectCount)) / seen.objectCount
  const byBytes = seen.sizeBytes === 0 ? 0 : (runMs * Math.max(0, total.sizeBytes - seen.sizeBytes)) / seen.sizeBytes
  return Math.max(byObjects, byBytes)
}

function progressLines(job: Job): string[] {
  const progress = progressOf(job)
  if (progress === undefined) return job.result === undefined ? [] : [`result: ${JSON.stringify(job.result)}`]
  const { changed, skippedCount, failures, runMs } = progress
  return [
    `progress: ${renderProgress(job)}`,
    `changed: ${changed.objectCount} versions, ${sizeText(changed.sizeBytes)}; left as they are: ${skippedCount}`,
    `time: ${durationText(runMs)}`,
    ...(typeof job.result?.toVersion === 'number' ? [`under: ${job.result.to}, version ${job.result.toVersion}`] : []),
    ...rewrapLines(job),
    ...leftLines(job),
    ...failures.map(({ what, code, reason }) => `failed: ${what}: ${[code, reason].filter(Boolean).join(', ')}`),
  ]
}

/** What a move of object data has left where it was. */
function leftLines({ result }: Job): string[] {
  if (typeof result?.left !== 'object') return []
  const { blobCount, sizeBytes } = result.left as { blobCount: number; sizeBytes: number }
  return [`left in the store: ${blobCount} blobs, ${sizeText(sizeBytes)}`]
}

/** What a rewrap did, or (dry run) would do: a bucket key is one call of the KMS, an object without one a call of its own. */
function rewrapLines({ result }: Job): string[] {
  if (typeof result?.directObjectCount !== 'number') return []
  const { bucketKeyCount, objectCount, directObjectCount } = result as unknown as RewrapReport
  return [
    `rewrapped${result.dryRun === true ? ' (dry run: nothing was)' : ''}: ${bucketKeyCount} bucket keys, which seal ` +
      `${objectCount} objects; ${directObjectCount} objects without a bucket key, each by itself`,
  ]
}

/** Of a job over objects. */
function progressOf({ result, progress }: Job): JobProgress | undefined {
  const told = result ?? progress
  return told !== undefined && 'seen' in told && 'total' in told ? (told as unknown as JobProgress) : undefined
}

function shareDone(job: Job): string {
  const progress = progressOf(job)
  if (progress === undefined) return job.state === 'completed' ? '100 %' : ''
  const { seen, total } = progress
  if (job.state === 'completed' || total.objectCount === 0) return '100 %'
  return `${Math.min(100, Math.floor((100 * seen.objectCount) / total.objectCount))} %`
}

function stateOf({ state, wanted }: Job): string {
  return wanted === undefined ? state : `${state}, to be ${wanted}`
}

function tableOf(head: string[]) {
  return new Table({ head, style: { head: [], border: [], compact: true } })
}

function dateOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
