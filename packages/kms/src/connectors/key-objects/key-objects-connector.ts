import { encodeContext, Secret } from '@coffer/crypto-core'
import { assertKeyId, assertPlaintextSize } from '../../arguments.ts'
import { kmsError } from '../../errors.ts'
import { assertUsable, destroyed, type KeyLife, type LifeChange } from '../../key-life.ts'
import { KeyLives } from '../../key-lives.ts'
import type { EncryptionContext, KeyDescription, KmsConnector, KmsContext, WrappedKey } from '../../kms-connector.ts'
import { LivingKeys } from '../living-keys.ts'
import { rewrapInTheClear } from '../rewrap-in-the-clear.ts'
import type { KeyObjects } from './key-objects.ts'
import { KeyRecords, type ObjectKey } from './key-records.ts'

const DATA_KEY_BYTES = 32
const ATTEMPTS_MAX = 16

/** Master keys that are objects in a KMS, made, used and destroyed there; which belong to a key is in Coffer's records. */
export class KeyObjectsConnector extends LivingKeys implements KmsConnector {
  readonly name: string
  readonly #objects: KeyObjects
  readonly #keys: KeyRecords
  /** Such a KMS can't take an object out of use and back, nor wait with its destruction: Coffer does, for itself. */
  readonly #lives: KeyLives

  constructor(objects: KeyObjects, context: KmsContext) {
    super()
    this.name = context.name
    this.#objects = objects
    this.#keys = new KeyRecords(context.records)
    this.#lives = new KeyLives(context.records)
  }

  async createKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    if ((await this.#keys.find(keyId)) !== undefined) throw kmsError('KMS_KEY_EXISTS', { keyId })
    if (!(await this.#appendVersion({ keyId, versions: [], revision: 0 }))) throw kmsError('KMS_KEY_EXISTS', { keyId })
    return this.describeKey(keyId)
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    return this.#describe(await this.#keys.get(keyId))
  }

  async listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    const described: KeyDescription[] = []
    for (const key of await this.#keys.list(query)) described.push(await this.#describe(key))
    return described
  }

  async rotateKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    assertUsable(await this.describeKey(keyId), keyId)
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      if (await this.#appendVersion(await this.#keys.get(keyId))) return this.describeKey(keyId)
    }
    throw kmsError('KMS_UNAVAILABLE', { keyId })
  }

  /** Destroys all versions, and only then says so: what fails half-way is tried again. */
  async destroyKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    const key = await this.#keys.get(keyId)
    const destroy = destroyed(Date.now())
    destroy(await this.#lives.find(keyId), keyId)
    await this.#objects.destroy(
      key.versions.map(({ id }) => id),
      keyId,
    )
    await this.#lives.change(keyId, destroy)
    return this.#describe(key)
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    const plaintext = Secret.random(DATA_KEY_BYTES)
    try {
      return { plaintext, wrapped: await this.#wrap(plaintext, keyId, context) }
    } catch (error) {
      plaintext.wipe()
      throw error
    }
  }

  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    assertPlaintextSize(plaintext)
    return this.#wrap(plaintext, keyId, context)
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    const { keyId, keyVersion } = wrapped
    const { versions } = await this.#usableKey(keyId)
    const version = versions[keyVersion - 1]
    if (version === undefined) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    const additionalData = additionalDataOf(keyId, keyVersion, context)
    return await this.#objects.decrypt(version.id, keyId, wrapped.ciphertext, additionalData)
  }

  /** There is no rewrap of what an object has encrypted. */
  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    return await rewrapInTheClear(this, wrapped, context, keyId)
  }

  selfTest(): Promise<void> {
    return this.#objects.assertSuitable()
  }

  close(): Promise<void> {
    return this.#objects.close()
  }

  async #wrap(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    const { versions } = await this.#usableKey(keyId)
    const keyVersion = versions.length
    const id = versions.at(-1)?.id ?? ''
    const additionalData = additionalDataOf(keyId, keyVersion, context)
    const ciphertext = await this.#objects.encrypt(id, keyId, plaintext, additionalData)
    return { connector: this.name, keyId, keyVersion, ciphertext }
  }

  async #usableKey(keyId: string): Promise<ObjectKey> {
    assertKeyId(keyId)
    const key = await this.#keys.get(keyId)
    assertUsable(await this.#lives.find(keyId), keyId)
    return key
  }

  protected async changeLife(keyId: string, change: LifeChange): Promise<KeyDescription> {
    assertKeyId(keyId)
    const key = await this.#keys.get(keyId)
    await this.#lives.change(keyId, change)
    return this.#describe(key)
  }

  async #describe({ keyId, versions }: ObjectKey): Promise<KeyDescription> {
    return {
      keyId,
      createdAt: versions[0]?.createdAt ?? 0,
      currentVersion: versions.length,
      versions: versions.map(({ createdAt }, index) => ({ version: index + 1, createdAt })),
      ...(await this.#lifeOf(keyId, versions.at(-1)?.id ?? '')),
    }
  }

  /** What an operator has put out of use or destroyed in the KMS itself nobody here can use. */
  async #lifeOf(keyId: string, id: string): Promise<KeyLife> {
    const life = await this.#lives.find(keyId)
    if (life.state === 'destroyed') return life
    const state = await this.#objects.stateOf(id, keyId)
    if (state === 'destroyed') return { state }
    return state === 'active' || life.state !== 'enabled' ? life : { state: 'disabled' }
  }

  /** Makes the next version in the KMS and puts it on record; false if another process was first. */
  async #appendVersion(key: ObjectKey): Promise<boolean> {
    const { keyId } = key
    const id = await this.#objects.make(keyId, key.versions.length + 1)
    // Where this fails nobody knows whether it is on record and used already: then it stays.
    const isOnRecord = await this.#keys.append(key, { id, createdAt: Date.now() })
    // One that stays behind does no harm.
    if (!isOnRecord) await this.#objects.discard(id, keyId).catch(() => undefined)
    return isOnRecord
  }
}

/** What the KMS authenticates beside the plaintext: the context, bound to the key and its version. */
function additionalDataOf(keyId: string, keyVersion: number, context: EncryptionContext): Uint8Array {
  return encodeContext({ ...context, 'coffer:key': keyId, 'coffer:version': String(keyVersion) })
}
