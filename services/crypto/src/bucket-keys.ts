import type { KmsService, MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { keyNameOf, kmsError } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { bucketKeyContext } from './bucket-key-context.ts'
import { engineError } from './errors.ts'
import { KeyCache, type NamedKey } from './key-cache.ts'
import type { MasterKeys } from './master-keys.ts'
import { decodeWrappedKey, encodeWrappedKey } from './wrapped-key.ts'

const CACHED_MAX = 4096
/** How often a bucket key is made anew because the master key was rotated in that moment. */
const ATTEMPTS_MAX = 3
/** How long an unwrapped bucket key may be used without asking the KMS for it again. */
const CACHED_MS = 15 * 60 * 1000

/**
 * Bucket keys: one per bucket, master key, version of it and UTC day, as S3 Bucket Keys (S3 User Guide, "Reducing the cost of
 * SSE-KMS with Amazon S3 Bucket Keys"). The KMS wraps each once and unwraps it at most every 15 minutes per process; sealing
 * and opening an object key costs no KMS call. A cached key is used only while its master key is known to be usable. Ids are
 * `<bucket id>/<connector>/<key>/<yyyymmdd>-<version>`, of the master key that wrapped it first: rewrapping changes the record,
 * not its name, so that no object has to be touched.
 */
export class BucketKeys {
  readonly #mesh: Mesh
  readonly #kms: KmsService
  readonly #metadata: MetadataService
  readonly #now: () => number
  readonly #masterKeys: MasterKeys
  readonly #cache: KeyCache

  constructor(options: {
    mesh: Mesh
    kms: KmsService
    metadata: MetadataService
    masterKeys: MasterKeys
    now: () => number
    elapsedMs: () => number
  }) {
    this.#mesh = options.mesh
    this.#kms = options.kms
    this.#metadata = options.metadata
    this.#now = options.now
    this.#masterKeys = options.masterKeys
    this.#cache = new KeyCache({ keysMax: CACHED_MAX, keptMs: CACHED_MS, now: options.elapsedMs })
  }

  /** The key that new objects of the bucket are sealed under for this master key. */
  async current(bucketId: string, masterKeyName: string): Promise<NamedKey> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const { connector, keyId, currentVersion } = await this.#masterKeys.usable(masterKeyName)
      const day = new Date(this.#now()).toISOString().slice(0, 10).replaceAll('-', '')
      const id = `${bucketId}/${connector}/${keyId}/${day}-${currentVersion}`
      const key = await this.#cache.get(
        id,
        // By its own name: an alias may name another key by now, and the id would tell of the wrong one.
        async () => (await this.#find(id)) ?? (await this.#make(id, keyNameOf({ connector, keyId }), currentVersion)),
      )
      if (key !== undefined) return key
      this.#masterKeys.forget(masterKeyName)
    }
    throw kmsError('KMS_UNAVAILABLE', { keyId: masterKeyName })
  }

  /** The key of this id. ENGINE_BUCKET_KEY_NOT_FOUND; KMS_KEY_DISABLED and the other refusals of its master key. */
  async get(id: string): Promise<NamedKey> {
    const cached = await this.#cached(id)
    try {
      await this.#masterKeys.usable(cached.masterKeyName)
      return cached
    } catch (error) {
      if (!isCofferError(error) || !error.code.startsWith('KMS_KEY_')) throw error
    }
    // Refused by the master key that wrapped it when it was cached: it may have been rewrapped under another since.
    this.#cache.forget(id)
    const found = await this.#cached(id)
    await this.#masterKeys.usable(found.masterKeyName)
    return found
  }

  async #cached(id: string): Promise<NamedKey> {
    const key = await this.#cache.get(id, () => this.#find(id))
    if (key === undefined) throw engineError('ENGINE_BUCKET_KEY_NOT_FOUND', { bucketKeyId: id })
    return key
  }

  /** Undefined: the master key has been rotated since `version` was asked for. */
  async #make(id: string, masterKeyName: string, version: number): Promise<NamedKey | undefined> {
    const { plaintext, wrapped } = await this.#kms.generateDataKey(
      masterKeyName,
      bucketKeyContext(id),
      this.#mesh.recipient(),
    )
    const key = this.#mesh.unparcel(plaintext, 'data-key', bucketKeyContext(id))
    if (wrapped.keyVersion !== version) {
      key.wipe()
      return undefined
    }
    try {
      await this.#metadata.putRecord('bucket-keys', id, encodeWrappedKey(wrapped), 0)
      return { id, key, masterKeyName: keyNameOf(wrapped) }
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
    const parcel = await this.#kms.decrypt(wrapped, bucketKeyContext(id), this.#mesh.recipient())
    const key = this.#mesh.unparcel(parcel, 'data-key', bucketKeyContext(id))
    return { id, key, masterKeyName: keyNameOf(wrapped) }
  }
}
