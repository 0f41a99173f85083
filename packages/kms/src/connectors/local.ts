import { Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { assertKeyId, assertPlaintextSize } from '../arguments.ts'
import { kmsError } from '../errors.ts'
import {
  assertUsable,
  deletionCancelled,
  destroyed,
  disabled,
  enabled,
  type LifeChange,
  pendingDeletion,
} from '../key-life.ts'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  KmsContext,
  KmsRecords,
  WrappedKey,
} from '../kms-connector.ts'
import { untilUnchanged } from '../until-unchanged.ts'
import { decodeMasterKey, encodeMasterKey, type StoredMasterKey } from './local/master-key-record.ts'

const KEY_BYTES = 32
const ROOT_CHECK_ID = 'root-check'
const KEY_PREFIX = 'key/'
const DATA_KEY_PURPOSE = 'kms data key'
const MASTER_KEY_PURPOSE = 'kms master key'
const ROOT_CHECK_PURPOSE = 'kms root check'

/**
 * The built-in KMS: versioned master keys of 256 random bits, each version wrapped under the root key. The root key is checked
 * against a record made at the first start, before anything else is written.
 */
export async function openLocalConnector(options: { rootKey: Secret }, context: KmsContext): Promise<KmsConnector> {
  if (options.rootKey.lengthBytes !== KEY_BYTES) throw kmsError('KMS_ROOT_KEY_MALFORMED')
  await checkRootKey(options.rootKey, context.records)
  return new LocalConnector(context.name, options.rootKey, context.records)
}

async function checkRootKey(rootKey: Secret, records: KmsRecords): Promise<void> {
  const known = await records.find(ROOT_CHECK_ID)
  if (known !== undefined) {
    try {
      unwrapSecret(known.value, rootKey, ROOT_CHECK_PURPOSE, {}).wipe()
      return
    } catch (cause) {
      throw kmsError(
        isCofferError(cause, 'CRYPTO_WRONG_KEY') ? 'KMS_ROOT_KEY_WRONG' : 'KMS_RECORD_DAMAGED',
        undefined,
        { cause },
      )
    }
  }
  // Master keys without it: somebody removed the record, and a wrong root key would pass for the first one.
  const keys = await records.list({ prefix: KEY_PREFIX, afterId: '', limit: 1 })
  if (keys.length > 0) throw kmsError('KMS_RECORD_DAMAGED', { id: ROOT_CHECK_ID })
  const check = wrapSecret(Secret.random(KEY_BYTES), rootKey, ROOT_CHECK_PURPOSE, {})
  await records.put(ROOT_CHECK_ID, check, 0).catch(async (error: unknown) => {
    if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    await checkRootKey(rootKey, records)
  })
}

/** A master key as one revision of its record says it, and the versions that have been opened. */
interface OpenedMasterKey {
  readonly key: StoredMasterKey
  readonly revision: number
  readonly versions: Map<number, Secret>
}

class LocalConnector implements KmsConnector {
  readonly name: string
  readonly #rootKey: Secret
  readonly #records: KmsRecords
  /** Opened once for each revision: the record is read each time, so that a change by another process counts at once. */
  readonly #opened = new Map<string, OpenedMasterKey>()

  constructor(name: string, rootKey: Secret, records: KmsRecords) {
    this.name = name
    this.#rootKey = rootKey
    this.#records = records
  }

