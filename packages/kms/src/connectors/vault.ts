import { encodeContext, type Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { assertKeyId, assertPlaintextSize } from '../arguments.ts'
import { type KmsErrorCode, kmsError } from '../errors.ts'
import { assertUsable, type KeyLife, type LifeChange } from '../key-life.ts'
import { KeyLives } from '../key-lives.ts'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  KmsConnectorPlugin,
  KmsContext,
  WrappedKey,
} from '../kms-connector.ts'
import { base64Of, secretOf } from './base64-secret.ts'
import { LivingKeys } from './living-keys.ts'
import { rewrapInTheClear } from './rewrap-in-the-clear.ts'
import { VaultOptions } from './vault/options.ts'
import type { VaultAnswer } from './vault/vault-answer.ts'
import { VaultClient } from './vault/vault-client.ts'

const DATA_KEY_BITS = 256
/** Transit's own form: the version, then base64. */
const CIPHERTEXT = /^vault:v([1-9]\d{0,8}):([A-Za-z0-9+/]+={0,2})$/

const KEY_TYPE = 'aes256-gcm96'
/** What Transit takes as the name of a key. */
const KEY_NAME = /^\w(?:[\w.-]*\w)?$/

const KeyAnswer = z.object({
  data: z.object({
    type: z.string(),
    derived: z.boolean(),
    /** OpenBao: out of use until an operator restores it. */
    soft_deleted: z.boolean().optional(),
    latest_version: z.int().min(1),
    /** Times in seconds; of keys for other ends, objects. */
    keys: z.record(z.string(), z.unknown()),
  }),
})
type TransitKey = z.infer<typeof KeyAnswer>['data']
const VersionTimes = z.record(z.string(), z.number())
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

class VaultConnector extends LivingKeys implements KmsConnector {
  readonly name: string
  readonly #client: VaultClient
  readonly #mount: string
  readonly #keyPrefix: string
  /** Transit can't disable a key: Coffer does, for itself. */
  readonly #lives: KeyLives
  /** Keys seen to authenticate the context, which a key cannot lose: asked once, not before every use. */
  readonly #suitable = new Set<string>()

  constructor(client: VaultClient, options: VaultOptions, context: KmsContext) {
    super()
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
    if (!KEY_NAME.test(this.#keyPrefix + keyId)) throw kmsError('KMS_KEY_ID_INVALID', { keyId })
    const made = await this.#client.call('POST', this.#path('keys', keyId), { type: KEY_TYPE, derived: true })
    if (made.kind !== 'ok') throw kmsError('KMS_ACCESS_DENIED', { keyId })
    return this.describeKey(keyId)
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    return this.#describe(keyId, await this.#get(keyId))
  }

  async #describe(keyId: string, key: TransitKey): Promise<KeyDescription> {
    const times = VersionTimes.safeParse(key.keys)
    if (!times.success) throw kmsError('KMS_UNAVAILABLE', { keyId })
    const versions = Object.entries(times.data)
      .map(([version, seconds]) => ({ version: Number(version), createdAt: seconds * 1000 }))
      .sort((a, b) => a.version - b.version)
    const createdAt = versions[0]?.createdAt ?? 0
    const life = stateOf(key, await this.#lives.find(keyId))
    return { keyId, createdAt, currentVersion: key.latest_version, versions, ...life }
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
    const described: KeyDescription[] = []
    for (const keyId of keyIds) {
      if (described.length >= limit) break
      const key = await this.#find(keyId)
      // Neither what was deleted meanwhile nor what others keep under this prefix for other ends.
      if (key !== undefined && isSuitable(key)) described.push(await this.#describe(keyId, key))
    }
    return described
  }

  async rotateKey(keyId: string): Promise<KeyDescription> {
    assertUsable(await this.describeKey(keyId), keyId)
    const rotated = await this.#client.call('POST', this.#path('keys', keyId, 'rotate'), {})
    if (rotated.kind !== 'ok') throw kmsError('KMS_UNAVAILABLE', { keyId })
    return this.describeKey(keyId)
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    await this.#assertUsable(keyId)
    // Unlike `encrypt`, this never makes a key that is not there.
    const path = this.#path('datakey/plaintext', keyId)
    const answer = await this.#client.call('POST', path, { bits: DATA_KEY_BITS, context: contextOf(keyId, context) })
    if (answer.kind !== 'ok') throw await this.#reasonOf(keyId, 'KMS_UNAVAILABLE')
    const { plaintext, ciphertext } = parse(DataKeyAnswer, answer).data
    return { plaintext: secretOf(plaintext), wrapped: this.#wrapped(keyId, ciphertext) }
  }

  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    assertPlaintextSize(plaintext)
    // Transit makes a key that it is asked to encrypt under, where the policy lets it.
    assertUsable(await this.describeKey(keyId), keyId)
    const answer = await this.#client.call('POST', this.#path('encrypt', keyId), {
      plaintext: base64Of(plaintext),
      context: contextOf(keyId, context),
    })
    if (answer.kind !== 'ok') throw await this.#reasonOf(keyId, 'KMS_UNAVAILABLE')
    return this.#wrapped(keyId, parse(CiphertextAnswer, answer).data.ciphertext)
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    const { keyId } = wrapped
    await this.#assertUsable(keyId)
    const ciphertext = ciphertextOf(wrapped)
    const path = this.#path('decrypt', keyId)
    const answer = await this.#client.call('POST', path, { ciphertext, context: contextOf(keyId, context) })
    if (answer.kind !== 'ok') throw await this.#reasonOf(keyId, 'KMS_CIPHERTEXT_REFUSED')
    return secretOf(parse(PlaintextAnswer, answer).data.plaintext)
  }

  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    if (keyId !== wrapped.keyId) return this.#moveTo(wrapped, context, keyId)
    await this.#assertUsable(keyId)
    const ciphertext = ciphertextOf(wrapped)
    const path = this.#path('rewrap', keyId)
    const answer = await this.#client.call('POST', path, { ciphertext, context: contextOf(keyId, context) })
    if (answer.kind !== 'ok') throw await this.#reasonOf(keyId, 'KMS_CIPHERTEXT_REFUSED')
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
    return await rewrapInTheClear(this, wrapped, context, keyId)
  }

