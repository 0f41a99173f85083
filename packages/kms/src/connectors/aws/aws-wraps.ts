import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand, ReEncryptCommand } from '@aws-sdk/client-kms'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { assertPlaintextSize } from '../../arguments.ts'
import { kmsError } from '../../errors.ts'
import type { EncryptionContext, WrappedKey } from '../../kms-connector.ts'
import { type AwsClient, wipePlaintext } from './aws-client.ts'
import type { AwsKey } from './aws-key.ts'
import type { AwsKeys } from './aws-keys.ts'

const DATA_KEY_BYTES = 32
/** KMS API Reference, Decrypt, CiphertextBlob. */
const CIPHERTEXT_BYTES_MAX = 6144
/** A wrap whose version turns out to be another is done again; a key is not rotated more often than this meanwhile. */
const WRAP_ATTEMPTS_MAX = 3

/** What Coffer adds to the context, so that AWS authenticates key and version too. */
const KEY_FIELD = 'coffer:key'
const VERSION_FIELD = 'coffer:key-version'

/** What the calls that wrap have in common in their answers. */
interface Sealed {
  readonly ciphertext: Uint8Array | undefined
  readonly materialId: string | undefined
  readonly plaintext?: Uint8Array | undefined
}

interface Newest {
  readonly version: number
  readonly materialId?: string
}

/**
 * Data keys, wrapped and unwrapped by AWS. A wrapped key's version is part of its encryption context, which AWS authenticates,
 * and is the number of the material that AWS says it has used.
 */
export class AwsWraps {
  readonly #connector: string
  readonly #client: AwsClient
  readonly #keys: AwsKeys
  /** What the last wrap under a key found to be its newest version. Wrong after a rotation: the answer to the next wrap tells. */
  readonly #newest = new Map<string, Newest>()

  constructor(connector: string, client: AwsClient, keys: AwsKeys) {
    this.#connector = connector
    this.#client = client
    this.#keys = keys
  }

