import type { KmsService, MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { kmsError } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { engineError } from './errors.ts'
import { KeyCache, type NamedKey } from './key-cache.ts'
import { MasterKeyVersion, SERVICE_KEY_ID } from './master-key.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

const CACHED_MAX = 4096
/** How often a bucket key is made anew because the master key was rotated in that moment. */
const ATTEMPTS_MAX = 3
/** How long an unwrapped bucket key may be used without asking the KMS again. */
const CACHED_MS = 15 * 60 * 1000

/**
 * Bucket keys: one per bucket, master key version and UTC day, as S3 Bucket Keys (S3 User Guide, "Reducing the cost of SSE-KMS
 * with Amazon S3 Bucket Keys"). The KMS wraps each once and unwraps it at most every 15 minutes per process; sealing and
 * opening an object key costs no KMS call. Ids are `<bucket id>/<yyyymmdd>-<master key version>`: the version is the one that
 * wraps the key, as key use is counted by it.
 */
export class BucketKeys {
  readonly #mesh: Mesh
  readonly #kms: KmsService
  readonly #metadata: MetadataService
  readonly #now: () => number
  readonly #masterKey: MasterKeyVersion
  readonly #cache: KeyCache

  constructor(options: { mesh: Mesh; kms: KmsService; metadata: MetadataService; now: () => number }) {
    this.#mesh = options.mesh
    this.#kms = options.kms
    this.#metadata = options.metadata
    this.#now = options.now
    this.#masterKey = new MasterKeyVersion(options.kms, options.now)
    this.#cache = new KeyCache({ keysMax: CACHED_MAX, keptMs: CACHED_MS, now: options.now })
  }

  /** The key that new objects of the bucket are sealed under. */
  async current(bucketId: string): Promise<NamedKey> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const version = await this.#masterKey.current()
      const day = new Date(this.#now()).toISOString().slice(0, 10).replaceAll('-', '')
      const id = `${bucketId}/${day}-${version}`
      const key = await this.#cache.get(id, async () => (await this.#find(id)) ?? (await this.#make(id, version)))
      if (key !== undefined) return key
      this.#masterKey.forget()
    }
    throw kmsError('KMS_UNAVAILABLE', { keyId: SERVICE_KEY_ID })
  }

  /** The key of this id. ENGINE_BUCKET_KEY_NOT_FOUND. */
  async get(id: string): Promise<NamedKey> {
    const key = await this.#cache.get(id, () => this.#find(id))
    if (key === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: id })
    return key
  }

  /** Undefined: the master key has been rotated since `version` was asked for. */
  async #make(id: string, version: number): Promise<NamedKey | undefined> {
    const made = await this.#kms.generateDataKey(SERVICE_KEY_ID, contextOf(id), this.#mesh.recipient())
    const key = this.#mesh.unparcel(made.plaintext, 'data-key', contextOf(id))
    if (made.wrapped.keyVersion !== version) {
      key.wipe()
      return undefined
    }
    try {
      await this.#metadata.putRecord('bucket-keys', id, encodeWrappedKey(made.wrapped), 0)
      return { id, key }
    } catch (error) {
      key.wipe()
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    }
    // Another process was first: its key is the one.
    return this.#find(id)
  }

  async #find(id: string): Promise<NamedKey | undefined> {
    const record = await this.#metadata.findRecord('bucket-keys', id)
    if (record === undefined) return undefined
    const wrapped = decodeWrappedKey(record.value)
    const parcel = await this.#kms.decrypt(wrapped, contextOf(id), this.#mesh.recipient())
    return { id, key: this.#mesh.unparcel(parcel, 'data-key', contextOf(id)) }
  }
}

function contextOf(id: string): Record<string, string> {
  return { purpose: 'bucket-key', bucketKeyId: id }
}
