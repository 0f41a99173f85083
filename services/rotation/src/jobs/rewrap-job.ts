import type { JobProgress, RewrapReport, RewrapRequest } from '@coffer/contracts'
import type { JobRun } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { type RewrapWatch, rewrap } from '../rewrap.ts'
import { JobTally } from './job-tally.ts'
import { patiently } from './patience.ts'
import { RateLimit } from './rate-limit.ts'

/** A rewrap as a job. What is done needs nothing: a run that is killed is followed by one that finds the rest. */
export async function runRewrap(
  mesh: Mesh,
  run: JobRun,
  { objectsPerSecond, ...request }: RewrapRequest & { readonly objectsPerSecond?: number | undefined },
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
    async step(act) {
      await rate.take(1, run.signal)
      tally.tellSometimes()
      return await patiently(act, tally, run.signal)
    },
    done: (objectCount) => tally.changed(objects(objectCount)),
    failed: (objectCount, what, code) => tally.failed(objects(objectCount), what, code),
  }
  try {
    const report = await rewrap(mesh, request, watch)
    return { ...report, ...tally.progress() }
  } finally {
    await tally.tellNow()
  }
}
