import { setTimeout as sleep } from 'node:timers/promises'

/** What a process says of itself to whoever starts, stops and sends requests to it. */
export interface HealthReport {
  readonly ready: boolean
  /** What is not as it should be: `starting`, `stopping`, or the names of services that do not answer. */
  readonly waitingFor: readonly string[]
}

export type HealthCheck = () => Promise<readonly string[]>

const CHECK_TIMEOUT_MS = 2_000
/** However often it is asked, what stands behind is asked no more than once in this time. */
const REPORT_AGE_MS_MAX = 1_000

/**
 * Whether a process can do its work: not before it has started, not once it stops, and otherwise as its check says, which asks
 * what the process stands on. A check that does not answer is an answer.
 */
export class Health {
  #state: 'starting' | 'running' | 'stopping' = 'starting'
  #check: HealthCheck = async () => []
  #last: { readonly atMs: number; readonly report: Promise<HealthReport> } | undefined

  running(check: HealthCheck): void {
    this.#state = 'running'
    this.#check = check
  }

  stopping(): void {
    this.#state = 'stopping'
  }

  report(): Promise<HealthReport> {
    if (this.#state !== 'running') return Promise.resolve({ ready: false, waitingFor: [this.#state] })
    const now = performance.now()
    if (this.#last === undefined || now - this.#last.atMs > REPORT_AGE_MS_MAX) {
      this.#last = { atMs: now, report: this.#ask() }
    }
    return this.#last.report
  }

  async #ask(): Promise<HealthReport> {
    const timeout = sleep(CHECK_TIMEOUT_MS, ['an answer in time'], { ref: false })
    const waitingFor = await Promise.race([this.#check().catch(() => ['an answer']), timeout])
    return { ready: waitingFor.length === 0, waitingFor }
  }
}
