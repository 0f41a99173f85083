import type { KmsService, MetadataService } from '@coffer/contracts'
import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import { engineError } from './errors.ts'
import { MasterKeyVersion, SERVICE_KEY_ID } from './master-key.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

export interface BucketKey {
  /** `<bucket id>/<yyyymmdd>-<master key version>`. */
  readonly id: string
  readonly key: Secret
}

const CACHED_MAX = 4096
/** How long an unwrapped bucket key may be used without asking the KMS again. */
const CACHED_MS = 15 * 60 * 1000

interface Cached {
  readonly bucketKey: Promise<BucketKey>
  readonly untilMs: number
}

/**
 * Bucket keys: one per bucket, master key version and UTC day, as S3 Bucket Keys (S3 User Guide, "Reducing the cost of SSE-KMS
 * with Amazon S3 Bucket Keys"). The KMS wraps each once and unwraps it at most every 15 minutes per process; sealing and
 * opening an object key costs no KMS call.
 */
export class BucketKeys {
  readonly #mesh: Mesh
  readonly #kms: KmsService
  readonly #metadata: MetadataService
  readonly #now: () => number
  readonly #masterKey: MasterKeyVersion
  readonly #cached = new Map<string, Cached>()

  constructor(options: { mesh: Mesh; kms: KmsService; metadata: MetadataService; now: () => number }) {
    this.#mesh = options.mesh
    this.#kms = options.kms
    this.#metadata = options.metadata
    this.#now = options.now
    this.#masterKey = new MasterKeyVersion(options.kms, options.now)
  }

  /** The key that new objects of the bucket are sealed under. */
  async current(bucketId: string): Promise<BucketKey> {
    const version = await this.#masterKey.current()
    const day = new Date(this.#now()).toISOString().slice(0, 10).replaceAll('-', '')
    const id = `${bucketId}/${day}-${version}`
    return this.#cache(id, () => this.#findOrMake(id))
  }

  /** The key of this id. ENGINE_BUCKET_KEY_NOT_FOUND. */
  async get(id: string): Promise<BucketKey> {
    return this.#cache(id, async () => {
      const found = await this.#find(id)
      if (found === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: id })
      return found
    })
  }

  /** Concurrent misses share one look-up; a failed one is not remembered. */
  #cache(id: string, open: () => Promise<BucketKey>): Promise<BucketKey> {
    const cached = this.#cached.get(id)
    if (cached !== undefined && cached.untilMs > this.#now()) return cached.bucketKey
    if (this.#cached.size >= CACHED_MAX) this.#dropOldest()
    const bucketKey = open()
    this.#cached.set(id, { bucketKey, untilMs: this.#now() + CACHED_MS })
    bucketKey.catch(() => this.#cached.delete(id))
    return bucketKey
  }

  async #findOrMake(id: string): Promise<BucketKey> {
    const found = await this.#find(id)
    if (found !== undefined) return found
    const made = await this.#kms.generateDataKey(SERVICE_KEY_ID, contextOf(id), this.#mesh.recipient())
    const key = this.#mesh.unparcel(made.plaintext, 'data-key')
    try {
      await this.#metadata.putRecord('bucket-keys', id, encodeWrappedKey(made.wrapped), 0)
      return { id, key }
    } catch (error) {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    }
    // Another process was first: its key is the one.
    const winner = await this.#find(id)
    if (winner === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: id })
    return winner
  }

  async #find(id: string): Promise<BucketKey | undefined> {
    const record = await this.#metadata.findRecord('bucket-keys', id)
    if (record === undefined) return undefined
    const wrapped = decodeWrappedKey(record.value)
    const parcel = await this.#kms.decrypt(wrapped, contextOf(id), this.#mesh.recipient())
    return { id, key: this.#mesh.unparcel(parcel, 'data-key') }
  }

  #dropOldest(): void {
    const oldest = this.#cached.keys().next()
    // Not wiped: a request may be using it right now. It goes with its last user.
    if (!oldest.done) this.#cached.delete(oldest.value)
  }
}

function contextOf(id: string): Record<string, string> {
  return { purpose: 'bucket-key', bucketKeyId: id }
}
