import { setTimeout as sleep } from 'node:timers/promises'
import { type Job as BullJob, Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { adoptAll, adoptJob } from '../bullmq/adopt.ts'
import { type RedisSettings, redisConnector } from '../bullmq/redis-connection.ts'
import { dueAtOf, reached, type StoredScheduler, stampOf, type Ticket } from '../bullmq/tickets.ts'
import type { Job, JobHandler, JobQueue, JobSubmission, Schedule, WorkOptions } from '../job-queue.ts'
import { CONCURRENCY } from '../limits.ts'
import { JobLedger } from '../records/job-ledger.ts'
import type { JobRecords, StoredJob } from '../records/job-records.ts'
import { LeasedRun } from '../records/leased-run.ts'
import { nextTime } from '../timetable.ts'

export interface BullQueueOptions {
  readonly redis: RedisSettings
  /** Name of the queue: stores that share a Redis have different ones. */
  readonly name: string
  /** Where the jobs themselves are. */
  readonly records: JobRecords
  /** How long a job stays with a process that is not heard of any more, milliseconds. */
  readonly takeoverMs?: number
  /** How often it is seen to that Redis knows of every job, milliseconds. */
  readonly restoreMs?: number
}

const TAKEOVER_MS = 15_000
const RESTORE_MS = 5_000
/** Renewals within the time of a lease. */
const BEATS = 10
/** Attempts of a command before whoever waits for it is told that Redis is away. */
const RETRIES = 3
/** Each kill of a process counts as a stall of its jobs; they are never given up for it. */
const STALLS_MAX = 1_000_000
const OPEN_STATES = ['active', 'waiting', 'prioritized', 'delayed'] as const
const KIND = 'job'
/** What is restored later anyway is not waited for long. */
const OFFER_MS_MAX = 1_000
const OPTIONS = { removeOnComplete: true, removeOnFail: true }

/**
 * Jobs for a mesh, where several processes of the rotation service share the work: BullMQ on Redis says when and where a job is
 * taken up, and the metadata store holds what it is, where it is and how it ended. So a Redis that is lost, emptied or set back
 * costs no job and no schedule: what it does not know of is given to it again.
 */
export class BullJobQueue implements JobQueue {
  readonly #connect: (retries: number | null) => Redis
  readonly #connections: Redis[] = []
  readonly #name: string
  readonly #takeoverMs: number
  readonly #restoreMs: number
  readonly #queue: Queue<Ticket>
  readonly #ledger: JobLedger
  readonly #runs = new Set<LeasedRun>()
  readonly #closing = new AbortController()
  #worker: Worker<Ticket> | undefined
  #restoring: Promise<void> | undefined

  constructor(options: BullQueueOptions) {
    this.#connect = redisConnector(options.redis)
    this.#name = options.name
    this.#takeoverMs = options.takeoverMs ?? TAKEOVER_MS
    this.#restoreMs = options.restoreMs ?? RESTORE_MS
    this.#ledger = new JobLedger(options.records, this.#takeoverMs, 'own')
    this.#queue = new Queue<Ticket>(this.#name, { connection: this.#connection(RETRIES), defaultJobOptions: OPTIONS })
    // A lost connection is told to whoever calls next; without a listener it would end the process.
    this.#queue.on('error', () => undefined)
  }

  /** JOB_QUEUE_UNAVAILABLE: Redis cannot be reached now, or does not let us in. */
  async assertReachable(): Promise<void> {
    await reached(() => this.#queue.getJobCountByTypes(...OPEN_STATES))
  }

  async submit(submission: JobSubmission): Promise<Job> {
    const job = await this.#ledger.submit(submission)
    await this.#offer(job.id)
    return job
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

  async resume(id: string): Promise<Job> {
    const job = await this.#ledger.resume(id)
    if (job.state === 'waiting') await this.#offer(id)
    return job
  }

  cancel(id: string): Promise<Job> {
    return this.#ledger.cancel(id)
  }

  async putSchedule(wanted: Omit<Schedule, 'nextAt'>): Promise<Schedule> {
    const schedule = await this.#ledger.putSchedule(wanted)
    await this.#plan(schedule).catch(() => undefined)
    return schedule
  }

  listSchedules(): Promise<readonly Schedule[]> {
    return this.#ledger.jobs.schedules()
  }

  async removeSchedule(name: string): Promise<void> {
    await this.#ledger.removeSchedule(name)
    // What is left of it in Redis removes itself when it is due.
    await reached(() => this.#queue.removeJobScheduler(name)).catch(() => undefined)
  }

  work(handler: JobHandler, { concurrency = CONCURRENCY }: WorkOptions = {}): void {
    if (this.#worker !== undefined) return
    this.#worker = new Worker<Ticket>(this.#name, (ticket) => this.#run(ticket, handler), {
      // A worker blocks its connection, and waits for Redis as long as it takes.
      connection: this.#connection(null),
      concurrency,
      lockDuration: this.#takeoverMs,
      stalledInterval: this.#takeoverMs / 2,
      maxStalledCount: STALLS_MAX,
    })
    this.#worker.on('error', () => undefined)
    this.#restoring = this.#keepRestoring()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    const closing = this.#worker?.close()
    for (const run of this.#runs) run.stop('closing')
    await closing
    await this.#restoring
    await reached(() => this.#queue.close()).catch(() => undefined)
    this.disconnect()
  }

  /** Leaves Redis at once, without a word: what runs here is taken up by others later. */
  disconnect(): void {
    this.#closing.abort()
    for (const connection of this.#connections) connection.disconnect()
  }

  #connection(retries: number | null): Redis {
    const connection = this.#connect(retries)
    connection.on('error', () => undefined)
    this.#connections.push(connection)
    return connection
  }

  /** A job that Redis is not told of now is offered to it again by whoever works. */
  async #offer(id: string): Promise<void> {
    await reached(() => this.#queue.add(KIND, { id }), OFFER_MS_MAX).catch(() => undefined)
  }

  async #plan(schedule: Schedule): Promise<void> {
    const { name, timetable, nextAt } = schedule
    const repeat =
      'cron' in timetable ? { pattern: timetable.cron, tz: 'UTC' } : { every: timetable.everyMs, startDate: nextAt }
    const data = { scheduleName: name, stamp: stampOf(schedule) }
    await reached(() => this.#queue.upsertJobScheduler(name, repeat, { name: KIND, data, opts: OPTIONS }))
  }

  /** A ticket may be one of several for a job, or too late: the record of the job decides. */
  async #run(ticket: BullJob<Ticket>, handler: JobHandler): Promise<void> {
    const id = await this.#jobOf(ticket)
    const job = id === undefined ? undefined : await this.#ledger.takeUp(id)
    if (job?.state === 'running') await this.#runHere(job, handler)
    const after = id === undefined ? undefined : await this.#ledger.jobs.find(id)
    // Stopped here because this process ends. One that another runs, who is perhaps not heard of any more, is restored once that is
    // known. No ticket says when: tickets go by the clock of who wrote them.
    if (after?.state === 'waiting') await this.#offer(after.id)
  }

  async #runHere(job: StoredJob, handler: JobHandler): Promise<void> {
    const run = new LeasedRun(this.#ledger.jobs, job, {
      runner: this.#ledger.runner,
      leaseMs: this.#takeoverMs,
      beatMs: this.#takeoverMs / BEATS,
    })
    this.#runs.add(run)
    if (this.#closing.signal.aborted) run.stop('closing')
    await run.run(handler).finally(() => this.#runs.delete(run))
  }

  /** The job that a ticket is for; undefined: none any more. */
  async #jobOf(ticket: BullJob<Ticket>): Promise<string | undefined> {
    const { id, scheduleName: name, stamp, request } = ticket.data
    if (id !== undefined) return id
    if (request !== undefined && stamp === undefined) return await adoptJob(ticket, this.#ledger.jobs)
    const schedule = (await this.#ledger.jobs.schedules()).find((one) => one.name === name)
    if (schedule !== undefined) return await this.#due(schedule, dueAtOf(ticket))
    await reached(() => this.#queue.removeJobScheduler(name ?? ''))
    return undefined
  }

  async #due(schedule: Schedule, dueAt: number): Promise<string> {
    const id = await this.#ledger.submitScheduled(schedule, dueAt)
    const next = (await reached(() => this.#queue.getJobScheduler(schedule.name)))?.next
    await this.#ledger.jobs.advance(schedule, next ?? nextTime(schedule.timetable, Date.now()))
    return id
  }

  async #keepRestoring(): Promise<void> {
    const { signal } = this.#closing
    let isAdopted = false
    while (!signal.aborted) {
      try {
        if (!isAdopted) await adoptAll(this.#queue, this.#ledger.jobs)
        isAdopted = true
        await this.#restore()
      } catch {
        // A Redis or a store that is away: it is tried again.
      }
      await sleep(this.#restoreMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** Gives Redis what it does not know of. */
  async #restore(): Promise<void> {
    const due = await this.#ledger.due()
    if (due.length > 0) {
      const tickets = await reached(() => this.#queue.getJobs([...OPEN_STATES]))
      const known = new Set(tickets.map((ticket) => ticket?.data.id ?? ticket?.id))
      for (const { id } of due) if (!known.has(id)) await reached(() => this.#queue.add(KIND, { id }))
    }
    for (const schedule of await this.#ledger.jobs.schedules()) await this.#restoreSchedule(schedule)
  }

  async #restoreSchedule(schedule: Schedule): Promise<void> {
    const { name, timetable, nextAt } = schedule
    const stored = (await reached(() => this.#queue.getJobScheduler(name))) as StoredScheduler | undefined
    if (stored?.template?.data?.stamp === stampOf(schedule)) return
    const now = Date.now()
    if (nextAt > now) return await this.#plan(schedule)
    // Its time was while Redis did not know of it.
    await this.#ledger.submitScheduled(schedule, nextAt)
    const next = { ...schedule, nextAt: nextTime(timetable, now) }
    await this.#ledger.jobs.advance(schedule, next.nextAt)
    await this.#plan(next)
  }
}
