import { insecureExportKeyBytes, Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { assertKeyId, assertPlaintextSize } from '../arguments.ts'
import { kmsError } from '../errors.ts'
import { assertUsable, destroyed, type LifeChange } from '../key-life.ts'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  KmsContext,
  RewrapItem,
  RewrapOutcome,
  WrappedKey,
} from '../kms-connector.ts'
import { LivingKeys } from './living-keys.ts'
import type { DomainKey } from './local/domain-key.ts'
import type { MasterKey, OpenedMasterKey } from './local/master-key-record.ts'
import { MasterKeyStore } from './local/master-key-store.ts'
import { watchDomainKey } from './local/watch-domain-key.ts'
import { rewrapInTheClear } from './rewrap-in-the-clear.ts'

export { DomainKey, type DomainKeyExport } from './local/domain-key.ts'
export { sealedRecords } from './local/sealed-records.ts'
export { HANDOVER_MS } from './local/watch-domain-key.ts'

const KEY_BYTES = 32
const DATA_KEY_PURPOSE = 'kms data key'

/**
 * The built-in KMS: versioned master keys of 256 random bits, kept in records that are sealed under the domain key. The
 * connector owns the domain key from now on, and learns by itself when that is replaced.
 */
export function openLocalConnector(options: { domainKey: DomainKey }, context: KmsContext): KmsConnector {
  return new LocalConnector(context, options.domainKey)
}

class LocalConnector extends LivingKeys implements KmsConnector {
  readonly name: string
  readonly #domainKey: DomainKey
  readonly #keys: MasterKeyStore
  readonly #stopWatching: () => Promise<void>

  constructor({ name, records }: KmsContext, domainKey: DomainKey) {
    super()
    this.name = name
    this.#domainKey = domainKey
    this.#keys = new MasterKeyStore(records, domainKey)
    this.#stopWatching = watchDomainKey(domainKey)
  }

  async createKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    return this.#make(keyId, Secret.random(KEY_BYTES))
  }

  async importKey(keyId: string, material: Secret): Promise<KeyDescription> {
    assertKeyId(keyId)
    if (material.lengthBytes !== KEY_BYTES) throw kmsError('KMS_KEY_MATERIAL_INVALID', { keyId })
    return this.#make(keyId, Secret.copyOf(insecureExportKeyBytes(material)))
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    return describe((await this.#keys.read(keyId)).key)
  }

  async listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    return (await this.#keys.list(query)).map(describe)
  }

  async rotateKey(keyId: string): Promise<KeyDescription> {
    const master = Secret.random(KEY_BYTES)
    try {
      const changed = await this.#keys.change(keyId, ({ key, secrets }) => {
        assertUsable(key, keyId)
        const versions = [...key.versions, { createdAt: Date.now() }]
        return { key: { ...key, versions }, secrets: [...secrets, master] }
      })
      return describe(changed)
    } finally {
      master.wipe()
    }
  }

  /** The record stays, without the versions: the id is never used again. */
  async destroyKey(keyId: string): Promise<KeyDescription> {
    return this.changeLife(keyId, destroyed(Date.now()))
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    const plaintext = Secret.random(KEY_BYTES)
    return { plaintext, wrapped: await this.#wrap(plaintext, keyId, context) }
  }

  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    assertPlaintextSize(plaintext)
    return this.#wrap(plaintext, keyId, context)
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    return unwrapWith(await this.#keys.read(wrapped.keyId), wrapped, context)
  }

  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    return await rewrapInTheClear(this, wrapped, context, keyId)
  }

  /** The record of each master key is read once for all of them. */
  async rewrapMany(items: readonly RewrapItem[], keyId: string): Promise<readonly RewrapOutcome[]> {
    const opened: (Secret | RewrapOutcome)[] = Array(items.length)
    try {
      for (const fromKeyId of new Set(items.map(({ wrapped }) => wrapped.keyId))) {
        const from = await this.#keys.read(fromKeyId)
        for (const [index, { wrapped, context }] of items.entries()) {
          if (wrapped.keyId === fromKeyId) opened[index] = orRefused(() => unwrapWith(from, wrapped, context))
        }
      }
      const to = await this.#keys.read(keyId)
      return items.map(({ context }, index) => {
        const one = opened[index]
        if (!(one instanceof Secret)) return one as RewrapOutcome
        return orRefused(() => ({ wrapped: wrapWith(to, one, { connector: this.name, keyId }, context) }))
      })
    } finally {
      for (const one of opened) if (one instanceof Secret) one.wipe()
    }
  }

  async selfTest(): Promise<void> {
    await this.#domainKey.refresh()
  }

  async close(): Promise<void> {
    await this.#stopWatching()
    this.#keys.forgetAll()
    this.#domainKey.wipe()
  }

  async #make(keyId: string, master: Secret): Promise<KeyDescription> {
    const createdAt = Date.now()
    const key: MasterKey = { keyId, state: 'enabled', createdAt, versions: [{ createdAt }] }
    try {
      await this.#keys.create({ key, secrets: [master] })
      return describe(key)
    } finally {
      master.wipe()
    }
  }

  async #wrap(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    // Read each time: what another process has rotated counts from the next wrap on.
    return wrapWith(await this.#keys.read(keyId), plaintext, { connector: this.name, keyId }, context)
  }

  protected async changeLife(keyId: string, change: LifeChange): Promise<KeyDescription> {
    const changed = await this.#keys.change(keyId, ({ key, secrets }): OpenedMasterKey => {
      const { createdAt, versions, state, deletionAt } = key
      const life = change({ state, ...(deletionAt !== undefined && { deletionAt }) }, keyId)
      return { key: { keyId, createdAt, versions, ...life }, secrets: life.state === 'destroyed' ? [] : secrets }
    })
    return describe(changed)
  }
}

function unwrapWith(
  { key, secrets }: OpenedMasterKey,
  { keyId, keyVersion: version, ciphertext }: WrappedKey,
  context: EncryptionContext,
): Secret {
  assertUsable(key, keyId)
  const master = secrets[version - 1]
  if (master === undefined) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId, version })
  try {
    return unwrapSecret(ciphertext, master, DATA_KEY_PURPOSE, context)
  } catch (cause) {
    throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId }, { cause })
  }
}

function wrapWith(
  { key, secrets }: OpenedMasterKey,
  plaintext: Secret,
  { connector, keyId }: { readonly connector: string; readonly keyId: string },
  context: EncryptionContext,
): WrappedKey {
  assertUsable(key, keyId)
  const master = secrets.at(-1)
  if (master === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
  const ciphertext = wrapSecret(plaintext, master, DATA_KEY_PURPOSE, context)
  return { connector, keyId, keyVersion: secrets.length, ciphertext }
}

function orRefused<Result>(act: () => Result): Result | { readonly refused: string } {
  try {
    return act()
  } catch (error) {
    if (isCofferError(error)) return { refused: error.code }
    throw error
  }
}

function describe(key: MasterKey): KeyDescription {
  return {
    keyId: key.keyId,
    state: key.state,
    createdAt: key.createdAt,
    ...(key.deletionAt !== undefined && { deletionAt: key.deletionAt }),
    currentVersion: key.versions.length,
    versions: key.versions.map(({ createdAt }, index) => ({ version: index + 1, createdAt })),
  }
}
