import type { JobHandler, JobRun, JsonObject } from '@coffer/job-queue'
import { Counter, Gauge, type Registry } from 'prom-client'

/** What jobs do in this process, by kind. */
export class JobMetrics {
  readonly #running: Gauge<'kind'>
  readonly #ended: Counter<'kind' | 'outcome'>
  readonly #units: Counter<'kind' | 'outcome'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#running = new Gauge({ name: 'coffer_jobs_running', help: 'Jobs under way.', labelNames: ['kind'], registers })
    this.#ended = new Counter({
      name: 'coffer_job_runs_total',
      help: 'Runs of jobs that have ended: ok, failed, or stopped (paused, cancelled, taken over).',
      labelNames: ['kind', 'outcome'],
      registers,
    })
    this.#units = new Counter({
      name: 'coffer_job_units_total',
      help: 'Object versions that jobs have changed, and those that they could not.',
      labelNames: ['kind', 'outcome'],
      registers,
    })
  }

  /** A handler of jobs that are counted. */
  counting(handle: JobHandler): JobHandler {
    return async (run) => {
      const { kind } = run.job
      this.#running.inc({ kind })
      const units = this.#followUnits(run)
      try {
        const result = await handle({ job: run.job, signal: run.signal, tell: units.tell })
        units.count(result)
        this.#ended.inc({ kind, outcome: 'ok' })
        return result
      } catch (error) {
        this.#ended.inc({ kind, outcome: run.signal.aborted ? 'stopped' : 'failed' })
        throw error
      } finally {
        this.#running.dec({ kind })
      }
    }
  }

  /** What a run tells is counted from the job's beginning, over all its runs. */
  #followUnits(run: JobRun) {
    const { kind } = run.job
    let told = unitsOf(run.job.progress)
    const count = (progress: JsonObject) => {
      const now = unitsOf(progress)
      if (now.changed > told.changed) this.#units.inc({ kind, outcome: 'changed' }, now.changed - told.changed)
      if (now.failed > told.failed) this.#units.inc({ kind, outcome: 'failed' }, now.failed - told.failed)
      told = { changed: Math.max(now.changed, told.changed), failed: Math.max(now.failed, told.failed) }
    }
    const tell = async (progress: JsonObject) => {
      count(progress)
      await run.tell(progress)
    }
    return { count, tell }
  }
}

function unitsOf(progress: JsonObject | undefined): { changed: number; failed: number } {
  const { changed, failedCount } = (progress ?? {}) as {
    readonly changed?: { readonly objectCount?: unknown }
    readonly failedCount?: unknown
  }
  return { changed: countOf(changed?.objectCount), failed: countOf(failedCount) }
}

function countOf(value: unknown): number {
  return typeof value === 'number' && value >= 0 ? value : 0
}
