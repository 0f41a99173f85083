import type { LifecyclePosition, LifecycleReport } from '@coffer/contracts'
import { MetadataKey } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { type BucketRules, openBucketRecord } from '@coffer/object-record'
import type { LifecycleRule } from '@coffer/s3-protocol'
import { isPassing } from './tally.ts'

/** A bucket whose record has been authenticated, and the lifecycle rules in it that are enabled. */
export interface RuledBucket {
  readonly record: BucketRecord
  readonly metadataKey: MetadataKey
  readonly rules: readonly LifecycleRule[]
  /** All that its configuration says. */
  readonly config: BucketRules
}

/** What a look for the next bucket with rules came to. */
export interface BucketLook {
  readonly seen: Pick<LifecyclePosition, 'accountId' | 'bucket'>
  /** Absent: none among those that were looked at. */
  readonly found?: RuledBucket
  readonly failures: LifecycleReport['failures']
}

const PAGE = 100
/** Buckets that one look opens. */
const LOOK_BUCKETS_MAX = 200
const METADATA_KEYS_MAX = 10_000

/** The buckets with lifecycle rules, in a fixed order. Keeps metadata keys: opening one anew may cost a call to the KMS. */
export class RuledBuckets {
  readonly #mesh: Mesh
  readonly #metadataKeys = new Map<string, MetadataKey>()

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  /** The next bucket with rules, strictly after the given one. Undefined: there are no more buckets. */
  async after(from: LifecyclePosition | undefined): Promise<BucketLook | undefined> {
    const failures: { what: string; code: string }[] = []
    let seen: BucketLook['seen'] | undefined
    let count = 0
    for await (const record of this.#recordsAfter(from)) {
      seen = { accountId: record.ownerAccountId, bucket: record.name }
      count += 1
      try {
        const found = await this.#open(record)
        if (found.rules.length > 0) return { seen, found, failures }
      } catch (error) {
        if (!isCofferError(error) || isPassing(error)) throw error
        failures.push({ what: `bucket ${record.name}`, code: error.code })
      }
      if (count === LOOK_BUCKETS_MAX) return { seen, failures }
    }
    return seen && { seen, failures }
  }

  /** The bucket that a walk is in, as it is now; undefined: gone, or without rules. */
  async find(name: string, bucketId: string): Promise<RuledBucket | undefined> {
    const record = await this.#mesh.use('metadata').findBucket(name)
    if (record?.id !== bucketId) return undefined
    const bucket = await this.#open(record)
    return bucket.rules.length > 0 ? bucket : undefined
  }

  async *#recordsAfter(from: LifecyclePosition | undefined): AsyncGenerator<BucketRecord> {
    const accounts = await this.#mesh.use('iam').listAccounts()
    const accountIds = accounts.map(({ accountId }) => accountId).sort()
    for (const ownerAccountId of accountIds) {
      if (from !== undefined && ownerAccountId < from.accountId) continue
      let afterName: string | undefined = ownerAccountId === from?.accountId ? from.bucket : ''
      while (afterName !== undefined) {
        const query = { ownerAccountId, prefix: '', afterName, limit: PAGE }
        const page: { buckets: readonly BucketRecord[]; next?: string } = await this.#mesh
          .use('metadata')
          .listBuckets(query)
        yield* page.buckets
        afterName = page.next
      }
    }
  }

  async #open(record: BucketRecord): Promise<RuledBucket> {
    const metadataKey = this.#metadataKeys.get(record.id) ?? (await this.#openMetadataKey(record))
    const config = openBucketRecord(metadataKey, record)
    return { record, metadataKey, config, rules: config.lifecycle?.rules.filter(({ isEnabled }) => isEnabled) ?? [] }
  }

  async #openMetadataKey({ id, wrappedMetadataKey }: BucketRecord): Promise<MetadataKey> {
    const parcel = await this.#mesh.use('crypto').openMetadataKey(id, wrappedMetadataKey, this.#mesh.recipient())
    const metadataKey = MetadataKey.take(this.#mesh.unparcel(parcel, 'metadata-key', id))
    if (this.#metadataKeys.size >= METADATA_KEYS_MAX) this.#metadataKeys.clear()
    this.#metadataKeys.set(id, metadataKey)
    return metadataKey
  }
}
