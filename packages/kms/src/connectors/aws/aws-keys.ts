import {
  DescribeKeyCommand,
  type KeyMetadata,
  ListAliasesCommand,
  type ListAliasesCommandOutput,
  ListKeyRotationsCommand,
  type ListKeyRotationsCommandOutput,
  type RotationsListEntry,
} from '@aws-sdk/client-kms'
import { isCofferError } from '@coffer/errors'
import { assertKeyId, isKeyId } from '../../arguments.ts'
import { kmsError } from '../../errors.ts'
import { assertUsable } from '../../key-life.ts'
import type { KeyDescription } from '../../kms-connector.ts'
import type { AwsClient } from './aws-client.ts'
import { isStateInvalid } from './aws-errors.ts'
import { type AwsKey, awsKeyOf, firstVersion, type KeyVersion, timeOf, versionOf } from './aws-key.ts'
import type { AwsOptions } from './options.ts'

/** KMS API Reference, ListAliases and ListKeyRotations: the most that an answer holds. */
const ALIASES_PER_PAGE = 100
const ROTATIONS_PER_PAGE = 1000
/** Whatever goes on for longer is not AWS KMS. */
const PAGES_MAX = 1000
const ALIAS_CHARACTERS = /^[A-Za-z0-9/_-]+$/

/**
 * Which keys of AWS KMS are Coffer's, and how their versions are counted. AWS gives a key's material an id, not a number:
 * the first material is version 1, and each rotation, by hand or automatic, adds one (KMS API Reference, ListKeyRotations).
 */
export class AwsKeys {
  readonly #client: AwsClient
  readonly #keyPrefix: string
  readonly #named: Readonly<Record<string, string>>
  /** By ARN. A version that is there stays, so that they are asked for again only after a rotation. */
  readonly #versions = new Map<string, readonly KeyVersion[]>()

  constructor(client: AwsClient, { keyPrefix, keys }: AwsOptions) {
    this.#client = client
    this.#keyPrefix = keyPrefix
    this.#named = keys
  }

  isNamed(keyId: string): boolean {
    return Object.hasOwn(this.#named, keyId)
  }

  /** KMS_KEY_ID_INVALID for what cannot be an alias. */
  aliasOf(keyId: string): string {
    assertKeyId(keyId)
    const name = this.#keyPrefix + keyId
    if (!ALIAS_CHARACTERS.test(name)) throw kmsError('KMS_KEY_ID_INVALID', { keyId })
    return `alias/${name}`
  }

  /** What AWS calls it. KMS_KEY_ID_INVALID, KMS_KEY_NOT_FOUND. */
  targetOf(keyId: string): string {
    assertKeyId(keyId)
    const named = this.isNamed(keyId) ? this.#named[keyId] : undefined
    if (named !== undefined) return named
    if (!ALIAS_CHARACTERS.test(keyId)) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    return this.aliasOf(keyId)
  }

  /** KMS_KEY_NOT_FOUND; KMS_NOT_SUPPORTED for a key that signs, or whose encryption takes no context. */
  async get(keyId: string): Promise<AwsKey> {
    const KeyId = this.targetOf(keyId)
    const { KeyMetadata: metadata } = await this.#client.call({ keyId }, (client, options) =>
      client.send(new DescribeKeyCommand({ KeyId }), options),
    )
    if (metadata?.KeyId === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId })
    if (metadata.KeySpec !== 'SYMMETRIC_DEFAULT' || metadata.KeyUsage !== 'ENCRYPT_DECRYPT') {
      throw kmsError('KMS_NOT_SUPPORTED', { keyId })
    }
    return awsKeyOf(keyId, metadata, await this.#versionsOf(keyId, metadata))
  }

  /** KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION. */
  async getUsable(keyId: string): Promise<AwsKey> {
    const key = await this.get(keyId)
    assertUsable(key.description, keyId)
    return key
  }

  /** What is wrong with which of the keys: AWS does not tell which, nor what an invalid state is. */
  async explained<T>(keyIds: readonly string[], act: () => Promise<T>): Promise<T> {
    try {
      return await act()
    } catch (error) {
      const asked = new Set(keyIds)
      const isOfOne =
        asked.size > 1 && (isCofferError(error, 'KMS_KEY_DISABLED') || isCofferError(error, 'KMS_KEY_NOT_FOUND'))
      if (isStateInvalid(error) || isOfOne) for (const keyId of asked) await this.getUsable(keyId)
      throw error
    }
  }

  /** One that CreateKey has just made: neither its alias nor its rotations need be known everywhere yet. */
  made(keyId: string, metadata: KeyMetadata): AwsKey {
    return awsKeyOf(keyId, metadata, [firstVersion(metadata)])
  }

