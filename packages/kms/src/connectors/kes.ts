import { encodeContext, type Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { assertKeyId, assertPlaintextSize, isKeyId } from '../arguments.ts'
import { kmsError } from '../errors.ts'
import { assertUsable, type LifeChange } from '../key-life.ts'
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
import { type KesAnswer, KesClient } from './kes/kes-client.ts'
import { isLaterVersionOf, laterVersionName, listNames, nameOf } from './kes/key-names.ts'
import { LaterVersions } from './kes/later-versions.ts'
import { KesOptions } from './kes/options.ts'
import { LivingKeys } from './living-keys.ts'
import { rewrapInTheClear } from './rewrap-in-the-clear.ts'

const DATA_KEY_BYTES = 32

const KeyAnswer = z.object({ name: z.string(), created_at: z.string().optional() })
const DataKeyAnswer = z.object({ plaintext: z.base64(), ciphertext: z.base64() })
const CiphertextAnswer = z.object({ ciphertext: z.base64() })
const PlaintextAnswer = z.object({ plaintext: z.base64() })
const StatusAnswer = z.object({ version: z.string(), keystore_unreachable: z.boolean().optional() })

/**
 * MinIO KES: master keys that never leave the server, also those that MinIO has used so far (KES documentation, "Server
 * API"). The server authenticates the encryption context as additional data.
 */
export const kesConnector: KmsConnectorPlugin<KesOptions> = {
  type: 'kes',
  options: KesOptions,
  async open(options, context) {
    return new KesConnector(await KesClient.open(options), options, context)
  },
}

class KesConnector extends LivingKeys implements KmsConnector {
  readonly name: string
  readonly #client: KesClient
  readonly #keyPrefix: string
  /** A key of KES can't be disabled: Coffer does, for itself. */
  readonly #lives: KeyLives
  readonly #later: LaterVersions

  constructor(client: KesClient, options: KesOptions, context: KmsContext) {
    super()
    this.name = context.name
    this.#client = client
    this.#keyPrefix = options.keyPrefix
    this.#lives = new KeyLives(context.records)
    this.#later = new LaterVersions(context.records)
  }

  async createKey(keyId: string): Promise<KeyDescription> {
    assertKeyId(keyId)
    const name = nameOf(this.#keyPrefix, keyId)
    if (name === undefined) throw kmsError('KMS_KEY_ID_INVALID', { keyId })
    // Removed in KES behind Coffer's back, but not what it wrapped under the later versions.
    if ((await this.#later.find(keyId)).length > 0) throw kmsError('KMS_KEY_EXISTS', { keyId })
    await this.#create(keyId, name)
    return this.describeKey(keyId)
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    const description = await this.#find(keyId)
    if (description === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    return description
  }

  async listKeys({ afterKeyId, limit }: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    const names = await listNames(this.#client, this.#keyPrefix)
    const keyIds = names.map((name) => name.slice(this.#keyPrefix.length)).filter((keyId) => keyId > afterKeyId)
    const described: KeyDescription[] = []
    for (const keyId of keyIds) {
      if (described.length >= limit) break
      // Not what was deleted meanwhile, nor what could not be a key of Coffer's.
      const description = isKeyId(keyId) ? await this.#find(keyId) : undefined
      if (description !== undefined) described.push(description)
    }
    return described
  }

  /** A key of KES has no versions: the next version is another key of KES. */
  async rotateKey(keyId: string): Promise<KeyDescription> {
    assertUsable(await this.describeKey(keyId), keyId)
    const name = laterVersionName(this.#firstNameOf(keyId))
    await this.#create(keyId, name)
    await this.#later.append(keyId, { name, createdAt: Date.now() })
    return this.describeKey(keyId)
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    const { name, keyVersion } = await this.#current(keyId)
    const body = { context: contextOf(keyId, keyVersion, context) }
    const answer = await this.#client.call('POST', `key/generate/${name}`, body)
    const made = bodyOf(DataKeyAnswer, answer, keyId)
    const plaintext = secretOf(made.plaintext)
    if (plaintext.lengthBytes !== DATA_KEY_BYTES) throw kmsError('KMS_UNAVAILABLE', { keyId })
    return { plaintext, wrapped: this.#wrapped(keyId, keyVersion, made.ciphertext) }
  }

  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    assertPlaintextSize(plaintext)
    const { name, keyVersion } = await this.#current(keyId)
    const answer = await this.#client.call('POST', `key/encrypt/${name}`, {
      plaintext: base64Of(plaintext),
      context: contextOf(keyId, keyVersion, context),
    })
    return this.#wrapped(keyId, keyVersion, bodyOf(CiphertextAnswer, answer, keyId).ciphertext)
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    const { keyId, keyVersion } = wrapped
    const names = await this.#usableNames(keyId)
    const name = names[keyVersion - 1]
    if (name === undefined) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    const answer = await this.#client.call('POST', `key/decrypt/${name}`, {
      ciphertext: Buffer.from(wrapped.ciphertext).toString('base64'),
      context: contextOf(keyId, keyVersion, context),
    })
    if (answer.kind === 'not-authentic') throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    return secretOf(bodyOf(PlaintextAnswer, answer, keyId).plaintext)
  }

  /** KES has no rewrap of its own. */
  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    return await rewrapInTheClear(this, wrapped, context, keyId)
  }

  /** Is let in, and KES reaches where it keeps its keys. */
  async selfTest(): Promise<void> {
    const answer = await this.#client.call('GET', 'status')
    const status = StatusAnswer.safeParse(answer.kind === 'ok' ? answer.body : undefined)
    if (!status.success || status.data.keystore_unreachable === true) throw kmsError('KMS_UNAVAILABLE')
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #create(keyId: string, name: string): Promise<void> {
    const made = await this.#client.call('POST', `key/create/${name}`)
    if (made.kind === 'exists') throw kmsError('KMS_KEY_EXISTS', { keyId })
    if (made.kind !== 'ok') throw kmsError('KMS_UNAVAILABLE', { keyId })
  }

  async #find(keyId: string): Promise<KeyDescription | undefined> {
    assertKeyId(keyId)
    const name = nameOf(this.#keyPrefix, keyId)
    const answer = name === undefined ? undefined : await this.#client.call('GET', `key/describe/${name}`)
    if (answer === undefined || answer.kind === 'not-found') return undefined
    const described = bodyOf(KeyAnswer, answer, keyId)
    if (described.name !== name) throw kmsError('KMS_UNAVAILABLE', { keyId })
    const createdAt = timeOf(described.created_at)
    const times = [createdAt, ...(await this.#later.find(keyId)).map((version) => version.createdAt)]
    const versions = times.map((time, index) => ({ version: index + 1, createdAt: time }))
    return { keyId, createdAt, currentVersion: versions.length, versions, ...(await this.#lives.find(keyId)) }
  }

  protected async changeLife(keyId: string, change: LifeChange): Promise<KeyDescription> {
    const { deletionAt: _, ...rest } = await this.describeKey(keyId)
    return { ...rest, ...(await this.#lives.change(keyId, change)) }
  }

  async #current(keyId: string): Promise<{ name: string; keyVersion: number }> {
    const names = await this.#usableNames(keyId)
    return { name: names.at(-1) ?? this.#firstNameOf(keyId), keyVersion: names.length }
  }

  /** The keys of KES that are the versions of this key, from version 1. */
  async #usableNames(keyId: string): Promise<readonly string[]> {
    const first = this.#firstNameOf(keyId)
    assertUsable(await this.#lives.find(keyId), keyId)
    const later = (await this.#later.find(keyId)).map(({ name }) => name)
    // Another key of KES, to which somebody else may have access: whoever wrote it into the record has it used in this one's place.
    if (!later.every((name) => isLaterVersionOf(first, name))) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    return [first, ...later]
  }

  #firstNameOf(keyId: string): string {
    assertKeyId(keyId)
    const name = nameOf(this.#keyPrefix, keyId)
    if (name === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    return name
  }

  #wrapped(keyId: string, keyVersion: number, base64: string): WrappedKey {
    return { connector: this.name, keyId, keyVersion, ciphertext: Buffer.from(base64, 'base64') }
  }
}

/** Bound to the key and its version whatever the records say of them. */
function contextOf(keyId: string, keyVersion: number, context: EncryptionContext): string {
  const bound = { ...context, 'coffer:key': keyId, 'coffer:version': String(keyVersion) }
  return Buffer.from(encodeContext(bound)).toString('base64')
}

/** 0 for keys from before KES kept the time. */
function timeOf(createdAt: string | undefined): number {
  const time = Date.parse(createdAt ?? '')
  return Number.isNaN(time) ? 0 : Math.max(time, 0)
}

/** KMS_KEY_NOT_FOUND; KMS_UNAVAILABLE for an answer of another form: whatever answers is not KES. */
function bodyOf<T>(schema: z.ZodType<T>, answer: KesAnswer, keyId: string): T {
  if (answer.kind === 'not-found') throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
  const parsed = schema.safeParse(answer.kind === 'ok' ? answer.body : undefined)
  if (!parsed.success) throw kmsError('KMS_UNAVAILABLE', { keyId })
  return parsed.data
}
