import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Job as BullJob, DelayedError, Queue, UnrecoverableError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { type RedisSettings, redisConnector } from '../bullmq/redis-connection.ts'
import { type JobData, jobOf, type StoredSchedule, scheduleOf } from '../bullmq/stored-job.ts'
import { jobError } from '../errors.ts'
import type { Job, JobHandler, JobQueue, JobRun, JobSubmission, Schedule, WorkOptions } from '../job-queue.ts'
import { assertSubmission, CONCURRENCY, ENDED_MAX } from '../limits.ts'
import { outcomeOf, type StopReason } from '../run-outcome.ts'
import { assertScheduleName, nextTime } from '../timetable.ts'

export interface BullQueueOptions {
  readonly redis: RedisSettings
  /** Name of the queue: stores that share a Redis have different ones. */
  readonly name: string
  /** How long a job stays with a process that is not heard of any more, milliseconds. */
  readonly takeoverMs?: number
}

const TAKEOVER_MS = 15_000
/** Attempts of a command before whoever waits for it is told that Redis is away. */
const RETRIES = 3
/** An answer that takes longer counts as none. */
const ANSWER_MS_MAX = 5_000
/** How often a run looks whether it is still wanted. */
const WANTED_POLL_MS = 500
/** A paused job is a delayed one whose time does not come. */
const PAUSED_MS = 100 * 365 * 24 * 3600 * 1000
/** Each kill of a process counts as a stall of its jobs; they are never given up for it. */
const STALLS_MAX = 1_000_000
const ENDED_STATES = ['completed', 'failed'] as const
const OPEN_STATES = ['active', 'waiting', 'prioritized', 'delayed'] as const
/** Attempts of a change that others make changes beside. */
const CONTROLS_MAX = 64
/**
 * KEYS[1]: the hash of a job; ARGV: its data as they were read, and as they are to be. 1: changed; 0: others were first;
 * -1: it has ended.
 */
const REPLACE_DATA = `
if redis.call('HEXISTS', KEYS[1], 'finishedOn') == 1 then return -1 end
if redis.call('HGET', KEYS[1], 'data') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'data', ARGV[2])
return 1`
const CHANGED = 1
const ENDED = -1
const KEEP = { removeOnComplete: { count: ENDED_MAX }, removeOnFail: { count: ENDED_MAX } }

/** Jobs in Redis (BullMQ): for a mesh, where several processes of the rotation service share the work. */
export class BullJobQueue implements JobQueue {
  readonly #connect: (retries: number | null) => Redis
  readonly #connections: Redis[] = []
  readonly #name: string
  readonly #takeoverMs: number
  readonly #redis: Redis
  readonly #queue: Queue<JobData>
  readonly #running = new Set<AbortController>()
  #worker: Worker<JobData> | undefined

  constructor(options: BullQueueOptions) {
    this.#connect = redisConnector(options.redis)
    this.#name = options.name
    this.#takeoverMs = options.takeoverMs ?? TAKEOVER_MS
    this.#redis = this.#connection(RETRIES)
    this.#queue = new Queue<JobData>(this.#name, { connection: this.#redis, defaultJobOptions: KEEP })
    // A lost connection is told to whoever calls next; without a listener it would end the process.
    this.#queue.on('error', () => undefined)
  }

