import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  KmsConnectorPlugin,
  KmsContext,
  KmsRecords,
  WrappedKey,
} from '@coffer/kms'
import { kmsError } from '@coffer/kms'
import { z } from 'zod'

/*
 * A KMS connector as a third party writes it: a package of its own, named in the configuration. Its master keys are derived
 * from a file. For tests, a file `mood` beside it says how it behaves: well, slow, away, hanging, rubbish, or wrong-key.
 */
const Options = z.strictObject({ directory: z.string().min(1), timeoutMs: z.int().optional() })
const NONCE_BYTES = 12
const SLOW_MS = 1_000
const TAG_BYTES = 16

interface StoredKey {
  readonly createdAt: number
  readonly versionCount: number
  readonly state: KeyDescription['state']
}

class ExampleConnector implements KmsConnector {
  readonly name: string
  readonly #directory: string
  readonly #records: KmsRecords

  constructor(directory: string, { name, records }: KmsContext) {
    this.name = name
    this.#directory = directory
    this.#records = records
  }

  async createKey(keyId: string) {
    await this.#answer()
    if ((await this.#records.find(keyId)) !== undefined) throw kmsError('KMS_KEY_EXISTS', { keyId })
    return this.#store(keyId, { createdAt: Date.now(), versionCount: 1, state: 'enabled' }, 0)
  }

  async describeKey(keyId: string) {
    await this.#answer()
    return describe(keyId, (await this.#find(keyId)).key)
  }

  async listKeys({ afterKeyId, limit }: { afterKeyId: string; limit: number }) {
    await this.#answer()
    const records = await this.#records.list({ prefix: '', afterId: afterKeyId, limit })
    return records.map(({ id, value }) => describe(id, JSON.parse(Buffer.from(value).toString())))
  }

  rotateKey(keyId: string) {
    return this.#change(keyId, (key) => ({ ...key, versionCount: key.versionCount + 1 }))
  }

  enableKey(keyId: string) {
    return this.#change(keyId, (key) => ({ ...key, state: 'enabled' }))
  }

  disableKey(keyId: string) {
    return this.#change(keyId, (key) => ({ ...key, state: 'disabled' }))
  }

  scheduleKeyDeletion(): Promise<KeyDescription> {
    return Promise.reject(kmsError('KMS_NOT_SUPPORTED'))
  }

  cancelKeyDeletion(): Promise<KeyDescription> {
    return Promise.reject(kmsError('KMS_NOT_SUPPORTED'))
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    const plaintext = Secret.take(randomBytes(32))
    return { plaintext, wrapped: await this.encrypt(plaintext, keyId, context) }
  }

  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext) {
    await this.#answer()
    const { versionCount } = (await this.#usable(keyId)).key
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#master(keyId, versionCount), nonce)
    cipher.setAAD(Buffer.from(JSON.stringify(Object.entries(context).sort())))
    const ciphertext = Buffer.concat([
      nonce,
      cipher.update(insecureExportKeyBytes(plaintext)),
      cipher.final(),
      cipher.getAuthTag(),
    ])
    return { connector: this.name, keyId, keyVersion: versionCount, ciphertext }
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext) {
    await this.#answer()
    await this.#usable(wrapped.keyId)
    if (this.#mood() === 'wrong-key') return Secret.random(32)
    const bytes = Buffer.from(wrapped.ciphertext)
    const master = this.#master(wrapped.keyId, wrapped.keyVersion)
    const decipher = createDecipheriv('aes-256-gcm', master, bytes.subarray(0, NONCE_BYTES))
    decipher.setAAD(Buffer.from(JSON.stringify(Object.entries(context).sort())))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    try {
      return Secret.take(Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]))
    } catch {
      throw kmsError('KMS_CIPHERTEXT_REFUSED')
    }
  }

  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string) {
    return this.encrypt(await this.decrypt(wrapped, context), keyId, context)
  }

  async selfTest() {
    await this.#answer()
  }

  async close() {}

  async #answer(): Promise<void> {
    const mood = this.#mood()
    if (mood === 'away') throw kmsError('KMS_UNAVAILABLE')
    if (mood === 'slow') await sleep(SLOW_MS)
    if (mood === 'rubbish') throw new TypeError('secret-in-an-error')
    if (mood === 'hanging') await new Promise(() => {})
  }

  #mood(): string {
    return readFileSync(join(this.#directory, 'mood'), 'utf8').trim()
  }

  #master(keyId: string, version: number): Buffer {
    return createHmac('sha256', readFileSync(join(this.#directory, 'seed')))
      .update(`${keyId}/${version}`)
      .digest()
  }

  async #usable(keyId: string) {
    const found = await this.#find(keyId)
    if (found.key.state !== 'enabled') throw kmsError('KMS_KEY_DISABLED', { keyId })
    return found
  }

  async #find(keyId: string): Promise<{ key: StoredKey; revision: number }> {
    const record = await this.#records.find(keyId)
    if (record === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    return { key: JSON.parse(Buffer.from(record.value).toString()), revision: record.revision }
  }

  async #change(keyId: string, change: (key: StoredKey) => StoredKey): Promise<KeyDescription> {
    await this.#answer()
    const { key, revision } = await this.#find(keyId)
    return this.#store(keyId, change(key), revision)
  }

  async #store(keyId: string, key: StoredKey, revision: number): Promise<KeyDescription> {
    await this.#records.put(keyId, Buffer.from(JSON.stringify(key)), revision)
    return describe(keyId, key)
  }
}

function describe(keyId: string, { createdAt, versionCount, state }: StoredKey): KeyDescription {
  const versions = Array.from({ length: versionCount }, (_, index) => ({ version: index + 1, createdAt }))
  return { keyId, state, createdAt, currentVersion: versionCount, versions }
}

const plugin: KmsConnectorPlugin<z.infer<typeof Options>> = {
  type: 'example-kms',
  options: Options,
  open: async ({ directory }, context) => new ExampleConnector(directory, context),
}
export default plugin
