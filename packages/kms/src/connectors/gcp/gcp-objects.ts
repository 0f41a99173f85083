import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import { base64Of, secretOf } from '../base64-secret.ts'
import type { KeyObjects, ObjectState } from '../key-objects/key-objects.ts'
import { type BearerClient, bodyOf, type RestAnswer } from '../rest/bearer-client.ts'
import type { GcpOptions } from './options.ts'

/** Cloud KMS API, "projects.locations.keyRings.cryptoKeys": names are of 1 to 63 characters. */
const NAME = /^[A-Za-z0-9_-]{1,63}$/
/** What a record may name: nothing outside of the key ring, whoever has written it. */
const IDENTIFIER = /^([A-Za-z0-9_-]{1,63})\/(\d{1,10})$/
const SYMMETRIC = 'GOOGLE_SYMMETRIC_ENCRYPTION'
const POLL_MS = 100

const Version = z.object({ name: z.string(), state: z.string(), algorithm: z.string() })
const CryptoKey = z.object({ primary: Version })
const Encrypted = z.object({ name: z.string(), ciphertext: z.base64().min(1) })
const Decrypted = z.object({ plaintext: z.base64().min(1) })

/** Cloud KMS API, "CryptoKeyVersionState". */
const STATES: Readonly<Record<string, ObjectState>> = {
  ENABLED: 'active',
  DESTROYED: 'destroyed',
  DESTROY_SCHEDULED: 'destroyed',
  GENERATION_FAILED: 'destroyed',
  IMPORT_FAILED: 'destroyed',
  EXTERNAL_DESTRUCTION_FAILED: 'destroyed',
}

/**
 * Versions of symmetric keys in Google Cloud KMS (Cloud KMS API, v1), which encrypt and authenticate the additional data. An
 * identifier is `<key>/<version>` within the key ring. Wraps name their version: which one is primary says nothing here, and
 * what Google tells everywhere only after a while, such as a new primary, is not relied on.
 */
export class GcpObjects implements KeyObjects {
  readonly #client: BearerClient
  readonly #options: GcpOptions
  readonly #keys: string

  constructor(client: BearerClient, options: GcpOptions) {
    this.#client = client
    this.#options = options
    this.#keys = `/v1/${options.keyRing}/cryptoKeys`
  }

