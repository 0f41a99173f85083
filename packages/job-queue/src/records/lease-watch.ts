import type { StoredJob } from './job-records.ts'

/** `shared`: who runs jobs here are processes of one machine, and go by its clock. `own`: no two clocks are compared. */
export type LeaseClock = 'shared' | 'own'

/** Of a lease that is not renewed, how much of its time who waits lets pass: he has seen the last renewal somewhat late. */
const WAIT_SHARE = 0.8
/** Looks further apart than this tell nothing of the time between them. */
const GAP_SHARE = 0.5

/**
 * Whether somebody runs a job. Who runs it renews its lease again and again, which changes its record. Between machines a lease that
 * is seen unchanged for its whole time, on the monotonic clock of who looks, is nobody's any more: a clock that is wrong, here or
 * there, makes no difference. On one machine the time in the record is enough, and who has just started need not wait.
 */
export class LeaseWatch {
  readonly #leaseMs: number
  readonly #clock: LeaseClock
  /** The lease of a running job as it was seen last, and since when. */
  readonly #seen = new Map<string, { readonly lease: string; readonly sinceMs: number; readonly lookedAtMs: number }>()

  constructor(leaseMs: number, clock: LeaseClock) {
    this.#leaseMs = leaseMs
    this.#clock = clock
  }

  isRun({ id, state, runner, leaseUntil }: StoredJob): boolean {
    if (state !== 'running' || leaseUntil === undefined) return false
    if (this.#clock === 'shared') return leaseUntil > Date.now()
    const lease = `${runner} ${leaseUntil}`
    const nowMs = performance.now()
    const seen = this.#seen.get(id)
    // Who has not looked for long was stopped, and perhaps with him the other, who has to have his turn first.
    const isSame = seen?.lease === lease && nowMs - seen.lookedAtMs < this.#leaseMs * GAP_SHARE
    const sinceMs = isSame ? seen.sinceMs : nowMs
    this.#seen.set(id, { lease, sinceMs, lookedAtMs: nowMs })
    return nowMs - sinceMs < this.#leaseMs * WAIT_SHARE
  }

  /** What is not among these is watched no more. */
  keepOnly(jobs: readonly StoredJob[]): void {
    const ids = new Set(jobs.map(({ id }) => id))
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id)
  }
}
