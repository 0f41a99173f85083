import type { JobProgress, Tally } from '@coffer/contracts'
import type { JobRun, JsonObject } from '@coffer/job-queue'
import { rotationError } from '../errors.ts'

const TELL_EVERY_MS = 1_000
/** Failures that a report names. */
const NAMED_FAILURES_MAX = 100
/** So many without a success between them: nothing works any more, and the job had better end. */
const FAILURES_IN_A_ROW_MAX = 1_000
const NOTHING: Tally = { objectCount: 0, sizeBytes: 0 }

/** Counts what a job does, from where its last run ended, and tells of it once a second. */
export class JobTally {
  readonly #run: JobRun
  readonly #startedAtMs = performance.now()
  readonly #earlierMs: number
  readonly #failures: { what: string; code: string; reason?: string }[]
  #seen: Tally
  #total: Tally
  #changed: Tally
  #skippedCount: number
  #failedCount: number
  #failedInARow = 0
  #waitingFor: string | undefined
  #checkpoint: JsonObject | undefined
  #telling: Promise<void> | undefined
  #toldAtMs = 0

  constructor(run: JobRun) {
    this.#run = run
    const { checkpoint, ...earlier } = (run.job.progress ?? {}) as Partial<JobProgress> & { checkpoint?: JsonObject }
    this.#earlierMs = earlier.runMs ?? 0
    this.#seen = earlier.seen ?? NOTHING
    this.#total = earlier.total ?? NOTHING
    this.#changed = earlier.changed ?? NOTHING
    this.#skippedCount = earlier.skippedCount ?? 0
    this.#failedCount = earlier.failedCount ?? 0
    this.#failures = [...(earlier.failures ?? [])]
    this.#checkpoint = checkpoint
  }

  /** Where the last run ended, and this one goes on. */
  get checkpoint(): JsonObject | undefined {
    return this.#checkpoint
  }

  planned(total: Tally): void {
    this.#total = total
  }

  changed(size: Tally): void {
    this.#seen = sum(this.#seen, size)
    this.#changed = sum(this.#changed, size)
    this.#failedInARow = 0
  }

  skipped(size: Tally): void {
    this.#seen = sum(this.#seen, size)
    this.#skippedCount += 1
  }

  /** ROTATION_TOO_MANY_FAILURES. */
  failed(size: Tally, what: string, code: string, reason?: string): void {
    this.#seen = sum(this.#seen, size)
    this.#failedCount += 1
    this.#failedInARow += 1
    if (this.#failures.length < NAMED_FAILURES_MAX)
      this.#failures.push({ what, code, ...(reason !== undefined && { reason }) })
    if (this.#failedInARow > FAILURES_IN_A_ROW_MAX) throw rotationError('ROTATION_TOO_MANY_FAILURES', { what, code })
  }

  waiting(code: string | undefined): void {
    this.#waitingFor = code
  }

  /** All before this is done, and need not be looked at again. */
  reached(checkpoint: JsonObject): void {
    this.#checkpoint = checkpoint
  }

  /** Tells how far the job is, unless it has just been told. Returns at once. */
  tellSometimes(): void {
    if (this.#telling !== undefined || performance.now() - this.#toldAtMs < TELL_EVERY_MS) return
    this.#telling = this.#tell()
      // A store that is away is no reason to end: what matters fails by itself.
      .catch(() => undefined)
      .finally(() => {
        this.#telling = undefined
      })
  }

  /** The last word of a run: whatever it comes to, the next goes on from here. */
  async tellNow(): Promise<void> {
    await this.#telling
    await this.#tell()
  }

  progress(): JobProgress {
    return {
      seen: this.#seen,
      total: this.#total,
      changed: this.#changed,
      skippedCount: this.#skippedCount,
      failedCount: this.#failedCount,
      failures: [...this.#failures],
      runMs: Math.round(this.#earlierMs + performance.now() - this.#startedAtMs),
      ...(this.#waitingFor !== undefined && { waitingFor: this.#waitingFor }),
    }
  }

  async #tell(): Promise<void> {
    this.#toldAtMs = performance.now()
    await this.#run.tell({ ...this.progress(), ...(this.#checkpoint && { checkpoint: this.#checkpoint }) })
  }
}

function sum(a: Tally, b: Tally): Tally {
  return { objectCount: a.objectCount + b.objectCount, sizeBytes: a.sizeBytes + b.sizeBytes }
}