  async createKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    const key: StoredMasterKey = {
      keyId,
      state: 'enabled',
      createdAt: Date.now(),
      versions: [this.#newVersion(keyId, 1)],
    }
    await this.#records.put(KEY_PREFIX + keyId, encodeMasterKey(key), 0).catch((error: unknown) => {
      throw isCofferError(error, 'META_RECORD_CHANGED') ? kmsError('KMS_KEY_EXISTS', { keyId }) : error
    })
    return describe(key)
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    return describe((await this.#read(keyId)).key)
  }

  async listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    const afterId = query.afterKeyId === '' ? '' : KEY_PREFIX + query.afterKeyId
    const records = await this.#records.list({ prefix: KEY_PREFIX, afterId, limit: query.limit })
    return records.map(({ value }) => describe(decodeMasterKey(value)))
  }

  async rotateKey(keyId: string): Promise<KeyDescription> {
    return this.#change(keyId, (key) => {
      assertUsable(key, keyId)
      return { ...key, versions: [...key.versions, this.#newVersion(keyId, key.versions.length + 1)] }
    })
  }

  async enableKey(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, enabled)
  }

  async disableKey(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, disabled)
  }

  async scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<KeyDescription> {
    return this.#changeLife(keyId, pendingDeletion(pendingDays, Date.now()))
  }

  async cancelKeyDeletion(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, deletionCancelled)
  }

  /** The record stays, without the wrapped versions: the id is never used again. */
  async destroyKey(keyId: string): Promise<KeyDescription> {
    const destroy = destroyed(Date.now())
    return this.#change(keyId, (key) => ({
      keyId: key.keyId,
      createdAt: key.createdAt,
      ...destroy(key, keyId),
      versions: key.versions.map(({ createdAt }) => ({ createdAt, sealed: '' })),
    }))
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
    const opened = await this.#read(wrapped.keyId)
    assertUsable(opened.key, wrapped.keyId)
    const master = this.#openVersion(opened, wrapped.keyVersion)
    try {
      return unwrapSecret(wrapped.ciphertext, master, DATA_KEY_PURPOSE, context)
    } catch (cause) {
      throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId: wrapped.keyId }, { cause })
    }
  }

  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    const plaintext = await this.decrypt(wrapped, context)
    try {
      return await this.#wrap(plaintext, keyId, context)
    } finally {
      plaintext.wipe()
    }
  }

  async selfTest(): Promise<void> {
    await checkRootKey(this.#rootKey, this.#records)
  }

  async close(): Promise<void> {
    for (const keyId of [...this.#opened.keys()]) this.#forget(keyId)
    this.#rootKey.wipe()
  }

  async #wrap(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    // Read each time: what another process has rotated counts from the next wrap on.
    const opened = await this.#read(keyId)
    assertUsable(opened.key, keyId)
    const keyVersion = opened.key.versions.length
    const ciphertext = wrapSecret(plaintext, this.#openVersion(opened, keyVersion), DATA_KEY_PURPOSE, context)
    return { connector: this.name, keyId, keyVersion, ciphertext }
  }

  #changeLife(keyId: string, change: LifeChange): Promise<KeyDescription> {
    return this.#change(keyId, ({ keyId: id, createdAt, versions, ...life }) => ({
      keyId: id,
      createdAt,
      versions,
      ...change(life, keyId),
    }))
  }

  /** What another process changes meanwhile is not lost: this change is made on top of it. */
  async #change(keyId: string, change: (key: StoredMasterKey) => StoredMasterKey): Promise<KeyDescription> {
    return untilUnchanged(keyId, async () => {
      const { key, revision } = await this.#read(keyId)
      const changed = change(key)
      await this.#records.put(KEY_PREFIX + keyId, encodeMasterKey(changed), revision)
      return describe(changed)
    })
  }

  async #read(keyId: string): Promise<OpenedMasterKey> {
    const record = await this.#records.find(KEY_PREFIX + keyId)
    if (record === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    const known = this.#opened.get(keyId)
    if (known?.revision === record.revision) return known
    this.#forget(keyId)
    const key = decodeMasterKey(record.value)
    // Another key's record, put in the place of this one.
    if (key.keyId !== keyId) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    const opened = { key, revision: record.revision, versions: new Map<number, Secret>() }
    this.#opened.set(keyId, opened)
    return opened
  }

  #newVersion(keyId: string, version: number): StoredMasterKey['versions'][number] {
    const master = Secret.random(KEY_BYTES)
    const context = { keyId, version: String(version) }
    const sealed = Buffer.from(wrapSecret(master, this.#rootKey, MASTER_KEY_PURPOSE, context)).toString('base64')
    master.wipe()
    return { createdAt: Date.now(), sealed }
  }

  #openVersion({ key, versions }: OpenedMasterKey, version: number): Secret {
    const known = versions.get(version)
    if (known !== undefined) return known
    const stored = key.versions[version - 1]
    if (stored === undefined) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId: key.keyId, version })
    try {
      const sealed = Buffer.from(stored.sealed, 'base64')
      const context = { keyId: key.keyId, version: String(version) }
      const master = unwrapSecret(sealed, this.#rootKey, MASTER_KEY_PURPOSE, context)
      versions.set(version, master)
      return master
    } catch (cause) {
      throw kmsError('KMS_RECORD_DAMAGED', { keyId: key.keyId }, { cause })
    }
  }

  #forget(keyId: string): void {
    for (const master of this.#opened.get(keyId)?.versions.values() ?? []) master.wipe()
    this.#opened.delete(keyId)
  }
}

function describe(key: StoredMasterKey): KeyDescription {
  return {
    keyId: key.keyId,
    state: key.state,
    createdAt: key.createdAt,
    ...(key.deletionAt !== undefined && { deletionAt: key.deletionAt }),
    currentVersion: key.versions.length,
    versions: key.versions.map(({ createdAt }, index) => ({ version: index + 1, createdAt })),
  }
}
