import type { LifecyclePosition, LifecycleReport, LifecycleStep } from '@coffer/contracts'
import type { Logger, Mesh } from '@coffer/mesh'
import { haveTransitionsMade } from './lifecycle-transitions.ts'

/** Where a pass is, kept in the metadata store's table `jobs`, so that a restart goes on with it. Holds nothing secret. */
const RECORD_ID = 'lifecycle'
const FORMAT = 1
const DAY_MS = 86_400_000
/** How long steps may follow one another before other housekeeping has its turn. */
const TURN_MS = 20_000
/** Between two writes of the position: a step is made again rather than written down each time. */
const KEEP_EVERY_MS = 2_000
/** Of one turn, in the log. */
const FAILURES_TOLD_MAX = 20

/** Told once a day: nothing is applied unasked until tomorrow. */
const PASS_ENDED = 'the lifecycle rules of today are applied'

interface Pass {
  readonly format: typeof FORMAT
  readonly startedAt: number
  /** Absent: the pass has ended. */
  readonly position?: LifecyclePosition
  readonly hasEnded: boolean
}

/**
 * Applies the lifecycle rules of all buckets once a day: everything falls due at midnight in UTC (S3 User Guide, "Setting lifecycle
 * configuration"). Two processes that do so at once harm nothing.
 */
export class LifecyclePasses {
  readonly #mesh: Mesh
  readonly #logger: Logger
  readonly #now: () => number

  constructor(mesh: Mesh, logger: Logger, now: () => number = Date.now) {
    this.#mesh = mesh
    this.#logger = logger
    this.#now = now
  }

  /** Goes on with the pass of today, or begins it, for one turn. Never rejects. */
  async turn(isStopped: () => boolean): Promise<void> {
    try {
      const pass = await this.#find()
      const startsNew = pass === undefined || (pass.hasEnded && dayOf(pass.startedAt) < dayOf(this.#now()))
      if (startsNew) await this.#run({ format: FORMAT, startedAt: this.#now(), hasEnded: false }, isStopped)
      else if (!pass.hasEnded) await this.#run(pass, isStopped)
    } catch (error) {
      this.#logger.warn({ err: error }, 'lifecycle rules could not be applied; they will be in a minute')
    }
  }

  async #run(pass: Pass, isStopped: () => boolean): Promise<void> {
    const endAt = this.#now() + TURN_MS
    let keptAt = this.#now()
    let position = pass.position
    let areTransitionsAsked = false
    for (;;) {
      const step: LifecycleStep = await this.#mesh.use('rotation').applyLifecycle(position ? { position } : {})
      this.#tell(step.report)
      if (step.report.transitionsDue > 0 && !areTransitionsAsked) {
        areTransitionsAsked = true
        await haveTransitionsMade(this.#mesh)
      }
      if (step.next === undefined) {
        await this.#keep({ format: FORMAT, startedAt: pass.startedAt, hasEnded: true })
        return this.#logger.info(PASS_ENDED)
      }
      position = step.next
      const isOver = isStopped() || this.#now() >= endAt
      if (isOver || this.#now() - keptAt >= KEEP_EVERY_MS) {
        await this.#keep({ ...pass, position: atKeyBoundary(position) })
        keptAt = this.#now()
      }
      if (isOver) return
    }
  }

  #tell({ versionsSeen: _, failures, ...counts }: LifecycleReport): void {
    const { locked: __, ...done } = counts
    if (Object.values(done).some((count) => count > 0)) this.#logger.info(counts, 'lifecycle rules applied')
    for (const { what, code } of failures.slice(0, FAILURES_TOLD_MAX)) {
      this.#logger.error({ what, code }, 'a lifecycle rule could not be applied')
    }
  }

  async #find(): Promise<Pass | undefined> {
    const record = await this.#mesh.use('metadata').findRecord('jobs', RECORD_ID)
    if (record === undefined) return undefined
    const pass = JSON.parse(Buffer.from(record.value).toString()) as Pass
    return pass.format === FORMAT ? pass : undefined
  }

  async #keep(pass: Pass): Promise<void> {
    await this.#mesh.use('metadata').putRecord('jobs', RECORD_ID, Buffer.from(JSON.stringify(pass)))
  }
}

/** What is known of a key half seen is old when the walk goes on: it begins with that key anew. */
function atKeyBoundary(position: LifecyclePosition): LifecyclePosition {
  const { within, ...bucket } = position
  if (within?.kind !== 'versions') return position
  const { inKey: _, ...place } = within
  return { ...bucket, within: place }
}

function dayOf(atMs: number): number {
  return Math.floor(atMs / DAY_MS)
}
