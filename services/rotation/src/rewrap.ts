import type { LocatedKey, RewrapReport, RewrapRequest } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { directKeyRef, keyNameOf, type WrappingKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { rotationError } from './errors.ts'
import { allBucketKeys, allBuckets, isWrappedBy } from './key-holders.ts'
import { directObjectCount } from './key-use.ts'
import { ObjectRewrap } from './rewrap-objects.ts'

/** Failures that a report names; a report of more ends the walk, as then nothing works. */
const FAILURES_MAX = 100

/** Everything that a master key wraps, wrapped anew under the newest version of it or of another. Contract: RotationService. */
export async function rewrap(mesh: Mesh, request: RewrapRequest): Promise<RewrapReport> {
  const startedAt = Date.now()
  const from = await mesh.use('kms').describeKey(request.keyName)
  const to = await mesh.use('kms').describeKey(request.toKeyName ?? request.keyName)
  const work = new RewrapWork(mesh, from, to, request.dryRun ?? false)
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

  constructor(mesh: Mesh, from: LocatedKey, to: LocatedKey, dryRun: boolean) {
    this.#mesh = mesh
    this.#from = from
    this.#to = to
    this.#dryRun = dryRun
  }

  async bucketKeys(): Promise<{ bucketKeyCount: number; objectCount: number }> {
    let bucketKeyCount = 0
    let objectCount = 0
    for await (const { id, objectCount: sealed, ...wrappedBy } of allBucketKeys(this.#mesh)) {
      if (!this.#isDue(wrappedBy)) continue
      const isDone = await this.#try(`bucket key ${id}`, () =>
        this.#mesh.use('crypto').rewrapBucketKey(id, keyNameOf(this.#to)),
      )
      if (!isDone) continue
      bucketKeyCount += 1
      objectCount += sealed
    }
    return { bucketKeyCount, objectCount }
  }

  async metadataKeys(): Promise<number> {
    let bucketCount = 0
    for await (const bucket of allBuckets(this.#mesh)) {
      if (!this.#isDue(await this.#mesh.use('crypto').describeMetadataKey(bucket.wrappedMetadataKey))) continue
      const isDone = await this.#try(`metadata key of bucket ${bucket.name}`, () => this.#metadataKey(bucket))
      if (isDone) bucketCount += 1
    }
    return bucketCount
  }

  async identities(): Promise<boolean> {
    const iam = this.#mesh.use('iam')
    const wrappedBy = await iam.describeSealingKey()
    if (wrappedBy === undefined || !this.#isDue(wrappedBy)) return false
    return this.#try('key of the identity records', () => iam.rewrapSealingKey(keyNameOf(this.#to)))
  }

  /** Objects that the master key seals by itself: each is rewrapped in its record. */
  async directObjects(): Promise<number> {
    let count = 0
    const objects = new ObjectRewrap(this.#mesh, keyNameOf(this.#to))
    for (const { version } of this.#from.versions) {
      if (!this.#isDue({ ...this.#from, keyVersion: version })) continue
      if (this.#dryRun) {
        count += await directObjectCount(this.#mesh, this.#from, version)
        continue
      }
      for await (const { entry, outcome } of objects.run(directKeyRef({ ...this.#from, keyVersion: version }))) {
        if (outcome.kind === 'rewrapped') count += 1
        if (outcome.kind === 'failed') this.#fail(`object ${entry.key} of bucket ${entry.bucketId}`, outcome.code)
      }
    }
    return count
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
  async #try(what: string, act: () => Promise<unknown>): Promise<boolean> {
    if (this.#dryRun) return true
    try {
      await act()
      return true
    } catch (error) {
      if (!isCofferError(error)) throw error
      this.#fail(what, error.code)
      return false
    }
  }

  #fail(what: string, code: string): void {
    if (this.failures.length >= FAILURES_MAX) throw rotationError('ROTATION_TOO_MANY_FAILURES', { what, code })
    this.failures.push({ what, code })
  }
}
