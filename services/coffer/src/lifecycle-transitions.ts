import type { Job } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'

const KIND = 'transition'
/** The newest. */
const JOBS_LOOKED_AT = 100

/** Has what lifecycle rules have due for another storage class moved, unless a job is at it or waits. Returns that job. */
export async function haveTransitionsMade(mesh: Mesh): Promise<Job> {
  const rotation = mesh.use('rotation')
  const jobs = await rotation.listJobs({ limit: JOBS_LOOKED_AT })
  const underWay = jobs.find(({ kind, endedAt }) => kind === KIND && endedAt === undefined)
  return underWay ?? (await rotation.submitJob({ kind: KIND, request: {}, submittedBy: 'lifecycle rules' }))
}
