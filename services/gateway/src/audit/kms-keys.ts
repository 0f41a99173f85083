import type { AuditKmsKey } from '@coffer/audit'
import type { CryptoService } from '@coffer/contracts'
import { keyNameOf, parseBucketKeyRef, parseDirectKeyRef } from '@coffer/kms'
import type { KeyGuards } from '../keys/key-guards.ts'

/** A rewrap changes which version wraps a bucket key; records tell of it so much later at most. */
const KNOWN_MS = 60_000
const KNOWN_MAX = 10_000

/** Which master key, of which version and whose, is behind a reference to the key of an object. */
export class KmsKeys {
  readonly #crypto: CryptoService
  readonly #guards: Pick<KeyGuards, 'find'>
  readonly #known = new Map<string, { readonly key: AuditKmsKey; readonly untilMs: number }>()
  /** By names: whose a key is never changes. */
  readonly #arns = new Map<string, string>()

  constructor(crypto: CryptoService, guards: Pick<KeyGuards, 'find'>) {
    this.#crypto = crypto
    this.#guards = guards
  }

  /** At once where it can be told at once. Never rejects: what can't be found is told by its reference alone. */
  describe(keyRef: string): AuditKmsKey | Promise<AuditKmsKey> {
    const bucketKey = parseBucketKeyRef(keyRef)
    if (bucketKey === undefined) {
      const direct = parseDirectKeyRef(keyRef)
      if (direct === undefined) return {}
      const key = { id: keyNameOf(direct), version: direct.keyVersion }
      const arn = this.#arns.get(key.id)
      return arn === undefined ? this.#withArn(key) : { ...key, arn }
    }
    const known = this.#known.get(bucketKey)
    return known !== undefined && known.untilMs > performance.now() ? known.key : this.#ask(bucketKey)
  }

  async #ask(bucketKey: string): Promise<AuditKmsKey> {
    try {
      const wrapping = await this.#crypto.describeBucketKey(bucketKey)
      const key = await this.#withArn({ id: keyNameOf(wrapping), version: wrapping.keyVersion, bucketKey })
      if (this.#known.size >= KNOWN_MAX) this.#known.clear()
      this.#known.set(bucketKey, { key, untilMs: performance.now() + KNOWN_MS })
      return key
    } catch {
      return { bucketKey }
    }
  }

  async #withArn<Key extends { readonly id: string }>(key: Key): Promise<Key & { readonly arn?: string }> {
    try {
      const { arn } = await this.#guards.find(key.id)
      if (this.#arns.size >= KNOWN_MAX) this.#arns.clear()
      this.#arns.set(key.id, arn)
      return { ...key, arn }
    } catch {
      return key
    }
  }
}
