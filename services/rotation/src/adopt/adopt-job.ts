import type { JobProgress, Tally } from '@coffer/contracts'
import { type CofferError, isCofferError } from '@coffer/errors'
import type { JobRun } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { inTraceOfItsOwn } from '@coffer/tracing'
import { rotationError } from '../errors.ts'
import type { JobRequest } from '../jobs/job-requests.ts'
import { JobTally } from '../jobs/job-tally.ts'
import { isPassing, patiently } from '../jobs/patience.ts'
import { RateLimit } from '../jobs/rate-limit.ts'
import { walkConcurrently } from '../jobs/walk-concurrently.ts'
import { type AdoptMeans, type AdoptOutcome, adoptCurrent, VersionsOfKey } from './adopt-key.ts'
import type { DraftMeans } from './adopted-draft.ts'
import { AdoptingBucket } from './adopting-bucket.ts'
import type { AdoptSource, SourceKey, SourceQuery, SourceVersion } from './source.ts'
import { sourceKeys } from './source-keys.ts'

/** Keys under way at once, an object of each: a few MiB, and requests that wait for the source. */
const LIMITS = { concurrency: 16, window: 1024 }
/** Of a version for which the source alone does not answer. */
const ATTEMPTS_MAX = 3
/** Nothing that comes after can be done either. */
const FATAL: ReadonlySet<string> = new Set([
  'BLOB_STORE_FULL',
  'META_STORE_FULL',
  'META_WRITER_RETIRED',
  'META_QUOTA_EXCEEDED',
  'META_BUCKET_NOT_FOUND',
  'ROTATION_BUCKET_NOT_FOUND',
])
/** An older version that is not here and may come with the next run: those above it wait, so that it keeps its place. */
const PASSING_FAILURES: ReadonlySet<string> = new Set([
  'ROTATION_SOURCE_UNAVAILABLE',
  'ROTATION_SOURCE_CHANGED',
  'META_PRECONDITION_FAILED',
])

const KEY_ADOPTED = { name: 'job adopt', kind: 'internal', attributes: { 'coffer.job.kind': 'adopt' } } as const

type AdoptRequest = JobRequest<'adopt'>

export type AdoptJobMeans = Omit<DraftMeans, 'source' | 'bytesRate' | 'signal'> & { readonly source: AdoptSource }

/**
 * Takes over a bucket of another store: key after key, in the order of the listing, so that a run that is cut short goes on behind
 * the last key before which nothing is missing. What is here already is not taken again.
 */
export async function runAdoption(given: AdoptJobMeans, run: JobRun, request: AdoptRequest): Promise<JobProgress> {
  const target = await openTarget(given.mesh, request)
  const bytesRate = new RateLimit(request.bytesPerSecond)
  const objectsRate = new RateLimit(request.objectsPerSecond)
  return await new Adoption({ ...given, target, bytesRate, objectsRate, signal: run.signal }, run, request).run()
}

/** ROTATION_BUCKET_NOT_FOUND, ROTATION_REQUEST_INVALID: versions have no place in the bucket. */
async function openTarget(mesh: Mesh, { bucket, versions }: AdoptRequest): Promise<AdoptingBucket> {
  const target = await AdoptingBucket.open(mesh, bucket)
  if (versions && target.current.record.versioning !== 'enabled') {
    throw rotationError('ROTATION_REQUEST_INVALID', { at: 'versions', why: 'the bucket is not versioned' })
  }
  return target
}

class Adoption {
  readonly #means: AdoptMeans
  readonly #request: AdoptRequest
  readonly #tally: JobTally

  constructor(means: AdoptMeans, run: JobRun, request: AdoptRequest) {
    this.#means = means
    this.#request = request
    this.#tally = new JobTally(run)
  }