  /** A key that is there already, but not in Coffer's records, gets a version for Coffer. */
  async make(keyId: string, version: number): Promise<string> {
    const name = `${this.#options.keyPrefix}${keyId}`
    if (!NAME.test(name)) throw kmsError('KMS_KEY_ID_INVALID', { keyId })
    const first = version === 1 ? await this.#createKey(name, keyId) : undefined
    const made = first ?? (await this.#createVersion(name, keyId))
    const id = `${name}/${made.name.slice(made.name.lastIndexOf('/') + 1)}`
    if (made.algorithm !== SYMMETRIC)
      throw kmsError('KMS_NOT_SUPPORTED', { keyId, algorithm: made.algorithm.slice(0, 64) })
    await this.#untilGenerated(id, keyId, made.state)
    return id
  }

  async stateOf(id: string, keyId: string): Promise<ObjectState> {
    const answer = await this.#client.call('GET', this.#versionPath(id))
    if (answer.status === 404) return 'destroyed'
    assertNotRefused(answer, keyId)
    return STATES[bodyOf(Version, answer, keyId).state] ?? 'inactive'
  }

  discard(id: string, keyId: string): Promise<void> {
    return this.destroy([id], keyId)
  }

  /** Google keeps a version for the time that its key says (30 days by default), in which `restore` brings it back. */
  async destroy(ids: readonly string[], keyId: string): Promise<void> {
    for (const id of ids) {
      if ((await this.stateOf(id, keyId)) === 'destroyed') continue
      assertNotRefused(await this.#client.call('POST', `${this.#versionPath(id)}:destroy`, {}), keyId)
    }
  }

  async encrypt(id: string, keyId: string, plaintext: Secret, additionalData: Uint8Array): Promise<Uint8Array> {
    const answer = await this.#client.call('POST', `${this.#versionPath(id)}:encrypt`, {
      plaintext: base64Of(plaintext),
      additionalAuthenticatedData: digestOf(additionalData),
    })
    assertNotRefused(answer, keyId)
    const { name, ciphertext } = bodyOf(Encrypted, answer, keyId)
    // Under another version it would open only by chance of what the records say.
    if (!this.#versionPath(id).endsWith(`/${name}`)) throw kmsError('KMS_UNAVAILABLE', { keyId })
    return Buffer.from(ciphertext, 'base64')
  }

  /** The ciphertext says which version of the key it needs; which one it was wrapped under the additional data binds. */
  async decrypt(id: string, keyId: string, ciphertext: Uint8Array, additionalData: Uint8Array): Promise<Secret> {
    if (ciphertext.length === 0) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    const answer = await this.#client.call('POST', `${this.#keys}/${partsOf(id).name}:decrypt`, {
      ciphertext: Buffer.from(ciphertext).toString('base64'),
      additionalAuthenticatedData: digestOf(additionalData),
    })
    if (answer.refusal?.status === 'INVALID_ARGUMENT') throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    assertNotRefused(answer, keyId)
    return secretOf(bodyOf(Decrypted, answer, keyId).plaintext)
  }

  async assertSuitable(): Promise<void> {
    assertNotRefused(await this.#client.call('GET', `${this.#keys}?pageSize=1`))
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  /** Undefined: there is one of this name. */
  async #createKey(name: string, keyId: string) {
    const answer = await this.#client.call('POST', `${this.#keys}?cryptoKeyId=${name}`, {
      purpose: 'ENCRYPT_DECRYPT',
      versionTemplate: { algorithm: SYMMETRIC, protectionLevel: this.#options.protectionLevel },
    })
    if (answer.refusal?.status === 'ALREADY_EXISTS') return undefined
    assertNotRefused(answer, keyId)
    return bodyOf(CryptoKey, answer, keyId).primary
  }

  async #createVersion(name: string, keyId: string) {
    const answer = await this.#client.call('POST', `${this.#keys}/${name}/cryptoKeyVersions`, {})
    assertNotRefused(answer, keyId)
    return bodyOf(Version, answer, keyId)
  }

  /** An HSM takes a moment. */
  async #untilGenerated(id: string, keyId: string, state: string): Promise<void> {
    if (STATES[state] === 'active') return
    for (const endAt = Date.now() + this.#options.timeoutMs; Date.now() < endAt; await sleep(POLL_MS)) {
      if ((await this.stateOf(id, keyId)) === 'active') return
    }
    throw kmsError('KMS_UNAVAILABLE', { keyId, reason: 'key-not-generated-yet' })
  }

  #versionPath(id: string): string {
    const { name, version } = partsOf(id)
    return `${this.#keys}/${name}/cryptoKeyVersions/${version}`
  }
}

/** KMS_RECORD_DAMAGED: an identifier that would lead elsewhere. */
function partsOf(id: string): { name: string; version: string } {
  const [, name, version] = IDENTIFIER.exec(id) ?? []
  if (name === undefined || version === undefined) throw kmsError('KMS_RECORD_DAMAGED')
  return { name, version }
}

/** Its SHA-256: HSM keys take plaintext and additional data of 8 KiB together, and a context may be longer. */
function digestOf(additionalData: Uint8Array): string {
  return createHash('sha256').update(additionalData).digest('base64')
}

/** Google's `status` says what its HTTP status is too coarse for (Cloud APIs, "Errors"). */
function assertNotRefused({ status, refusal }: RestAnswer, keyId?: string): void {
  if (refusal === undefined) return
  const details = { ...(keyId !== undefined && { keyId }) }
  if (status === 401 || status === 403) throw kmsError('KMS_ACCESS_DENIED', details)
  if (status === 404) throw kmsError('KMS_KEY_NOT_FOUND', details)
  if (refusal.status === 'FAILED_PRECONDITION') throw kmsError('KMS_KEY_DISABLED', details)
  throw kmsError('KMS_UNAVAILABLE', { ...details, status })
}
