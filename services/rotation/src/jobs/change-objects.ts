import type { JobProgress, Tally } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { JobRun } from '@coffer/job-queue'
import type { Mesh } from '@coffer/mesh'
import { openAttributes } from '@coffer/object-record'
import { inTraceOfItsOwn, type SpanStart } from '@coffer/tracing'
import { MetadataKeys } from '../metadata-keys.ts'
import type { ObjectsRequest } from './job-requests.ts'
import { JobTally } from './job-tally.ts'
import type { FoundVersion, ObjectChange } from './object-change.ts'
import { ObjectFilter } from './object-filter.ts'
import { patiently } from './patience.ts'
import { RateLimit } from './rate-limit.ts'
import { checkpointAt, totalOf, type VersionInScope, versionsInScope } from './versions-in-scope.ts'
import { type WalkLimits, walkConcurrently } from './walk-concurrently.ts'

/** Of changes by others of the same version at the same time. */
const ATTEMPTS_MAX = 8
/** Nothing that comes after can be done either. */
const FATAL: ReadonlySet<string> = new Set(['BLOB_STORE_FULL', 'META_STORE_FULL', 'META_WRITER_RETIRED'])

type Outcome = 'changed' | 'skipped'

/** A job over the versions in a scope: each that fits the filter is changed, once. */
export class ObjectsJob {
  readonly #mesh: Mesh
  readonly #run: JobRun
  readonly #request: ObjectsRequest
  readonly #change: ObjectChange
  readonly #tally: JobTally
  readonly #filter: ObjectFilter
  readonly #metadataKeys: MetadataKeys
  readonly #rate: RateLimit

  constructor(mesh: Mesh, run: JobRun, request: ObjectsRequest, change: ObjectChange) {
    this.#mesh = mesh
    this.#run = run
    this.#request = request
    this.#change = change
    this.#tally = new JobTally(run)
    this.#filter = new ObjectFilter(mesh, request.filter ?? {}, run.job.submittedAt)
    this.#metadataKeys = new MetadataKeys(mesh)
    this.#rate = new RateLimit(request.objectsPerSecond)
  }

  async run(limits: WalkLimits): Promise<JobProgress> {
    const isFirstRun = this.#run.job.progress === undefined
    if (isFirstRun) this.#tally.planned(await totalOf(this.#mesh, this.#request))
    this.#tally.tellSometimes()
    try {
      const versions = versionsInScope(this.#mesh, this.#request, this.#tally.checkpoint)
      await walkConcurrently(
        versions,
        limits,
        (version) => this.#visit(version),
        (version) => this.#tally.reached(checkpointAt(version)),
      )
    } finally {
      await this.#tally.tellNow()
    }
    return this.#tally.progress()
  }

  async #visit(place: VersionInScope): Promise<void> {
    const { bucket, listed } = place
    const size: Tally = { objectCount: 1, sizeBytes: listed.sizeBytes }
    try {
      const outcome = this.#filter.fitsListed(listed) ? await this.#patientlyOne(place) : 'skipped'
      this.#tally[outcome](size)
    } catch (error) {
      if (!isCofferError(error) || FATAL.has(error.code)) throw error
      this.#tally.failed(size, `${bucket.name}/${listed.key} (version ${listed.versionId})`, error.code)
    }
    this.#tally.tellSometimes()
  }

  #patientlyOne(place: VersionInScope): Promise<Outcome> {
    return patiently(() => this.#one(place), this.#tally, this.#run.signal)
  }

  async #one(place: VersionInScope): Promise<Outcome> {
    for (let attempt = 1; ; attempt++) {
      const found = await this.#find(place)
      if (found === undefined) return 'skipped'
      if (found.attributes.sse === 'SSE-C' && !this.#change.needsNoKey) return 'skipped'
      const fits = await this.#filter.fits(found.version, found.attributes)
      if (!fits || !this.#change.isDue(found)) return 'skipped'
      if (this.#request.dryRun) return 'changed'
      await this.#rate.take(1, this.#run.signal)
      try {
        await this.#apply(found)
        return 'changed'
      } catch (error) {
        // Overwritten, deleted or changed by somebody else meanwhile.
        const isPassing = isCofferError(error, 'META_VERSION_CHANGED') || isCofferError(error, 'BLOB_NOT_FOUND')
        if (!isPassing || attempt === ATTEMPTS_MAX) throw error
      }
    }
  }

  #apply(found: FoundVersion): Promise<void> {
    const { kind } = this.#run.job
    const start: SpanStart = { name: `job ${kind}`, kind: 'internal', attributes: { 'coffer.job.kind': kind } }
    return inTraceOfItsOwn(this.#mesh.tracer, start, () => this.#change.apply(found, this.#run.signal))
  }

  /** The version as it is now; undefined where it is gone. */
  async #find({ bucket, listed }: VersionInScope): Promise<FoundVersion | undefined> {
    const { key, versionId } = listed
    const { needsBody } = this.#change
    const withBody = needsBody === 'always' || (needsBody === 'to-apply' && this.#request.dryRun !== true)
    const found = await this.#mesh.use('metadata').findVersion(bucket.id, key, { versionId }, { withBody })
    if (found === undefined) return undefined
    const metadataKey = await this.#metadataKeys.of(bucket)
    return { bucket, metadataKey, ...found, ...openAttributes(metadataKey, bucket.id, found.version) }
  }
}
