import type { Job, JobHandler, JobRun, JsonObject } from '../job-queue.ts'
import { outcomeOf, type RunOutcome, type StopReason } from '../run-outcome.ts'
import type { StoredJob, StoredJobs } from './job-records.ts'

export interface RunnerIdentity {
  readonly runner: string
  readonly leaseMs: number
  readonly beatMs: number
}

/** A run under a lease: it is renewed while the run goes on, and each time tells whether the run is wanted any longer. */
export class LeasedRun implements JobRun {
  readonly job: Job
  readonly #jobs: StoredJobs
  readonly #identity: RunnerIdentity
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout
  #beat: Promise<void> = Promise.resolve()

  constructor(jobs: StoredJobs, job: StoredJob, identity: RunnerIdentity) {
    this.job = job
    this.#jobs = jobs
    this.#identity = identity
    this.#timer = setInterval(() => {
      this.#beat = this.#beat.then(() => this.#renew()).catch(() => undefined)
    }, identity.beatMs)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  readonly tell = async (progress: JsonObject): Promise<void> => {
    await this.#change((job) => ({ ...job, progress, leaseUntil: this.#leaseUntil() }))
  }

  stop(reason: StopReason): void {
    this.#abort.abort(reason)
  }

  /** Runs to the end and writes down how it ended. */
  async run(handler: JobHandler): Promise<void> {
    const outcome = await outcomeOf(handler, this)
    clearInterval(this.#timer)
    await this.#beat
    const ended = await this.#change((job) => withoutRunner(concluded(job, outcome)))
    if (ended?.endedAt !== undefined) await this.#jobs.file(ended)
  }

  async #renew(): Promise<void> {
    const job = await this.#change((mine) => ({ ...mine, leaseUntil: this.#leaseUntil() }))
    if (job?.wanted !== undefined) this.stop(job.wanted)
  }

  async #change(change: (job: StoredJob) => StoredJob): Promise<StoredJob | undefined> {
    const changed = await this.#jobs.change(this.job.id, (job) =>
      job.runner === this.#identity.runner ? change(job) : undefined,
    )
    // Taken up by another: the lease ran out, of a process that was stopped for long.
    if (changed === undefined) this.stop('taken-over')
    return changed
  }

  #leaseUntil(): number {
    return Date.now() + this.#identity.leaseMs
  }
}

/** What is wanted of the job by now counts, not what the run was told when it stopped. */
function concluded({ wanted, ...job }: StoredJob, outcome: RunOutcome): StoredJob {
  if (outcome.kind === 'completed') return { ...job, state: 'completed', result: outcome.result, endedAt: Date.now() }
  if (outcome.kind === 'failed') return { ...job, state: 'failed', failure: outcome.failure, endedAt: Date.now() }
  if (wanted === 'cancelled') return { ...job, state: 'cancelled', endedAt: Date.now() }
  return { ...job, state: wanted === 'paused' ? 'paused' : 'waiting' }
}

function withoutRunner({ runner: _, leaseUntil: __, ...job }: StoredJob): StoredJob {
  return job
}
