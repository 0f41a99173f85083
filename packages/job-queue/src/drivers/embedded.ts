import type { Job, JobHandler, JobQueue, JobSubmission, Schedule, WorkOptions } from '../job-queue.ts'
import { CONCURRENCY } from '../limits.ts'
import { JobLedger } from '../records/job-ledger.ts'
import type { JobRecords, StoredJob } from '../records/job-records.ts'
import type { LeaseClock } from '../records/lease-watch.ts'
import { LeasedRun } from '../records/leased-run.ts'
import { nextTime } from '../timetable.ts'

export type { JobRecords } from '../records/job-records.ts'

export interface EmbeddedQueueOptions {
  readonly records: JobRecords
  /** How long a job stays with a process that is not heard of any more, milliseconds. */
  readonly takeoverMs?: number
  /** Whose clocks leases go by. Default: `own`, right for any number of machines. */
  readonly clock?: LeaseClock
  /** How often it is looked for work, milliseconds. */
  readonly pollMs?: number
}

const TAKEOVER_MS = 10_000
const POLL_MS = 500
/** Renewals within the time of a lease. */
const BEATS = 10

/** Jobs in the metadata store: each process looks there for work. */
export class EmbeddedJobQueue implements JobQueue {
  readonly #ledger: JobLedger
  readonly #takeoverMs: number
  readonly #pollMs: number
  readonly #runs = new Map<LeasedRun, Promise<void>>()
  #isClosed = false
  #polling: Promise<void> | undefined
  #wake: () => void = () => undefined

  constructor(options: EmbeddedQueueOptions) {
    this.#takeoverMs = options.takeoverMs ?? TAKEOVER_MS
    this.#pollMs = options.pollMs ?? POLL_MS
    this.#ledger = new JobLedger(options.records, this.#takeoverMs, options.clock ?? 'own')
  }

  submit(submission: JobSubmission): Promise<Job> {
    return this.#ledger.submit(submission)
  }

  find(id: string): Promise<Job | undefined> {
    return this.#ledger.find(id)
  }

  list(query: { limit: number }): Promise<readonly Job[]> {
    return this.#ledger.list(query)
  }

  pause(id: string): Promise<Job> {
    return this.#ledger.pause(id)
  }

  resume(id: string): Promise<Job> {
    return this.#ledger.resume(id)
  }

  cancel(id: string): Promise<Job> {
    return this.#ledger.cancel(id)
  }

  putSchedule(wanted: Omit<Schedule, 'nextAt'>): Promise<Schedule> {
    return this.#ledger.putSchedule(wanted)
  }

  listSchedules(): Promise<readonly Schedule[]> {
    return this.#ledger.jobs.schedules()
  }

  removeSchedule(name: string): Promise<void> {
    return this.#ledger.removeSchedule(name)
  }

  /** Whether `work` would find something to do now, so that nobody need wait with a process of its own. */
  async hasWork(): Promise<boolean> {
    const now = Date.now()
    if ((await this.#ledger.jobs.schedules()).some(({ nextAt }) => nextAt <= now)) return true
    return (await this.#ledger.due()).length > 0
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
    for (const { id } of await this.#ledger.open()) {
      if (this.#isClosed || this.#runs.size >= concurrency) return
      if ([...this.#runs.keys()].some((run) => run.job.id === id)) continue
      const job = await this.#ledger.takeUp(id)
      if (job?.state === 'running') this.#start(job, handler)
    }
  }

  async #submitScheduled(): Promise<void> {
    const now = Date.now()
    for (const schedule of await this.#ledger.jobs.schedules()) {
      if (schedule.nextAt > now) continue
      await this.#ledger.submitScheduled(schedule, schedule.nextAt)
      await this.#ledger.jobs.advance(schedule, nextTime(schedule.timetable, now))
    }
  }

  #start(job: StoredJob, handler: JobHandler): void {
    const run = new LeasedRun(this.#ledger.jobs, job, {
      runner: this.#ledger.runner,
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
}
