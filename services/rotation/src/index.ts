import type { PlacedBlobStore } from '@coffer/blob-store'
import type { RotationService } from '@coffer/contracts'
import type { JobQueue } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { queuedJobs } from './jobs/queued-jobs.ts'
import { keyUse } from './key-use.ts'
import { Lifecycle } from './lifecycle/lifecycle.ts'
import { olderKeyUse } from './older-key-use.ts'
import { rewrap } from './rewrap.ts'
import type { RewrapBatchWorker } from './rewrap-batch.ts'
import { removeGarbage, scrub } from './scrub.ts'

export { ROTATION_ERRORS } from './errors.ts'
export { type AdoptionOptions, createJobHandler, type JobHandlerOptions } from './jobs/job-handler.ts'
export { type RewrapBatchWorker, rewrapBatchWorker } from './rewrap-batch.ts'

export interface RotationServiceOptions {
  readonly mesh: Mesh
  readonly blobs: PlacedBlobStore
  /** Where jobs are put; who runs them is another matter. */
  readonly queue: JobQueue
  readonly now?: () => number
  /** Who does the objects of a rewrap that is no job; by default this process. */
  readonly rewrapBatch?: RewrapBatchWorker | undefined
}

/** Background work over the mesh's metadata and this process's blob store. */
export function createRotationService({
  mesh,
  blobs,
  queue,
  now,
  rewrapBatch,
}: RotationServiceOptions): RotationService {
  const lifecycle = new Lifecycle(mesh, now ?? Date.now)
  return {
    applyLifecycle: (request) => lifecycle.step(request),
    ...queuedJobs(queue),
    scrub: (request) => scrub(mesh.use('metadata'), blobs, request),
    removeGarbage: () => removeGarbage(mesh.use('metadata'), blobs),
    keyUse: (keyName) => keyUse(mesh, keyName),
    olderKeyUse: () => olderKeyUse(mesh),
    rewrap: (request) => rewrap(mesh, request, { worker: rewrapBatch }),
  }
}

const METHODS = [
  'applyLifecycle',
  'cancelJob',
  'findJob',
  'keyUse',
  'listJobs',
  'listSchedules',
  'olderKeyUse',
  'pauseJob',
  'putSchedule',
  'removeGarbage',
  'removeSchedule',
  'resumeJob',
  'rewrap',
  'scrub',
  'submitJob',
] as const satisfies readonly (keyof RotationService)[]

/** Offers it to the mesh. */
export function provideRotation(mesh: Mesh, service: RotationService): Promise<void> {
  return mesh.provide('rotation', service, METHODS)
}
