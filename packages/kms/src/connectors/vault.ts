import { encodeContext, insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { kmsError } from '../errors.ts'
import { assertKeyId } from '../key-id.ts'
import { assertUsable, deletionCancelled, disabled, enabled, type LifeChange, pendingDeletion } from '../key-life.ts'
import { KeyLives } from '../key-lives.ts'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  KmsConnectorPlugin,
  KmsContext,
  WrappedKey,
} from '../kms-connector.ts'
import { VaultOptions } from './vault/options.ts'
import type { VaultAnswer } from './vault/vault-answer.ts'
import { VaultClient } from './vault/vault-client.ts'

const PLAINTEXT_BYTES_MAX = 4096
const DATA_KEY_BITS = 256
/** Transit's own form: the version, then base64. */
const CIPHERTEXT = /^vault:v([1-9]\d{0,8}):[A-Za-z0-9+/]+={0,2}$/

const KeyAnswer = z.object({
  data: z.object({ latest_version: z.int().min(1), keys: z.record(z.string(), z.number()) }),
})
const ListAnswer = z.object({ data: z.object({ keys: z.array(z.string()) }) })
const DataKeyAnswer = z.object({ data: z.object({ plaintext: z.base64(), ciphertext: z.string() }) })
const CiphertextAnswer = z.object({ data: z.object({ ciphertext: z.string() }) })
const PlaintextAnswer = z.object({ data: z.object({ plaintext: z.base64() }) })

/**
 * HashiCorp Vault or OpenBao Transit: master keys that never leave the server (Vault API, "Transit secrets engine"). Keys are
 * `derived`: Transit derives the key that encrypts from the context, so that another context opens nothing.
 */
export const vaultConnector: KmsConnectorPlugin<VaultOptions> = {
  type: 'vault',
  options: VaultOptions,
  async open(options, context) {
    return new VaultConnector(await VaultClient.open(options), options, context)
  },
}

class VaultConnector implements KmsConnector {
  readonly name: string
  readonly #client: VaultClient
  readonly #mount: string
  readonly #keyPrefix: string
  /** Transit can't disable a key: Coffer does, for itself. */
  readonly #lives: KeyLives

  constructor(client: VaultClient, options: VaultOptions, context: KmsContext) {
    this.name = context.name
    this.#client = client
    this.#mount = options.mount
    this.#keyPrefix = options.keyPrefix
    this.#lives = new KeyLives(context.records)
  }

