import type { LocatedKey, RewrapReport, RewrapRequest } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { directKeyRef, keyNameOf, type WrappingKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { rotationError } from './errors.ts'
import { allBucketKeys, allBuckets, isWrappedBy } from './key-holders.ts'
import { directObjectCount } from './key-use.ts'
import { type RewrapBatchWorker, rewrapBatchWorker } from './rewrap-batch.ts'
import { BATCH_MAX, type RewrappedEntry, rewrapObjects } from './rewrap-objects.ts'

/** Failures that a report names; a report of more ends the walk, as then nothing works. */
const FAILURES_MAX = 100

/** Who waits for a rewrap: told of each step, and asked before it. */
export interface RewrapWatch {
  /** That many more objects will be done. */
  planned(objectCount: number): void
  /** Objects in one step at most: fewer where a rate limit is to be felt within a second. */
  readonly stepMax: number
  /** Does so many objects when it is time for them; rejects when the rewrap is to end. */
  step<Result>(objectCount: number, act: () => Promise<Result>): Promise<Result>
  done(objectCount: number): void
  failed(objectCount: number, what: string, code: string): void
}

const NOBODY: RewrapWatch = { stepMax: BATCH_MAX, planned() {}, step: (_, act) => act(), done() {}, failed() {} }

export interface RewrapOptions {
  readonly watch?: RewrapWatch
  /** Who does the objects; by default this process. */
  readonly worker?: RewrapBatchWorker | undefined
}

/** Everything that a master key wraps, wrapped anew under the newest version of it or of another. Contract: RotationService. */
export async function rewrap(
  mesh: Mesh,
  request: RewrapRequest,
  { watch = NOBODY, worker = rewrapBatchWorker(mesh) }: RewrapOptions = {},
): Promise<RewrapReport> {
  const startedAt = Date.now()
  const from = await mesh.use('kms').describeKey(request.keyName)
  const to = await mesh.use('kms').describeKey(request.toKeyName ?? request.keyName)
  const work = new RewrapWork(mesh, { from, to, dryRun: request.dryRun ?? false, watch, worker })
  const bucketKeys = await work.bucketKeys()
  const bucketCount = await work.metadataKeys()
  const identitiesRewrapped = await work.identities()
  const directObjectCount = await work.directObjects()
  return {
    from: keyNameOf(from),
    to: keyNameOf(to),
    toVersion: to.currentVersion,
    dryRun: request.dryRun ?? false,
    startedAt,
    endedAt: Date.now(),
    ...bucketKeys,
    bucketCount,
    identitiesRewrapped,
    directObjectCount,
    failures: work.failures,
  }
}

class RewrapWork {
  readonly failures: { what: string; code: string }[] = []
  readonly #mesh: Mesh
  readonly #from: LocatedKey
  readonly #to: LocatedKey
  readonly #dryRun: boolean
  readonly #watch: RewrapWatch
  readonly #worker: RewrapBatchWorker

  constructor(
    mesh: Mesh,
    {
      from,
      to,
      dryRun,
      watch,
      worker,
    }: { from: LocatedKey; to: LocatedKey; dryRun: boolean; watch: RewrapWatch; worker: RewrapBatchWorker },
  ) {
    this.#mesh = mesh
    this.#from = from
    this.#to = to
    this.#dryRun = dryRun
    this.#watch = watch
    this.#worker = worker
  }

  async bucketKeys(): Promise<{ bucketKeyCount: number; objectCount: number }> {
    let bucketKeyCount = 0
    let objectCount = 0
    for await (const { id, objectCount: sealed, ...wrappedBy } of allBucketKeys(this.#mesh)) {
      if (!this.#isDue(wrappedBy)) continue
      this.#watch.planned(sealed)
      const isDone = await this.#try(`bucket key ${id}`, sealed, () => this.#bucketKey(id))
      if (!isDone) continue
      bucketKeyCount += 1
      objectCount += sealed
      this.#watch.done(sealed)
    }
    return { bucketKeyCount, objectCount }
  }

  async metadataKeys(): Promise<number> {
    let bucketCount = 0
    for await (const bucket of allBuckets(this.#mesh)) {
      if (!this.#isDue(await this.#mesh.use('crypto').describeMetadataKey(bucket.wrappedMetadataKey))) continue
      const isDone = await this.#try(`metadata key of bucket ${bucket.name}`, 0, () => this.#metadataKey(bucket))
      if (isDone) bucketCount += 1
    }
    return bucketCount
  }

  async identities(): Promise<boolean> {
    const iam = this.#mesh.use('iam')
    const wrappedBy = await iam.describeSealingKey()
    if (wrappedBy === undefined || !this.#isDue(wrappedBy)) return false
    return this.#try('key of the identity records', 0, () => iam.rewrapSealingKey(keyNameOf(this.#to)))
  }

  /** Objects that the master key seals by itself: each is rewrapped in its record. */
  async directObjects(): Promise<number> {
    let count = 0
    const due = this.#from.versions
      .map(({ version }) => ({ ...this.#from, keyVersion: version }))
      .filter((wrappedBy) => this.#isDue(wrappedBy))
    for (const { keyVersion } of due) {
      const planned = await directObjectCount(this.#mesh, this.#from, keyVersion)
      this.#watch.planned(planned)
      if (this.#dryRun) count += planned
    }
    if (this.#dryRun) return count
    const options = {
      mesh: this.#mesh,
      worker: this.#worker,
      toKeyName: keyNameOf(this.#to),
      batchMax: this.#watch.stepMax,
      step: (objectCount: number, act: () => Promise<void>) => this.#watch.step(objectCount, act),
    }
    for (const wrappedBy of due) {
      await rewrapObjects(directKeyRef(wrappedBy), options, (done) => {
        count += this.#countObjects(done)
      })
    }
    return count
  }

  #countObjects(batch: readonly RewrappedEntry[]): number {
    for (const { entry, outcome } of batch) {
      if (outcome.kind === 'failed') this.#fail(`object ${entry.key} of bucket ${entry.bucketId}`, outcome.code, 1)
    }
    const done = batch.filter(({ outcome }) => outcome.kind !== 'failed')
    this.#watch.done(done.length)
    return done.filter(({ outcome }) => outcome.kind === 'rewrapped').length
  }

  async #bucketKey(id: string): Promise<void> {
    try {
      await this.#mesh.use('crypto').rewrapBucketKey(id, keyNameOf(this.#to))
    } catch (error) {
      // Gone with its bucket.
      if (!isCofferError(error, 'ENGINE_BUCKET_KEY_NOT_FOUND')) throw error
    }
  }

  async #metadataKey({ id, name, wrappedMetadataKey }: BucketRecord): Promise<void> {
    const rewrapped = await this.#mesh.use('crypto').rewrapMetadataKey(id, wrappedMetadataKey, keyNameOf(this.#to))
    try {
      await this.#mesh.use('metadata').replaceWrappedMetadataKey(name, id, wrappedMetadataKey, rewrapped)
    } catch (error) {
      // Deleted meanwhile, or rewrapped by another job: there is nothing left to do here.
      const isMoot = isCofferError(error, 'META_BUCKET_NOT_FOUND') || isCofferError(error, 'META_BUCKET_CHANGED')
      if (!isMoot) throw error
    }
  }

  #isDue(wrappedBy: WrappingKey): boolean {
    if (!isWrappedBy(wrappedBy, this.#from)) return false
    return !isWrappedBy(wrappedBy, this.#to) || wrappedBy.keyVersion < this.#to.currentVersion
  }

  /** One failure does not keep the rest from being rewrapped; too many do. */
  async #try(what: string, objectCount: number, act: () => Promise<unknown>): Promise<boolean> {
    if (this.#dryRun) return true
    try {
      await this.#watch.step(1, act)
      return true
    } catch (error) {
      if (!isCofferError(error)) throw error
      this.#fail(what, error.code, objectCount)
      return false
    }
  }

  #fail(what: string, code: string, objectCount: number): void {
    this.#watch.failed(objectCount, what, code)
    if (this.failures.length >= FAILURES_MAX) throw rotationError('ROTATION_TOO_MANY_FAILURES', { what, code })
    this.failures.push({ what, code })
  }
}
