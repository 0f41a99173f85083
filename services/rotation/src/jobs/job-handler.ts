import type { PlacedBlobStore } from '@coffer/blob-store'
import type { SingleLayerAlgorithm } from '@coffer/crypto-core'
import type { JobHandler, JobRun, JsonObject } from '@coffer/job-queue'
import { isAliasName } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { WriterId } from '@coffer/metadata-store'
import type { AdoptSource } from '../adopt/source.ts'
import { rotationError } from '../errors.ts'
import type { RewrapBatchWorker } from '../rewrap-batch.ts'
import { scrub } from '../scrub.ts'
import { ObjectsJob } from './change-objects.ts'
import { isJobKind, type JobKind, type JobRequest, parseJobRequest, type SealingTarget } from './job-requests.ts'
import { moveBlobs } from './move-blobs.ts'
import { RateLimit } from './rate-limit.ts'
import { ObjectReencryption } from './reencrypt-object.ts'
import { LateReplication } from './replicate-object.ts'
import { ObjectReseal } from './reseal-object.ts'
import { runRewrap } from './rewrap-job.ts'
import { runTransitions } from './transition-job.ts'

export interface JobHandlerOptions {
  readonly mesh: Mesh
  readonly blobs: PlacedBlobStore
  /** Registered, and retired when the process is gone. */
  readonly writerId: WriterId
  /** How new objects are kept, and how a source of objects to be adopted is opened. */
  readonly adoption: AdoptionOptions
  /** Who does the objects of a rewrap; by default this process. */
  readonly rewrapBatch?: RewrapBatchWorker
}

export interface AdoptionOptions {
  readonly dataAlgorithm: SingleLayerAlgorithm
  readonly inlineSizeBytesMax: number
  /** ROTATION_SOURCE_CONFIGURATION_INVALID. */
  openSource(from: JobRequest<'adopt'>['from']): Promise<AdoptSource>
}

type Run<Kind extends JobKind> = (
  options: JobHandlerOptions,
  run: JobRun,
  request: JobRequest<Kind>,
) => Promise<JsonObject>

/** Commits share an fdatasync, and calls over a network overlap. */
const RESEAL_LIMITS = { concurrency: 128, window: 1024 }
/** An object under way holds a few MiB. */
const REENCRYPT_LIMITS = { concurrency: 16, window: 1024 }

const RUNS: { readonly [Kind in JobKind]: Run<Kind> } = {
  'rotate-key': rotateKey,
  rewrap: async ({ mesh, rewrapBatch }, run, { keyName, toKeyName, dryRun, objectsPerSecond }) => {
    const request = {
      keyName,
      ...(toKeyName !== undefined && { toKeyName }),
      ...(dryRun !== undefined && { dryRun }),
      objectsPerSecond,
    }
    return { ...(await runRewrap(mesh, run, request, rewrapBatch)) }
  },
  reseal: async ({ mesh }, run, request) => {
    const change = new ObjectReseal(mesh, await resolvedTarget(mesh, request.to))
    return await new ObjectsJob(mesh, run, request, change).run(RESEAL_LIMITS)
  },
  reencrypt: async (options, run, request) => {
    const change = new ObjectReencryption({
      ...options,
      algorithm: request.algorithm,
      target: await resolvedTarget(options.mesh, request.to),
      dueBefore: run.job.submittedAt,
      bytesRate: new RateLimit(request.bytesPerSecond),
    })
    return await new ObjectsJob(options.mesh, run, request, change).run(REENCRYPT_LIMITS)
  },
  replicate: async ({ mesh }, run, request) =>
    await new ObjectsJob(mesh, run, request, new LateReplication(mesh)).run(RESEAL_LIMITS),
  'move-blobs': (options, run, request) => moveBlobs(options, run, request, REENCRYPT_LIMITS),
  transition: runTransitions,
  scrub: async ({ mesh, blobs }) => ({ ...(await scrub(mesh.use('metadata'), blobs)) }),
  adopt: async ({ adoption, ...options }, run, request) => {
    const { openSource, ...kept } = adoption
    // With the SDK: only where it is needed.
    const { runAdoption } = await import('../adopt/adopt-job.ts')
    const source = await openSource(request.from)
    try {
      return await runAdoption({ ...options, ...kept, source }, run, request)
    } finally {
      source.close()
    }
  },
}

/** Runs jobs of every kind. ROTATION_REQUEST_INVALID for one that this version of Coffer does not know. */
export function createJobHandler(options: JobHandlerOptions): JobHandler {
  return async (run) => {
    const { kind, request } = run.job
    if (!isJobKind(kind)) throw rotationError('ROTATION_REQUEST_INVALID', { kind: kind.slice(0, 100) })
    return await runKind(kind, options, run, request)
  }
}

function runKind<Kind extends JobKind>(
  kind: Kind,
  options: JobHandlerOptions,
  run: JobRun,
  request: JsonObject,
): Promise<JsonObject> {
  return RUNS[kind](options, run, parseJobRequest(kind, request))
}

/**
 * One clear failure at the beginning, in place of one for each object. An alias may name another key tomorrow: what is sealed
 * says the key that it stood for. KMS_KEY_NOT_FOUND, KMS_ALIAS_NOT_FOUND.
 */
async function resolvedTarget<Target extends SealingTarget | undefined>(mesh: Mesh, target: Target): Promise<Target> {
  if (target?.sse !== 'SSE-KMS') return target
  const { connector, keyId } = await mesh.use('kms').describeKey(target.keyName)
  return isAliasName(target.keyName) ? { ...target, keyName: `${connector}/${keyId}` } : target
}

/** A new version of a master key, once, however often the run is begun; then what the old ones wrap. */
async function rotateKey(
  { mesh, rewrapBatch }: JobHandlerOptions,
  run: JobRun,
  { keyName, rewrap = true, objectsPerSecond }: JobRequest<'rotate-key'>,
): Promise<JsonObject> {
  const kms = mesh.use('kms')
  const { currentVersion } = await kms.describeKey(keyName)
  const fromVersion = run.job.progress?.fromVersion ?? currentVersion
  if (run.job.progress === undefined) await run.tell({ fromVersion })
  if (currentVersion === fromVersion) await kms.rotateKey(keyName)
  const { currentVersion: newVersion } = await kms.describeKey(keyName)
  if (!rewrap) return { newVersion }
  return { newVersion, ...(await runRewrap(mesh, run, { keyName, objectsPerSecond }, rewrapBatch)) }
}
