import { randomBytes } from 'node:crypto'
import { jobError } from '../errors.ts'
import type { Job, JobSubmission, Schedule } from '../job-queue.ts'
import { assertSubmission } from '../limits.ts'
import { assertScheduleName, nextTime } from '../timetable.ts'
import { type JobRecords, type StoredJob, StoredJobs } from './job-records.ts'
import { type LeaseClock, LeaseWatch } from './lease-watch.ts'

/**
 * Jobs and schedules as the metadata store has them, for one process that may run some: who runs a job is decided by a
 * compare-and-set of its record, under a lease. When and where it is taken up is the driver's.
 */
export class JobLedger {
  readonly jobs: StoredJobs
  /** This process, in the leases that it has. */
  readonly runner = randomBytes(8).toString('hex')
  readonly #leaseMs: number
  readonly #watch: LeaseWatch

  constructor(records: JobRecords, leaseMs: number, clock: LeaseClock) {
    this.jobs = new StoredJobs(records)
    this.#leaseMs = leaseMs
    this.#watch = new LeaseWatch(leaseMs, clock)
  }

  async submit(submission: JobSubmission): Promise<Job> {
    assertSubmission(submission)
    const now = Date.now()
    const job = newJob(`${timeText(now)}${randomBytes(6).toString('hex')}`, submission, now)
    await this.jobs.add(job)
    return shown(job)
  }

  /** The job of a schedule for a time, by a name that two processes agree on: a time brings one job. */
  async submitScheduled({ name, kind, request, submittedBy }: Schedule, at: number): Promise<string> {
    const job = newJob(`${timeText(at)}-${name}`, { kind, request, submittedBy }, Date.now())
    await this.jobs.add({ ...job, scheduleName: name })
    return job.id
  }

  async find(id: string): Promise<Job | undefined> {
    const job = await this.jobs.find(id)
    return job && shown(job)
  }

  async list({ limit }: { limit: number }): Promise<readonly Job[]> {
    const [open, ended] = [await this.jobs.open(), await this.jobs.ended()]
    const jobs = new Map([...open, ...ended].map((job) => [job.id, job]))
    return [...jobs.values()]
      .sort((a, b) => b.submittedAt - a.submittedAt || (a.id < b.id ? 1 : -1))
      .slice(0, limit)
      .map(shown)
  }

  pause(id: string): Promise<Job> {
    return this.#control(id, (job) =>
      this.#watch.isRun(job) ? { ...job, wanted: 'paused' } : { ...job, state: 'paused' },
    )
  }

  resume(id: string): Promise<Job> {
    return this.#control(id, ({ wanted: _, ...job }) => (job.state === 'paused' ? { ...job, state: 'waiting' } : job))
  }

  async cancel(id: string): Promise<Job> {
    const job = await this.#control(id, (open) =>
      this.#watch.isRun(open)
        ? { ...open, wanted: 'cancelled' }
        : { ...withoutWanted(open), state: 'cancelled', endedAt: Date.now() },
    )
    if (job.endedAt !== undefined) await this.jobs.file(job)
    return job
  }

  async putSchedule(wanted: Omit<Schedule, 'nextAt'>): Promise<Schedule> {
    assertScheduleName(wanted.name)
    assertSubmission(wanted)
    const schedule = { ...wanted, nextAt: nextTime(wanted.timetable, Date.now()) }
    await this.jobs.putSchedule(schedule)
    return schedule
  }

  async removeSchedule(name: string): Promise<void> {
    if (!(await this.jobs.removeSchedule(name))) throw jobError('JOB_SCHEDULE_NOT_FOUND', { name: name.slice(0, 100) })
  }

  /** Jobs that have not ended. */
  async open(): Promise<StoredJob[]> {
    const open = await this.jobs.open()
    this.#watch.keepOnly(open)
    return open
  }

  /** Jobs that are left to do: nobody runs them, or nobody that is heard of any more. */
  async due(): Promise<StoredJob[]> {
    return (await this.open()).filter((job) => this.#isDue(job))
  }

  /**
   * The job as it is now this process' to run, or paused, or ended without a run; undefined where there is nothing to do. What
   * has ended is filed by now.
   */
  async takeUp(id: string): Promise<StoredJob | undefined> {
    const taken = await this.jobs.change(id, (job) => {
      if (job.endedAt !== undefined) return job
      if (!this.#isDue(job)) return undefined
      // What its last runner, now dead, had been told.
      if (job.wanted === 'cancelled') return { ...withoutWanted(job), state: 'cancelled', endedAt: Date.now() }
      if (job.wanted === 'paused') return { ...withoutWanted(job), state: 'paused' }
      const lease = { runner: this.runner, leaseUntil: Date.now() + this.#leaseMs }
      return { ...job, ...lease, state: 'running', startedAt: job.startedAt ?? Date.now() }
    })
    if (taken?.endedAt !== undefined) await this.jobs.file(taken)
    return taken
  }

  async #control(id: string, change: (job: StoredJob) => StoredJob): Promise<Job> {
    // A cancellation is final, also before the run has noticed it.
    const isOpen = ({ endedAt, wanted }: StoredJob) => endedAt === undefined && wanted !== 'cancelled'
    const changed = await this.jobs.change(id, (job) => (isOpen(job) ? change(job) : undefined))
    if (changed !== undefined) return shown(changed)
    const job = await this.jobs.find(id)
    if (job === undefined) throw jobError('JOB_NOT_FOUND', { id: id.slice(0, 100) })
    throw jobError('JOB_STATE_INVALID', { id, state: job.state })
  }

  #isDue(job: StoredJob): boolean {
    if (job.endedAt !== undefined) return true
    return job.state === 'waiting' || (job.state === 'running' && !this.#watch.isRun(job))
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