  async generateDataKey(keyId: string, context: EncryptionContext) {
    const KeyId = this.#keys.targetOf(keyId)
    const { wrapped, sealed } = await this.#wrap(keyId, context, async (EncryptionContext) => {
      const input = { KeyId, EncryptionContext, NumberOfBytes: DATA_KEY_BYTES }
      const answer = await this.#client.call({ keyId }, (kms, options) =>
        kms.send(new GenerateDataKeyCommand(input), options),
      )
      return { ciphertext: answer.CiphertextBlob, materialId: answer.KeyMaterialId, plaintext: answer.Plaintext }
    })
    if (sealed.plaintext?.length !== DATA_KEY_BYTES) throw discarded(sealed, keyId)
    return { plaintext: Secret.take(sealed.plaintext), wrapped }
  }

  /** Encrypt does not tell which material it used; ReEncrypt does. */
  async encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    assertPlaintextSize(plaintext)
    const KeyId = this.#keys.targetOf(keyId)
    const EncryptionContext = contextOf(keyId, context)
    const input = { KeyId, EncryptionContext, Plaintext: insecureExportKeyBytes(plaintext) }
    const { CiphertextBlob } = await this.#keys.explained([keyId], () =>
      this.#client.call({ keyId }, (kms, options) => kms.send(new EncryptCommand(input), options)),
    )
    return this.#reEncrypt({ keyId, ciphertext: CiphertextBlob, EncryptionContext }, context, keyId)
  }

  async decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    const { keyId } = wrapped
    const KeyId = this.#keys.targetOf(keyId)
    const input = {
      KeyId,
      CiphertextBlob: ciphertextOf(wrapped),
      EncryptionContext: contextOf(keyId, context, wrapped.keyVersion),
    }
    const answer = await this.#keys.explained([keyId], () =>
      this.#client.call({ keyId }, (kms, options) => kms.send(new DecryptCommand(input), options)),
    )
    const { Plaintext, KeyMaterialId } = answer
    if (Plaintext === undefined || Plaintext.length === 0) throw kmsError('KMS_UNAVAILABLE', { keyId })
    try {
      if (KeyMaterialId === undefined) await this.#keys.getUsable(keyId)
    } catch (error) {
      wipePlaintext(answer)
      throw error
    }
    return Secret.take(Plaintext)
  }

  /** Within AWS: the data key is not seen here. */
  async rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    const EncryptionContext = contextOf(wrapped.keyId, context, wrapped.keyVersion)
    const source = { keyId: wrapped.keyId, ciphertext: ciphertextOf(wrapped), EncryptionContext }
    return this.#reEncrypt(source, context, keyId)
  }

  async #reEncrypt(
    source: { keyId: string; ciphertext: Uint8Array | undefined; EncryptionContext: Record<string, string> },
    context: EncryptionContext,
    keyId: string,
  ): Promise<WrappedKey> {
    const input = {
      CiphertextBlob: source.ciphertext,
      SourceKeyId: this.#keys.targetOf(source.keyId),
      SourceEncryptionContext: source.EncryptionContext,
      DestinationKeyId: this.#keys.targetOf(keyId),
    }
    const { wrapped } = await this.#wrap(
      keyId,
      context,
      async (DestinationEncryptionContext) => {
        const answer = await this.#client.call({ keyId, sourceKeyId: source.keyId }, (kms, options) =>
          kms.send(new ReEncryptCommand({ ...input, DestinationEncryptionContext }), options),
        )
        if (answer.SourceKeyMaterialId === undefined) await this.#keys.getUsable(source.keyId)
        return { ciphertext: answer.CiphertextBlob, materialId: answer.DestinationKeyMaterialId }
      },
      source.keyId,
    )
    return wrapped
  }

  /**
   * Wraps under what is taken for the newest version, and again if the answer says that it is another. Where answers do not
   * say it, the version is asked for before each wrap, and the state with it.
   */
  async #wrap(
    keyId: string,
    context: EncryptionContext,
    seal: (encryptionContext: Record<string, string>) => Promise<Sealed>,
    sourceKeyId = keyId,
  ): Promise<{ wrapped: WrappedKey; sealed: Sealed }> {
    for (let attempt = 1; attempt <= WRAP_ATTEMPTS_MAX; attempt++) {
      const learnt = this.#newest.get(keyId)
      const newest = learnt ?? newestOf(await this.#keys.getUsable(keyId))
      const { version: keyVersion, materialId } = newest
      const encryptionContext = contextOf(keyId, context, keyVersion)
      const sealed = await this.#keys.explained([sourceKeyId, keyId], () => seal(encryptionContext))
      const { ciphertext } = sealed
      if (ciphertext === undefined || ciphertext.length === 0) throw discarded(sealed, keyId)
      const isUntold = sealed.materialId === undefined && learnt === undefined
      if (isUntold || sealed.materialId === materialId) {
        if (!isUntold) this.#newest.set(keyId, newest)
        return { wrapped: { connector: this.#connector, keyId, keyVersion, ciphertext }, sealed }
      }
      sealed.plaintext?.fill(0)
      await this.#learn(keyId, sealed.materialId)
    }
    throw kmsError('KMS_UNAVAILABLE', { keyId, reason: 'rotated-meanwhile' })
  }

  async #learn(keyId: string, materialId: string | undefined): Promise<void> {
    this.#newest.delete(keyId)
    if (materialId === undefined) return
    this.#newest.set(keyId, { materialId, version: await this.#keys.versionOf(keyId, materialId) })
  }
}

function newestOf({ description, materialId }: AwsKey): Newest {
  return { version: description.currentVersion, ...(materialId !== undefined && { materialId }) }
}

/** Another key's name or version makes it another context. KMS_NOT_SUPPORTED if the caller's has the names of these fields. */
function contextOf(keyId: string, context: EncryptionContext, keyVersion?: number): Record<string, string> {
  for (const field of [KEY_FIELD, VERSION_FIELD]) {
    if (Object.hasOwn(context, field)) throw kmsError('KMS_NOT_SUPPORTED', { field })
  }
  const version = keyVersion === undefined ? {} : { [VERSION_FIELD]: String(keyVersion) }
  return { ...context, [KEY_FIELD]: keyId, ...version }
}

/** KMS_CIPHERTEXT_REFUSED for what AWS would not look at. */
function ciphertextOf({ ciphertext, keyId }: WrappedKey): Uint8Array {
  if (ciphertext.length > 0 && ciphertext.length <= CIPHERTEXT_BYTES_MAX) return ciphertext
  throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
}

/** For an answer that is not what AWS KMS answers. */
function discarded({ plaintext }: Sealed, keyId: string): Error {
  plaintext?.fill(0)
  return kmsError('KMS_UNAVAILABLE', { keyId })
}