  async createKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    // Transit takes a key that is there for made: two who create it at the same time both succeed.
    if ((await this.#find(keyId)) !== undefined) throw kmsError('KMS_KEY_EXISTS', { keyId })
    const made = await this.#client.call('POST', this.#path('keys', keyId), { type: 'aes256-gcm96', derived: true })
    if (made.kind !== 'ok') throw kmsError('KMS_ACCESS_DENIED', { keyId })
    return this.describeKey(keyId)
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    const key = await this.#find(keyId)
    if (key === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    const versions = Object.entries(key.keys)
      .map(([version, seconds]) => ({ version: Number(version), createdAt: seconds * 1000 }))
      .sort((a, b) => a.version - b.version)
    const createdAt = versions[0]?.createdAt ?? 0
    return { keyId, createdAt, currentVersion: key.latest_version, versions, ...(await this.#lives.find(keyId)) }
  }

  async listKeys({ afterKeyId, limit }: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    const answer = await this.#client.call('LIST', `${this.#mount}/keys`)
    if (answer.kind === 'not-found') return []
    const names = parse(ListAnswer, answer).data.keys
    const keyIds = names
      .filter((name) => name.startsWith(this.#keyPrefix))
      .map((name) => name.slice(this.#keyPrefix.length))
      .filter((keyId) => keyId > afterKeyId)
      .sort()
    return Promise.all(keyIds.slice(0, limit).map((keyId) => this.describeKey(keyId)))
  }

  async rotateKey(keyId: string): Promise<KeyDescription> {
    await this.describeKey(keyId)
    await this.#assertUsable(keyId)
    await this.#client.call('POST', this.#path('keys', keyId, 'rotate'), {})
    return this.describeKey(keyId)
  }

  enableKey(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, enabled)
  }

  disableKey(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, disabled)
  }

  async scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<KeyDescription> {
    return this.#changeLife(keyId, pendingDeletion(pendingDays, Date.now()))
  }

  cancelKeyDeletion(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, deletionCancelled)
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    await this.#assertUsable(keyId)
    // Unlike `encrypt`, this never makes a key that is not there.
    const path = this.#path('datakey/plaintext', keyId)
    const answer = await this.#client.call('POST', path, { bits: DATA_KEY_BITS, context: contextOf(keyId, context) })
    if (answer.kind !== 'ok') throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    const { plaintext, ciphertext } = parse(DataKeyAnswer, answer).data
    return { plaintext: secretOf(plaintext), wrapped: this.#wrapped(keyId, ciphertext) }
  }

  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    const { lengthBytes } = plaintext
    if (lengthBytes === 0 || lengthBytes > PLAINTEXT_BYTES_MAX) throw kmsError('KMS_PLAINTEXT_SIZE_INVALID')
    // Transit makes a key that it is asked to encrypt under, where the policy lets it.
    await this.describeKey(keyId)
    await this.#assertUsable(keyId)
    const answer = await this.#client.call('POST', this.#path('encrypt', keyId), {
      plaintext: Buffer.from(insecureExportKeyBytes(plaintext)).toString('base64'),
      context: contextOf(keyId, context),
    })
    return this.#wrapped(keyId, parse(CiphertextAnswer, answer).data.ciphertext)
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    const { keyId } = wrapped
    await this.#assertUsable(keyId)
    const ciphertext = ciphertextOf(wrapped)
    const path = this.#path('decrypt', keyId)
    const answer = await this.#client.call('POST', path, { ciphertext, context: contextOf(keyId, context) })
    if (answer.kind !== 'ok') throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    return secretOf(parse(PlaintextAnswer, answer).data.plaintext)
  }

  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    if (keyId !== wrapped.keyId) return this.#moveTo(wrapped, context, keyId)
    await this.#assertUsable(keyId)
    const ciphertext = ciphertextOf(wrapped)
    const path = this.#path('rewrap', keyId)
    const answer = await this.#client.call('POST', path, { ciphertext, context: contextOf(keyId, context) })
    if (answer.kind !== 'ok') throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    return this.#wrapped(keyId, parse(CiphertextAnswer, answer).data.ciphertext)
  }

  /** Logs in, and may see the keys. */
  async selfTest(): Promise<void> {
    const answer = await this.#client.call('LIST', `${this.#mount}/keys`)
    if (answer.kind === 'refused') throw kmsError('KMS_ACCESS_DENIED')
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #moveTo(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    const plaintext = await this.decrypt(wrapped, context)
    try {
      return await this.encrypt(plaintext, keyId, context)
    } finally {
      plaintext.wipe()
    }
  }

  async #changeLife(keyId: string, change: LifeChange): Promise<KeyDescription> {
    const key = await this.describeKey(keyId)
    const { deletionAt: _, ...rest } = key
    return { ...rest, ...(await this.#lives.change(keyId, change)) }
  }

  async #assertUsable(keyId: string): Promise<void> {
    assertUsable(await this.#lives.find(keyId), keyId)
  }

  async #find(keyId: string): Promise<z.infer<typeof KeyAnswer>['data'] | undefined> {
    assertKeyId(keyId)
    const answer = await this.#client.call('GET', this.#path('keys', keyId))
    return answer.kind === 'not-found' ? undefined : parse(KeyAnswer, answer).data
  }

  #wrapped(keyId: string, ciphertext: string): WrappedKey {
    const version = CIPHERTEXT.exec(ciphertext)?.[1]
    if (version === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId })
    return { connector: this.name, keyId, keyVersion: Number(version), ciphertext: Buffer.from(ciphertext) }
  }

  #path(action: string, keyId: string, then?: string): string {
    assertKeyId(keyId)
    return [this.#mount, action, `${this.#keyPrefix}${keyId}`, ...(then ? [then] : [])].join('/')
  }
}

/** What Transit derives the encrypting key from: never empty, and another for another key. */
function contextOf(keyId: string, context: EncryptionContext): string {
  return Buffer.from(encodeContext({ ...context, 'coffer:key': keyId })).toString('base64')
}

/** KMS_CIPHERTEXT_REFUSED unless it is of Transit's form and of the version that the record says. */
function ciphertextOf({ ciphertext, keyId, keyVersion }: WrappedKey): string {
  const text = Buffer.from(ciphertext).toString('latin1')
  if (CIPHERTEXT.exec(text)?.[1] !== String(keyVersion)) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
  return text
}

function secretOf(base64: string): Secret {
  return Secret.take(Buffer.from(base64, 'base64'))
}

/** KMS_UNAVAILABLE for an answer of another form: whatever answers is not Transit. */
function parse<T>(schema: z.ZodType<T>, answer: VaultAnswer): T {
  const parsed = schema.safeParse(answer.kind === 'ok' ? answer.body : undefined)
  if (!parsed.success) throw kmsError('KMS_UNAVAILABLE')
  return parsed.data
}
