import type { CryptoService, MetadataService } from '@coffer/contracts'
import { MetadataKey } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import type { BucketRecord } from '@coffer/metadata-store'
import { isPublicPolicy } from '@coffer/policy'
import type { PublicAccessBlock } from '@coffer/s3-protocol'
import { hasAcls } from './bucket-acl.ts'
import { type BucketConfig, openBucketConfig } from './bucket-config.ts'
import { policyOf } from './bucket-policy.ts'
import { AccountBlocks } from './public-access.ts'

/** A bucket whose record has been authenticated and whose metadata key is open. */
export interface OpenBucket {
  readonly record: BucketRecord
  readonly config: BucketConfig
  readonly metadataKey: MetadataKey
  /** What its account refuses of public access, where the bucket could give any. */
  readonly accountBlock?: PublicAccessBlock
}

interface Lease {
  readonly bucket: OpenBucket
  readonly untilMs: number
}

const OPEN_BUCKETS_MAX = 10_000

/**
 * Buckets that this gateway has opened. A metadata key is fetched once per bucket id; a record is asked for again when
 * its lease is over (at once where metadata is local). A commit under a stale record is refused by the store
 * (META_BUCKET_CHANGED), so a lease can delay what a read sees, never what a write obeys.
 */
export class BucketCache {
  readonly #metadata: MetadataService
  readonly #crypto: CryptoService
  readonly #mesh: Mesh
  readonly #leaseMs: number
  readonly accountBlocks: AccountBlocks
  readonly #leases = new Map<string, Lease>()

  constructor(mesh: Mesh, leaseMs: number) {
    this.#mesh = mesh
    this.#metadata = mesh.use('metadata')
    this.#crypto = mesh.use('crypto')
    this.#leaseMs = leaseMs
    this.accountBlocks = new AccountBlocks(mesh.use('iam'), leaseMs)
  }

  async find(name: string): Promise<OpenBucket | undefined> {
    const bucket = await this.#find(name)
    if (bucket === undefined || !mayBePublic(bucket)) return bucket
    const accountBlock = await this.accountBlocks.find(bucket.record.ownerAccountId)
    return accountBlock === undefined ? bucket : { ...bucket, accountBlock }
  }

  async #find(name: string): Promise<OpenBucket | undefined> {
    const known = this.#leases.get(name)
    if (known !== undefined && known.untilMs > performance.now()) return known.bucket
    const record = await this.#metadata.findBucket(name)
    if (record === undefined) {
      this.#leases.delete(name)
      return undefined
    }
    return this.remember(await this.#open(record, known?.bucket))
  }

  /** Forgets the lease, so that the next `find` asks: after a change, or when a commit was refused. */
  expire(name: string): void {
    const known = this.#leases.get(name)
    if (known !== undefined) this.#leases.set(name, { bucket: known.bucket, untilMs: 0 })
  }

  remember(bucket: OpenBucket): OpenBucket {
    if (this.#leases.size >= OPEN_BUCKETS_MAX && !this.#leases.has(bucket.record.name)) this.#dropOldest()
    this.#leases.set(bucket.record.name, {
      bucket,
      untilMs: this.#leaseMs === 0 ? 0 : performance.now() + this.#leaseMs,
    })
    return bucket
  }

  async #open(record: BucketRecord, known: OpenBucket | undefined): Promise<OpenBucket> {
    if (known?.record.id === record.id && known.record.revision === record.revision) return known
    const metadataKey =
      known?.record.id === record.id && sameBytes(known.record.wrappedMetadataKey, record.wrappedMetadataKey)
        ? known.metadataKey
        : await this.#openMetadataKey(record)
    return { record, metadataKey, config: openBucketConfig(metadataKey, record) }
  }

  async #openMetadataKey(record: BucketRecord): Promise<MetadataKey> {
    const parcel = await this.#crypto.openMetadataKey(record.id, record.wrappedMetadataKey, this.#mesh.recipient())
    return MetadataKey.take(this.#mesh.unparcel(parcel, 'metadata-key', record.id))
  }

  #dropOldest(): void {
    const oldest = this.#leases.keys().next()
    if (!oldest.done) this.#leases.delete(oldest.value)
  }
}

/** Without ACLs or a public policy there is nothing that its account could refuse: no need to ask. */
function mayBePublic(bucket: OpenBucket): boolean {
  if (hasAcls(bucket)) return true
  const policy = policyOf(bucket)
  return policy !== undefined && isPublicPolicy(policy)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
