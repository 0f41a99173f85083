import { randomBytes } from 'node:crypto'
import { type JobRecords, type StoredJob, StoredJobs } from '../embedded/job-records.ts'
import { LeasedRun } from '../embedded/leased-run.ts'
import { jobError } from '../errors.ts'
import type { Job, JobHandler, JobQueue, JobSubmission, Schedule, WorkOptions } from '../job-queue.ts'
import { assertSubmission, CONCURRENCY } from '../limits.ts'
import { assertScheduleName, nextTime } from '../timetable.ts'

export type { JobRecords } from '../embedded/job-records.ts'

export interface EmbeddedQueueOptions {
  readonly records: JobRecords
  /** How long a job stays with a process that is not heard of any more, milliseconds. */
  readonly takeoverMs?: number
  /** How often it is looked for work, milliseconds. */
  readonly pollMs?: number
}

const TAKEOVER_MS = 10_000
const POLL_MS = 500
/** Renewals within the time of a lease. */
const BEATS = 10

/** Jobs in the metadata store: a job is taken up by a compare-and-set of its record, under a lease. */
export class EmbeddedJobQueue implements JobQueue {
  readonly #jobs: StoredJobs
  readonly #takeoverMs: number
  readonly #pollMs: number
  readonly #runner = randomBytes(8).toString('hex')
  readonly #runs = new Map<LeasedRun, Promise<void>>()
  #isClosed = false
  #polling: Promise<void> | undefined
  #wake: () => void = () => undefined

  constructor(options: EmbeddedQueueOptions) {
    this.#jobs = new StoredJobs(options.records)
    this.#takeoverMs = options.takeoverMs ?? TAKEOVER_MS
    this.#pollMs = options.pollMs ?? POLL_MS
  }

  async submit(submission: JobSubmission): Promise<Job> {
    assertSubmission(submission)
    const now = Date.now()
    const job = newJob(`${timeText(now)}${randomBytes(6).toString('hex')}`, submission, now)
    await this.#jobs.add(job)
    return shown(job)
  }

  async find(id: string): Promise<Job | undefined> {
    const job = await this.#jobs.find(id)
    return job && shown(job)
  }

  async list({ limit }: { limit: number }): Promise<readonly Job[]> {
    const [open, ended] = [await this.#jobs.open(), await this.#jobs.ended()]
    const jobs = new Map([...open, ...ended].map((job) => [job.id, job]))
    return [...jobs.values()]
      .sort((a, b) => b.submittedAt - a.submittedAt || (a.id < b.id ? 1 : -1))
      .slice(0, limit)
      .map(shown)
  }

  pause(id: string): Promise<Job> {
    return this.#control(id, (job) => (this.#isRun(job) ? { ...job, wanted: 'paused' } : { ...job, state: 'paused' }))
  }

  resume(id: string): Promise<Job> {
    return this.#control(id, ({ wanted: _, ...job }) => (job.state === 'paused' ? { ...job, state: 'waiting' } : job))
  }

  async cancel(id: string): Promise<Job> {
    const job = await this.#control(id, (open) =>
      this.#isRun(open)
        ? { ...open, wanted: 'cancelled' }
        : { ...withoutWanted(open), state: 'cancelled', endedAt: Date.now() },
    )
    if (job.endedAt !== undefined) await this.#jobs.file(job)
    return job
  }

  async putSchedule(wanted: Omit<Schedule, 'nextAt'>): Promise<Schedule> {
    assertScheduleName(wanted.name)
    assertSubmission(wanted)
    const schedule = { ...wanted, nextAt: nextTime(wanted.timetable, Date.now()) }
    await this.#jobs.putSchedule(schedule)
    return schedule
  }

  listSchedules(): Promise<readonly Schedule[]> {
    return this.#jobs.schedules()
  }

