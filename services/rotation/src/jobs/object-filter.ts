import { parseBucketKeyRef, parseDirectKeyRef, type WrappingKey } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import type { ListedVersion, VersionRecord } from '@coffer/metadata-store'
import type { ObjectAttributes } from '@coffer/object-record'
import { allBucketKeys, isWrappedBy } from '../key-holders.ts'
import type { ObjectFilter as FilterRequest } from './job-requests.ts'

/** Which versions a job is about, of those in its scope. */
export class ObjectFilter {
  readonly #mesh: Mesh
  readonly #wanted: FilterRequest
  readonly #at: number
  readonly #key = new Kept(() => this.#mesh.use('kms').describeKey(this.#wanted.keyName ?? ''))
  readonly #bucketKeys = new Kept(() => this.#findBucketKeys())

  /** `at`: when the ages of the request are to be taken, milliseconds since 1970. */
  constructor(mesh: Mesh, wanted: FilterRequest, at: number) {
    this.#mesh = mesh
    this.#wanted = wanted
    this.#at = at
  }

  /** What a listing tells is enough to leave most out, without a look at their records. */
  fitsListed({ lastModifiedAt, sizeBytes }: ListedVersion): boolean {
    const { minAgeMs = 0, maxAgeMs, minSizeBytes = 0, maxSizeBytes } = this.#wanted
    const ageMs = this.#at - lastModifiedAt
    if (ageMs < minAgeMs || (maxAgeMs !== undefined && ageMs > maxAgeMs)) return false
    return sizeBytes >= minSizeBytes && (maxSizeBytes === undefined || sizeBytes <= maxSizeBytes)
  }

  async fits(version: VersionRecord, attributes: ObjectAttributes): Promise<boolean> {
    const { algorithm, minKeyAgeMs = 0, tags = {} } = this.#wanted
    if (!hasTags(attributes, tags)) return false
    if (algorithm !== undefined && attributes.algorithm !== algorithm) return false
    if (minKeyAgeMs > 0 && this.#at - objectKeyTime(version, attributes) < minKeyAgeMs) return false
    return await this.#fitsKey(version.keyRef)
  }

  async #fitsKey(keyRef: string): Promise<boolean> {
    const { keyName, keyVersion } = this.#wanted
    if (keyName === undefined && keyVersion === undefined) return true
    const wrappedBy = await this.#wrappingKeyOf(keyRef)
    if (wrappedBy === undefined) return false
    if (keyVersion !== undefined && wrappedBy.keyVersion !== keyVersion) return false
    if (keyName === undefined) return true
    return isWrappedBy(wrappedBy, await this.#key.get())
  }

  async #wrappingKeyOf(keyRef: string): Promise<WrappingKey | undefined> {
    const id = parseBucketKeyRef(keyRef)
    if (id === undefined) return parseDirectKeyRef(keyRef)
    const known = (await this.#bucketKeys.get()).get(id)
    if (known !== undefined) return known
    // Made since: by a write beside this job.
    this.#bucketKeys.forget()
    return (await this.#bucketKeys.get()).get(id)
  }

  async #findBucketKeys(): Promise<ReadonlyMap<string, WrappingKey>> {
    const found = new Map<string, WrappingKey>()
    for await (const bucketKey of allBucketKeys(this.#mesh)) found.set(bucketKey.id, bucketKey)
    return found
  }
}

function hasTags({ headers }: ObjectAttributes, wanted: Readonly<Record<string, string>>): boolean {
  const { tags = {} } = headers
  return Object.entries(wanted).every(([name, value]) => Object.hasOwn(tags, name) && tags[name] === value)
}

/** When the object key of a version was made, milliseconds since 1970. */
export function objectKeyTime(version: VersionRecord, attributes: ObjectAttributes): number {
  return attributes.objectKeyAt ?? version.lastModifiedAt
}

/** What is looked up once. A failure is not kept: the next who asks looks again. */
class Kept<T> {
  readonly #find: () => Promise<T>
  #found: Promise<T> | undefined

  constructor(find: () => Promise<T>) {
    this.#find = find
  }

  async get(): Promise<T> {
    const found = this.#found ?? this.#find()
    this.#found = found
    try {
      return await found
    } catch (error) {
      if (this.#found === found) this.forget()
      throw error
    }
  }

  forget(): void {
    this.#found = undefined
  }
}
