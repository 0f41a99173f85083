import type { JobProgress, RewrapReport, RewrapRequest } from '@coffer/contracts'
import type { JobRun } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { type RewrapWatch, rewrap } from '../rewrap.ts'
import type { RewrapBatchWorker } from '../rewrap-batch.ts'
import { BATCH_MAX } from '../rewrap-objects.ts'
import { JobTally } from './job-tally.ts'
import { patiently } from './patience.ts'
import { RateLimit } from './rate-limit.ts'

/** A rewrap as a job. What is done needs nothing: a run that is killed is followed by one that finds the rest. */
export async function runRewrap(
  mesh: Mesh,
  run: JobRun,
  { objectsPerSecond, ...request }: RewrapRequest & { readonly objectsPerSecond?: number | undefined },
  worker?: RewrapBatchWorker,
): Promise<RewrapReport & JobProgress> {
  const tally = new JobTally(run)
  const rate = new RateLimit(objectsPerSecond)
  let plannedCount = tally.progress().seen.objectCount
  const objects = (objectCount: number) => ({ objectCount, sizeBytes: 0 })
  const watch: RewrapWatch = {
    planned(objectCount) {
      plannedCount += objectCount
      tally.planned(objects(plannedCount))
    },
    stepMax: objectsPerSecond === undefined ? BATCH_MAX : stepAt(objectsPerSecond),
    async step(objectCount, act) {
      await rate.take(objectCount, run.signal)
      tally.tellSometimes()
      return await patiently(act, tally, run.signal)
    },
    done: (objectCount) => tally.changed(objects(objectCount)),
    failed: (objectCount, what, code) => tally.failed(objects(objectCount), what, code),
  }
  try {
    const report = await rewrap(mesh, request, { watch, worker })
    return { ...report, ...tally.progress() }
  } finally {
    await tally.tellNow()
  }
}

/** Eight steps a second, so that a pause and the limit itself are felt at once. */
function stepAt(objectsPerSecond: number): number {
  return Math.max(1, Math.min(BATCH_MAX, Math.floor(objectsPerSecond / 8)))
}