  async run(): Promise<JobProgress> {
    const { signal } = this.#means
    const query = this.#query((this.#tally.checkpoint?.afterKey as string | undefined) ?? '')
    this.#tally.tellSometimes()
    const counting = new AbortController()
    try {
      await this.#untilAnswers(query)
      const counted = this.#count(AbortSignal.any([signal, counting.signal]))
      await walkConcurrently(
        sourceKeys(this.#listed(query)),
        LIMITS,
        (found) => inTraceOfItsOwn(this.#means.mesh.tracer, KEY_ADOPTED, () => this.#visit(found)),
        ({ key }) => this.#tally.reached({ afterKey: key }),
      )
      counting.abort()
      await counted
    } finally {
      counting.abort()
      await this.#tally.tellNow()
    }
    return this.#tally.progress()
  }

  #query(afterKey: string): SourceQuery {
    return { prefix: this.#request.prefix ?? '', afterKey }
  }

  #listed(query: SourceQuery): AsyncIterable<SourceVersion> {
    const { source } = this.#means
    return this.#request.versions ? source.listVersions(query) : source.listObjects(query)
  }

  /** How much there is, for the estimate; beside the work, as a listing of millions takes its time. Once for all runs. */
  async #count(signal: AbortSignal): Promise<void> {
    if (this.#tally.progress().total.objectCount > 0) return
    let [objectCount, sizeBytes] = [0, 0]
    try {
      for await (const version of this.#listed(this.#query(''))) {
        if (signal.aborted) return
        objectCount += 1
        sizeBytes += version.sizeBytes
      }
      this.#tally.planned({ objectCount, sizeBytes })
    } catch {
      // No estimate then. What matters fails by itself.
    }
  }

  async #visit(found: SourceKey): Promise<void> {
    if (!this.#request.versions) {
      for (const version of found.versions)
        await this.#settle(version, (isPreview) => adoptCurrent(this.#means, version, isPreview))
      return
    }
    const here = new VersionsOfKey(this.#means, found.key)
    let heldUpBy: CofferError | undefined
    for (const version of found.versions) {
      const failure = await this.#settle(version, async (isPreview) => {
        if (heldUpBy !== undefined) throw heldUpBy
        return await here.adopt(version, isPreview)
      })
      if (failure !== undefined && PASSING_FAILURES.has(failure.code)) heldUpBy = failure
    }
  }

  /** Returns why it failed, where it did. */
  async #settle(
    version: SourceVersion,
    act: (isPreview: boolean) => Promise<AdoptOutcome>,
  ): Promise<CofferError | undefined> {
    const size: Tally = { objectCount: 1, sizeBytes: version.sizeBytes }
    let failure: CofferError | undefined
    try {
      const outcome = await this.#persistently(act)
      this.#tally[outcome === 'adopted' ? 'changed' : 'skipped'](size)
    } catch (error) {
      this.#means.signal.throwIfAborted()
      if (!isCofferError(error) || FATAL.has(error.code)) throw error
      const named = version.versionId === undefined ? version.key : `${version.key} (version ${version.versionId})`
      const { reason } = error.details
      this.#tally.failed(size, named, error.code, reason === undefined ? undefined : String(reason))
      failure = error
    }
    this.#tally.tellSometimes()
    return failure
  }

  /** Again where the source did not answer, once it does: one object that never comes holds up no other. */
  async #persistently(act: (isPreview: boolean) => Promise<AdoptOutcome>): Promise<AdoptOutcome> {
    const isPreview = this.#request.dryRun === true
    for (let attempt = 1; ; attempt++) {
      try {
        return await patiently(() => act(isPreview), this.#tally, this.#means.signal)
      } catch (error) {
        if (!isCofferError(error, 'ROTATION_SOURCE_UNAVAILABLE') || attempt === ATTEMPTS_MAX) throw error
        await this.#untilAnswers(this.#query(''))
      }
    }
  }

  async #untilAnswers(query: SourceQuery): Promise<void> {
    const { source, signal } = this.#means
    const passes = (code: string) => isPassing(code) || code === 'ROTATION_SOURCE_UNAVAILABLE'
    await patiently(() => source.check(query), this.#tally, signal, passes)
  }
}
