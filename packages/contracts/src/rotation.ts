import type { Job, JobSubmission, Schedule } from '@coffer/job-queue'
import type { LifecycleRequest, LifecycleStep } from './lifecycle.ts'

/** Of all stores, or of these: the names of the blobs file. */
export interface ScrubRequest {
  readonly stores?: readonly string[]
}

export interface ScrubReport {
  readonly blobsSeen: number
  /** Unreferenced blobs of retired writers, removed. */
  readonly orphansRemoved: number
  /** Blobs that commits had dropped, now removed. */
  readonly garbageRemoved: number
  /** Referenced blobs that are missing, can't be opened, or have another size than the record says. */
  readonly damaged: readonly { readonly blobId: string; readonly problem: 'missing' | 'unreadable' | 'size' }[]
  /** Stores that are away, or could not be gone through to the end, and the code of why: they have to be scrubbed again. */
  readonly incomplete: readonly { readonly store: string; readonly code: string }[]
}

/** What one version of a master key still opens. */
export interface KeyVersionUse {
  readonly version: number
  /** Object keys sealed under its bucket keys or data keys. */
  readonly objectCount: number
  readonly bucketKeyCount: number
  /** Buckets whose metadata key it wraps. */
  readonly bucketCount: number
  /** Whether it wraps the key of the identity records. */
  readonly wrapsIdentities: boolean
}

export interface KeyUse {
  readonly connector: string
  readonly keyId: string
  /** Each version that something needs, ascending. */
  readonly versions: readonly KeyVersionUse[]
}

/** What an older version of a master key still opens, all keys together. */
export interface OlderKeyUse {
  readonly keys: readonly { readonly connector: string; readonly keyId: string; readonly objectCount: number }[]
  /** Not all bucket keys were looked at, as there are very many: there may be more. */
  readonly isPartial: boolean
}

export interface RewrapRequest {
  /** What is wrapped under this master key (`key` or `connector/key`), in versions before its newest... */
  readonly keyName: string
  /** ...or in all versions, to come under the newest version of this other one. */
  readonly toKeyName?: string
  readonly dryRun?: boolean
}

/** What a rewrap did, or (dry run) would do. */
export interface RewrapReport {
  readonly from: string
  readonly to: string
  readonly toVersion: number
  readonly dryRun: boolean
  readonly startedAt: number
  readonly endedAt: number
  readonly bucketKeyCount: number
  readonly bucketCount: number
  readonly identitiesRewrapped: boolean
  /** Objects that now depend on the new version, without their having been touched. */
  readonly objectCount: number
  /** Objects that the master key seals by itself: each has been rewrapped. */
  readonly directObjectCount: number
  readonly failures: readonly { readonly what: string; readonly code: string }[]
}

/** A number of object versions and the bytes of their plaintext. */
export type Tally = { readonly objectCount: number; readonly sizeBytes: number }

/** What a job tells while it runs, and at its end. Counts go over all runs of the job. */
export type JobProgress = {
  /** Versions that the job has been at, whatever became of them. */
  readonly seen: Tally
  /** As it was counted when the job began. */
  readonly total: Tally
  /** Versions that were changed, or in a dry run would be. */
  readonly changed: Tally
  /** Versions that the filter leaves out, that need nothing, or that only a client's key opens. */
  readonly skippedCount: number
  readonly failedCount: number
  /** The first of them. `reason`: what another store says of it, a short word. */
  readonly failures: readonly { readonly what: string; readonly code: string; readonly reason?: string }[]
  /** How long it has run, pauses left out, milliseconds. */
  readonly runMs: number
  /** Code of what the job waits for at the moment, such as a KMS that is away. */
  readonly waitingFor?: string
}

/** Work that goes on behind requests: queued jobs, and what is quick enough to be waited for. */
export interface RotationService {
  /** Queues a job. ROTATION_REQUEST_INVALID, JOB_REQUEST_TOO_LARGE. */
  submitJob(submission: JobSubmission): Promise<Job>
  findJob(id: string): Promise<Job | undefined>
  /** Newest first. */
  listJobs(query: { limit: number }): Promise<readonly Job[]>
  /** JOB_NOT_FOUND, JOB_STATE_INVALID; likewise below. */
  pauseJob(id: string): Promise<Job>
  resumeJob(id: string): Promise<Job>
  cancelJob(id: string): Promise<Job>
  /** JOB_SCHEDULE_INVALID, ROTATION_REQUEST_INVALID. */
  putSchedule(schedule: Omit<Schedule, 'nextAt'>): Promise<Schedule>
  listSchedules(): Promise<readonly Schedule[]>
  /** JOB_SCHEDULE_NOT_FOUND. */
  removeSchedule(name: string): Promise<void>
  /** A store that is away holds up none of the others. */
  scrub(request?: ScrubRequest): Promise<ScrubReport>
  /** The part of a scrub that is due all the time: deletes what commits have dropped; returns how many blobs. */
  removeGarbage(): Promise<number>
  /** What needs which version of a master key. KMS_KEY_NOT_FOUND. */
  keyUse(keyName: string): Promise<KeyUse>
  /** Of all keys that can be asked for, the objects that need a version before the newest; bounded, whatever the store holds. */
  olderKeyUse(): Promise<OlderKeyUse>
  /**
   * Wraps anew what a master key wraps: bucket keys, metadata keys, the key of the identity records. No object is touched.
   * Killed at any moment, it goes on where it was when it is asked for again, as what is done needs nothing.
   */
  rewrap(request: RewrapRequest): Promise<RewrapReport>
  /**
   * One bounded step of a walk that applies the lifecycle rules of all buckets. The caller gives each step where the one before
   * ended; a walk that begins anew finds nothing left of what is done.
   */
  applyLifecycle(request: LifecycleRequest): Promise<LifecycleStep>
}
