import type { AuditKmsKey } from '@coffer/audit'
import type { CryptoService } from '@coffer/contracts'
import { keyNameOf } from '@coffer/kms'

const BUCKET_KEY = 'bk:'
const DIRECT = /^kms:(.+)\/(\d+)$/
/** A rewrap changes which version wraps a bucket key; records tell of it so much later at most. */
const KNOWN_MS = 60_000
const KNOWN_MAX = 10_000

/** Which master key, of which version, is behind a reference to the key of an object. */
export class KmsKeys {
  readonly #crypto: CryptoService
  readonly #known = new Map<string, { readonly key: AuditKmsKey; readonly untilMs: number }>()

  constructor(crypto: CryptoService) {
    this.#crypto = crypto
  }

  /** At once where it can be told at once. Never rejects: what can't be found is told by its reference alone. */
  describe(keyRef: string): AuditKmsKey | Promise<AuditKmsKey> {
    const [, id, version] = DIRECT.exec(keyRef) ?? []
    if (id !== undefined) return { id, version: Number(version) }
    const bucketKey = keyRef.slice(BUCKET_KEY.length)
    const known = this.#known.get(bucketKey)
    return known !== undefined && known.untilMs > Date.now() ? known.key : this.#ask(bucketKey)
  }

  async #ask(bucketKey: string): Promise<AuditKmsKey> {
    try {
      const wrapping = await this.#crypto.describeBucketKey(bucketKey)
      const key = { id: keyNameOf(wrapping), version: wrapping.keyVersion, bucketKey }
      if (this.#known.size >= KNOWN_MAX) this.#known.clear()
      this.#known.set(bucketKey, { key, untilMs: Date.now() + KNOWN_MS })
      return key
    } catch {
      return { bucketKey }
    }
  }
}