  /** The number of a key's material. KMS_UNAVAILABLE while AWS does not list it yet. */
  async versionOf(keyId: string, materialId: string): Promise<number> {
    const known = this.#knownVersion(materialId)
    if (known !== undefined) return known
    await this.get(keyId)
    const asked = this.#knownVersion(materialId)
    if (asked === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId, reason: 'rotation-not-listed' })
    return asked
  }

  async list({ afterKeyId, limit }: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    const keyIds = new Set([...Object.keys(this.#named), ...(await this.#aliasedKeyIds())])
    const described: KeyDescription[] = []
    for (const keyId of [...keyIds].filter((one) => one > afterKeyId).sort()) {
      if (described.length >= limit) break
      try {
        described.push((await this.get(keyId)).description)
      } catch (error) {
        // Neither what was deleted meanwhile nor what others keep under this prefix for other ends.
        if (!isCofferError(error, 'KMS_KEY_NOT_FOUND') && !isCofferError(error, 'KMS_NOT_SUPPORTED')) throw error
      }
    }
    return described
  }

  #knownVersion(materialId: string): number | undefined {
    for (const versions of this.#versions.values()) {
      const found = versions.find((one) => one.materialId === materialId)
      if (found !== undefined) return found.version
    }
    return undefined
  }

  async #aliasedKeyIds(): Promise<readonly string[]> {
    const prefix = `alias/${this.#keyPrefix}`
    const keyIds: string[] = []
    const pages = this.#pages<ListAliasesCommandOutput>({}, (page, client, options) =>
      client.send(new ListAliasesCommand({ Limit: ALIASES_PER_PAGE, ...page }), options),
    )
    for await (const { Aliases = [] } of pages) {
      for (const { AliasName = '', TargetKeyId } of Aliases) {
        const keyId = AliasName.slice(prefix.length)
        // An alias without a key is one of AWS's own.
        if (AliasName.startsWith(prefix) && TargetKeyId !== undefined && isKeyId(keyId)) keyIds.push(keyId)
      }
    }
    return keyIds
  }

  async #versionsOf(keyId: string, metadata: KeyMetadata): Promise<readonly KeyVersion[]> {
    const { Arn = '', CurrentKeyMaterialId: materialId } = metadata
    const known = this.#versions.get(Arn)
    if (materialId !== undefined && known?.some((one) => one.materialId === materialId)) return known
    const rotations = await this.#rotationsOf(keyId, metadata)
    if (materialId === undefined)
      return [firstVersion(metadata), ...rotations.map((one, index) => versionOf(one, index + 2))]
    const versions = rotations.map((one, index) => versionOf(one, index + 1, metadata))
    if (!versions.some((one) => one.materialId === materialId)) {
      throw kmsError('KMS_UNAVAILABLE', { keyId, reason: 'rotation-not-listed' })
    }
    this.#versions.set(Arn, versions)
    return versions
  }

  /** From the oldest on; with the first material where materials have ids. */
  async #rotationsOf(
    keyId: string,
    { KeyId, CurrentKeyMaterialId }: KeyMetadata,
  ): Promise<readonly RotationsListEntry[]> {
    const pages = this.#pages<ListKeyRotationsCommandOutput>({ keyId }, (page, client, options) => {
      const input = { KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL', Limit: ROTATIONS_PER_PAGE, ...page } as const
      return client.send(new ListKeyRotationsCommand(input), options)
    })
    const rotations: RotationsListEntry[] = []
    try {
      for await (const { Rotations = [] } of pages) rotations.push(...Rotations)
    } catch (error) {
      // Of a custom key store: such a key has one version for ever.
      if (CurrentKeyMaterialId !== undefined || !isCofferError(error, 'KMS_NOT_SUPPORTED')) throw error
    }
    return rotations
      .filter(({ KeyMaterialState: state = '' }) => !state.startsWith('PENDING'))
      .sort((a, b) => timeOf(a.RotationDate) - timeOf(b.RotationDate))
  }

  async *#pages<P extends { NextMarker?: string | undefined; Truncated?: boolean | undefined }>(
    details: Readonly<Record<string, string>>,
    ask: (page: { Marker?: string }, ...sending: Parameters<Parameters<AwsClient['call']>[1]>) => Promise<P>,
  ): AsyncGenerator<P> {
    let page: { Marker?: string } = {}
    for (let count = 0; count < PAGES_MAX; count++) {
      const answer: P = await this.#client.call(details, (client, options) => ask(page, client, options))
      yield answer
      if (answer.Truncated !== true || !answer.NextMarker) return
      page = { Marker: answer.NextMarker }
    }
    throw kmsError('KMS_UNAVAILABLE', details)
  }
}