  protected async changeLife(keyId: string, change: LifeChange): Promise<KeyDescription> {
    const key = await this.describeKey(keyId)
    const { deletionAt: _, ...rest } = key
    return { ...rest, ...(await this.#lives.change(keyId, change)) }
  }

  async #assertUsable(keyId: string): Promise<void> {
    assertUsable(await this.#lives.find(keyId), keyId)
    if (!this.#suitable.has(keyId)) await this.#get(keyId)
  }

  /** Why the server answered 400: the key is gone, or out of use, or it is what `otherwise` says. */
  async #reasonOf(keyId: string, otherwise: KmsErrorCode): Promise<Error> {
    this.#suitable.delete(keyId)
    assertUsable(stateOf(await this.#get(keyId), { state: 'enabled' }), keyId)
    return kmsError(otherwise, { keyId })
  }

  /** KMS_KEY_NOT_FOUND; KMS_NOT_SUPPORTED for a key with which any context would do. */
  async #get(keyId: string): Promise<TransitKey> {
    const key = await this.#find(keyId)
    if (key === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    if (!isSuitable(key)) throw kmsError('KMS_NOT_SUPPORTED', { keyId, type: key.type, derived: key.derived })
    this.#suitable.add(keyId)
    return key
  }

  async #find(keyId: string): Promise<TransitKey | undefined> {
    assertKeyId(keyId)
    if (!KEY_NAME.test(this.#keyPrefix + keyId)) return undefined
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

/** Of a key that is not derived, Transit takes no notice of the context: it would authenticate nothing. */
function isSuitable({ type, derived }: TransitKey): boolean {
  return type === KEY_TYPE && derived
}

/** What an operator has put out of use in the server itself nobody here can use. */
function stateOf(key: TransitKey, life: KeyLife): KeyLife {
  return key.soft_deleted === true && life.state === 'enabled' ? { state: 'disabled' } : life
}

/** What Transit derives the encrypting key from: never empty, and another for another key. */
function contextOf(keyId: string, context: EncryptionContext): string {
  return Buffer.from(encodeContext({ ...context, 'coffer:key': keyId })).toString('base64')
}

/** KMS_CIPHERTEXT_REFUSED unless it is of Transit's form and of the version that the record says. */
function ciphertextOf({ ciphertext, keyId, keyVersion }: WrappedKey): string {
  const text = Buffer.from(ciphertext).toString('latin1')
  const [, version, base64 = ''] = CIPHERTEXT.exec(text) ?? []
  // A decoder lets other spellings of the same bytes pass, and a changed byte with them.
  const isCanonical = Buffer.from(base64, 'base64').toString('base64') === base64
  if (version !== String(keyVersion) || !isCanonical) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
  return text
}

/** KMS_UNAVAILABLE for an answer of another form: whatever answers is not Transit. */
function parse<T>(schema: z.ZodType<T>, answer: VaultAnswer): T {
  const parsed = schema.safeParse(answer.kind === 'ok' ? answer.body : undefined)
  if (!parsed.success) throw kmsError('KMS_UNAVAILABLE')
  return parsed.data
}