  async submit({ kind, request, submittedBy }: JobSubmission): Promise<Job> {
    assertSubmission({ kind, request, submittedBy })
    const jobId = `${Date.now().toString(16).padStart(12, '0')}${randomBytes(6).toString('hex')}`
    const job = await reached(() => this.#queue.add(kind, { request, submittedBy }, { jobId }))
    return jobOf(job, 'waiting')
  }

  async find(id: string): Promise<Job | undefined> {
    const job = await reached(() => this.#queue.getJob(id))
    return job && jobOf(job, await reached(() => job.getState()))
  }

  async list({ limit }: { limit: number }): Promise<readonly Job[]> {
    const found = new Map<string, Job>()
    for (const state of [...OPEN_STATES, ...ENDED_STATES]) {
      for (const job of await reached(() => this.#queue.getJobs([state], 0, limit - 1, false))) {
        // The next job of a schedule waits in the queue from the beginning; until its time it is no job of ours.
        if (job === undefined || isOfTheFuture(job, state)) continue
        const described = jobOf(job, state)
        found.set(described.id, described)
      }
    }
    return [...found.values()].sort((a, b) => b.submittedAt - a.submittedAt || (a.id < b.id ? 1 : -1)).slice(0, limit)
  }

  pause(id: string): Promise<Job> {
    return this.#control(id, 'paused')
  }

  resume(id: string): Promise<Job> {
    return this.#control(id, undefined)
  }

  cancel(id: string): Promise<Job> {
    return this.#control(id, 'cancelled')
  }

  async putSchedule({ name, kind, request, submittedBy, timetable }: Omit<Schedule, 'nextAt'>): Promise<Schedule> {
    assertScheduleName(name)
    assertSubmission({ kind, request, submittedBy })
    const nextAt = nextTime(timetable, Date.now())
    const repeat =
      'cron' in timetable ? { pattern: timetable.cron, tz: 'UTC' } : { every: timetable.everyMs, startDate: nextAt }
    const data = { request, submittedBy, scheduleName: name }
    await reached(() => this.#queue.upsertJobScheduler(name, repeat, { name: kind, data, opts: KEEP }))
    return { name, kind, request, submittedBy, timetable, nextAt }
  }

  async listSchedules(): Promise<readonly Schedule[]> {
    const stored = await reached(() => this.#queue.getJobSchedulers())
    return stored.map((schedule) => scheduleOf(schedule as StoredSchedule)).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async removeSchedule(name: string): Promise<void> {
    const removed = await reached(() => this.#queue.removeJobScheduler(name))
    if (!removed) throw jobError('JOB_SCHEDULE_NOT_FOUND', { name: name.slice(0, 100) })
  }

  work(handler: JobHandler, { concurrency = CONCURRENCY }: WorkOptions = {}): void {
    if (this.#worker !== undefined) return
    this.#worker = new Worker<JobData>(this.#name, (job, token) => this.#run(job, token, handler), {
      // A worker blocks its connection, and waits for Redis as long as it takes.
      connection: this.#connection(null),
      concurrency,
      lockDuration: this.#takeoverMs,
      stalledInterval: this.#takeoverMs / 2,
      maxStalledCount: STALLS_MAX,
    })
    this.#worker.on('error', () => undefined)
  }

  async close(): Promise<void> {
    const closing = this.#worker?.close()
    for (const abort of this.#running) abort.abort('closing' satisfies StopReason)
    await closing
    await reached(() => this.#queue.close()).catch(() => undefined)
    this.disconnect()
  }

  /** Leaves Redis at once, without a word: what runs here is taken up by others later. */
  disconnect(): void {
    for (const connection of this.#connections) connection.disconnect()
  }

  #connection(retries: number | null): Redis {
    const connection = this.#connect(retries)
    connection.on('error', () => undefined)
    this.#connections.push(connection)
    return connection
  }

  async #run(job: BullJob<JobData>, token: string | undefined, handler: JobHandler) {
    const abort = new AbortController()
    this.#running.add(abort)
    const look = async () => {
      const wanted = (await this.#queue.getJob(job.id ?? ''))?.data.wanted
      if (wanted !== undefined) abort.abort(wanted)
    }
    await look()
    const timer = setInterval(() => void look().catch(() => undefined), WANTED_POLL_MS)
    const run: JobRun = {
      job: jobOf(job, 'active'),
      signal: abort.signal,
      tell: async (progress) => reached(() => job.updateProgress(progress as object)),
    }
    try {
      const outcome = abort.signal.aborted
        ? ({ kind: 'stopped', reason: abort.signal.reason as StopReason } as const)
        : await outcomeOf(handler, run)
      if (outcome.kind === 'completed') return { result: outcome.result }
      if (outcome.kind === 'failed') throw new UnrecoverableError(`${outcome.failure.code}: ${outcome.failure.message}`)
      if (outcome.reason === 'cancelled') return { cancelled: true }
      await job.moveToDelayed(Date.now() + (outcome.reason === 'paused' ? PAUSED_MS : 0), token)
      if (outcome.reason === 'paused') await this.#promoteUnlessPaused(job.id ?? '')
      throw new DelayedError()
    } finally {
      clearInterval(timer)
      this.#running.delete(abort)
    }
  }

  /**
   * What is wanted of a job is written into it: who runs it, or takes it up next, acts on it. It is compared with what was read,
   * so that of controls at once each sees what the one before it has done.
   */
  async #control(id: string, wanted: JobData['wanted']): Promise<Job> {
    for (let attempt = 1; attempt <= CONTROLS_MAX; attempt++) {
      const job = await reached(() => this.#queue.getJob(id))
      if (job === undefined) throw jobError('JOB_NOT_FOUND', { id: id.slice(0, 100) })
      const { wanted: before, ...data } = job.data
      const changed = wanted === undefined ? data : { ...data, wanted }
      const outcome = before === 'cancelled' ? ENDED : await this.#replaceData(id, job.data, changed)
      if (outcome === ENDED) throw jobError('JOB_STATE_INVALID', { id, state: await reached(() => job.getState()) })
      if (outcome === CHANGED) {
        if (wanted !== 'paused') await this.#promoteUnlessPaused(id)
        return (await this.find(id)) ?? jobOf(job, 'waiting')
      }
    }
    throw jobError('JOB_QUEUE_UNAVAILABLE', { id })
  }

  async #replaceData(id: string, before: JobData, after: JobData): Promise<unknown> {
    const values = [JSON.stringify(before), JSON.stringify(after)]
    return await reached(() => this.#redis.eval(REPLACE_DATA, 1, this.#queue.toKey(id), ...values))
  }

  /**
   * A job that rests goes on, or comes to its end. Asked by who changes what is wanted, after that, and by the run that lays the
   * job to rest, after that: so that one of them sees both.
   */
  async #promoteUnlessPaused(id: string): Promise<void> {
    const job = await reached(() => this.#queue.getJob(id))
    if (job === undefined || job.data.wanted === 'paused') return
    if ((await reached(() => job.getState())) === 'delayed') await reached(() => job.promote()).catch(() => undefined)
  }
}

function isOfTheFuture(job: BullJob<JobData>, state: string): boolean {
  return state === 'delayed' && job.data.scheduleName !== undefined && job.data.wanted === undefined
}

/** JOB_QUEUE_UNAVAILABLE for whatever Redis or the way to it refuses; its messages can hold a URL with a password. */
async function reached<T>(act: () => Promise<T>): Promise<T> {
  const cutOff = new AbortController()
  const { signal } = cutOff
  // BullMQ waits for its first connection without an end.
  const late = sleep(ANSWER_MS_MAX, undefined, { signal }).then(() => Promise.reject(new Error('no answer')))
  try {
    return await Promise.race([act(), late])
  } catch (error) {
    throw jobError('JOB_QUEUE_UNAVAILABLE', { reason: error instanceof Error ? error.name : 'unknown' })
  } finally {
    late.catch(() => undefined)
    cutOff.abort()
  }
}