  async removeSchedule(name: string): Promise<void> {
    if (!(await this.#jobs.removeSchedule(name))) throw jobError('JOB_SCHEDULE_NOT_FOUND', { name: name.slice(0, 100) })
  }

  /** Whether `work` would find something to do now, so that nobody need wait with a process of its own. */
  async hasWork(): Promise<boolean> {
    const now = Date.now()
    if ((await this.#jobs.schedules()).some(({ nextAt }) => nextAt <= now)) return true
    return (await this.#jobs.open()).some((job) => this.#isDue(job))
  }

  work(handler: JobHandler, { concurrency = CONCURRENCY }: WorkOptions = {}): void {
    this.#polling ??= this.#poll(handler, concurrency)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#wake()
    await this.#polling
    for (const run of this.#runs.keys()) run.stop('closing')
    await Promise.allSettled(this.#runs.values())
  }

  async #poll(handler: JobHandler, concurrency: number): Promise<void> {
    while (!this.#isClosed) {
      // What fails here (a store that is away) is tried again at the next look.
      await this.#lookForWork(handler, concurrency).catch(() => undefined)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#pollMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async #lookForWork(handler: JobHandler, concurrency: number): Promise<void> {
    await this.#submitScheduled()
    for (const { id } of await this.#jobs.open()) {
      if (this.#isClosed || this.#runs.size >= concurrency) return
      if ([...this.#runs.keys()].some((run) => run.job.id === id)) continue
      const job = await this.#takeUp(id)
      if (job?.endedAt !== undefined) await this.#jobs.file(job)
      else if (job?.state === 'running') this.#start(job, handler)
    }
  }

  /** By a name that two processes agree on, so that a time brings one job; then the schedule moves on. */
  async #submitScheduled(): Promise<void> {
    const now = Date.now()
    for (const schedule of await this.#jobs.schedules()) {
      if (schedule.nextAt > now) continue
      const { name, kind, request, submittedBy, timetable, nextAt } = schedule
      const job = newJob(`${timeText(nextAt)}-${name}`, { kind, request, submittedBy }, now)
      await this.#jobs.add({ ...job, scheduleName: name })
      await this.#jobs.advance(schedule, nextTime(timetable, now))
    }
  }

  /** The job as it is now this process' to run, or ended without a run; undefined where there is nothing to do. */
  #takeUp(id: string): Promise<StoredJob | undefined> {
    return this.#jobs.change(id, (job) => {
      if (job.endedAt !== undefined) return job
      if (!this.#isDue(job)) return undefined
      // What its last runner, now dead, had been told.
      if (job.wanted === 'cancelled') return { ...withoutWanted(job), state: 'cancelled', endedAt: Date.now() }
      if (job.wanted === 'paused') return { ...withoutWanted(job), state: 'paused' }
      const lease = { runner: this.#runner, leaseUntil: Date.now() + this.#takeoverMs }
      return { ...job, ...lease, state: 'running', startedAt: job.startedAt ?? Date.now() }
    })
  }

  #start(job: StoredJob, handler: JobHandler): void {
    const run = new LeasedRun(this.#jobs, job, {
      runner: this.#runner,
      leaseMs: this.#takeoverMs,
      beatMs: this.#takeoverMs / BEATS,
    })
    const done = run.run(handler).catch(() => undefined)
    this.#runs.set(run, done)
    void done.then(() => {
      this.#runs.delete(run)
      this.#wake()
    })
  }

  async #control(id: string, change: (job: StoredJob) => StoredJob): Promise<Job> {
    // A cancellation is final, also before the run has noticed it.
    const isOpen = ({ endedAt, wanted }: StoredJob) => endedAt === undefined && wanted !== 'cancelled'
    const changed = await this.#jobs.change(id, (job) => (isOpen(job) ? change(job) : undefined))
    if (changed !== undefined) return shown(changed)
    const job = await this.#jobs.find(id)
    if (job === undefined) throw jobError('JOB_NOT_FOUND', { id: id.slice(0, 100) })
    throw jobError('JOB_STATE_INVALID', { id, state: job.state })
  }

  /** Left to do, also what a process that is not heard of any more had taken up. */
  #isDue(job: StoredJob): boolean {
    if (job.endedAt !== undefined) return true
    return job.state === 'waiting' || (job.state === 'running' && !this.#isRun(job))
  }

  #isRun({ state, leaseUntil }: StoredJob): boolean {
    return state === 'running' && leaseUntil !== undefined && leaseUntil > Date.now()
  }
}

function newJob(id: string, { kind, request, submittedBy }: JobSubmission, now: number): StoredJob {
  return { id, kind, request, submittedBy, submittedAt: now, state: 'waiting' }
}

function withoutWanted({ wanted: _, ...job }: StoredJob): StoredJob {
  return job
}

function shown({ runner: _, leaseUntil: __, ...job }: StoredJob): Job {
  return job
}

/** Hexadecimal, so that ids sort by age. */
function timeText(ms: number): string {
  return ms.toString(16).padStart(12, '0')
}
