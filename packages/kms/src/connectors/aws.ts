import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  ListAliasesCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms'
import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { kmsError } from '../errors.ts'
import { deletionCancelled, disabled, enabled, type LifeChange, pendingDeletion } from '../key-life.ts'
import type {
  EncryptionContext,
  KeyDescription,
  KmsConnector,
  KmsConnectorPlugin,
  WrappedKey,
} from '../kms-connector.ts'
import { AwsClient } from './aws/aws-client.ts'
import { AwsKeys } from './aws/aws-keys.ts'
import { rotate } from './aws/aws-rotation.ts'
import { AwsWraps } from './aws/aws-wraps.ts'
import { AwsOptions } from './aws/options.ts'
import { Patience } from './aws/patience.ts'

/** The shortest wait (KMS API Reference, ScheduleKeyDeletion). */
const ORPHAN_DAYS = 7

/**
 * AWS KMS: symmetric keys that never leave it (KMS API Reference, version 2014-11-01). A key `payments` is the one with the
 * alias `alias/coffer/payments`. The version is authenticated as part of the encryption context.
 */
export const awsConnector: KmsConnectorPlugin<AwsOptions> = {
  type: 'aws',
  options: AwsOptions,
  async open(options, { name }) {
    const client = await AwsClient.open(options)
    return new AwsConnector(name, client, new AwsKeys(client, options))
  },
}

class AwsConnector implements KmsConnector {
  readonly name: string
  readonly #client: AwsClient
  readonly #keys: AwsKeys
  readonly #wraps: AwsWraps

  constructor(name: string, client: AwsClient, keys: AwsKeys) {
    this.name = name
    this.#client = client
    this.#keys = keys
    this.#wraps = new AwsWraps(name, client, keys)
  }

  async createKey(keyId: string): Promise<KeyDescription> {
    const AliasName = this.#keys.aliasOf(keyId)
    if (this.#keys.isNamed(keyId) || (await this.#exists(keyId))) throw kmsError('KMS_KEY_EXISTS', { keyId })
    const input = {
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyUsage: 'ENCRYPT_DECRYPT',
      Description: `Coffer: ${keyId}`,
    } as const
    const { KeyMetadata: metadata } = await this.#client.call({ keyId }, (kms, options) =>
      kms.send(new CreateKeyCommand(input), options),
    )
    const TargetKeyId = metadata?.KeyId
    if (metadata === undefined || TargetKeyId === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId })
    try {
      await this.#giveAlias(keyId, { AliasName, TargetKeyId })
    } catch (error) {
      // Without an answer the alias may be there, and the key in use.
      if (!isCofferError(error, 'KMS_UNAVAILABLE')) await this.#discardKey(keyId, TargetKeyId)
      throw error
    }
    return this.#keys.made(keyId, metadata).description
  }

  async describeKey(keyId: string): Promise<KeyDescription> {
    return (await this.#keys.get(keyId)).description
  }

  listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]> {
    return this.#keys.list(query)
  }

  async rotateKey(keyId: string): Promise<KeyDescription> {
    return (await this.#keys.explained([keyId], () => rotate(this.#client, this.#keys, keyId))).description
  }

  enableKey(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, enabled, async (KeyId) => {
      await this.#client.call({ keyId }, (kms, options) => kms.send(new EnableKeyCommand({ KeyId }), options))
    })
  }

  disableKey(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, disabled, async (KeyId) => {
      await this.#client.call({ keyId }, (kms, options) => kms.send(new DisableKeyCommand({ KeyId }), options))
    })
  }

  async scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<KeyDescription> {
    return this.#changeLife(keyId, pendingDeletion(pendingDays, Date.now()), (KeyId) =>
      this.#scheduleDeletion(keyId, KeyId, pendingDays),
    )
  }

  cancelKeyDeletion(keyId: string): Promise<KeyDescription> {
    return this.#changeLife(keyId, deletionCancelled, async (KeyId) => {
      await this.#client.call({ keyId }, (kms, options) => kms.send(new CancelKeyDeletionCommand({ KeyId }), options))
    })
  }

  generateDataKey(keyId: string, context: EncryptionContext) {
    return this.#wraps.generateDataKey(keyId, context)
  }

  encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey> {
    return this.#wraps.encrypt(plaintext, keyId, context)
  }

  decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret> {
    return this.#wraps.decrypt(wrapped, context)
  }

  rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey> {
    return this.#wraps.rewrap(wrapped, context, keyId)
  }

  /** Has credentials, and may see the aliases. */
  async selfTest(): Promise<void> {
    await this.#client.call({}, (kms, options) => kms.send(new ListAliasesCommand({ Limit: 1 }), options))
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** A key that has just been made AWS may not know everywhere yet. */
  async #giveAlias(keyId: string, alias: { AliasName: string; TargetKeyId: string }): Promise<void> {
    const patience = new Patience(this.#client.timeoutMs)
    for (;;) {
      try {
        await this.#client.call({ keyId }, (kms, options) => kms.send(new CreateAliasCommand(alias), options))
        return
      } catch (error) {
        if (!isCofferError(error, 'KMS_KEY_NOT_FOUND')) throw error
        await patience.pause(() => kmsError('KMS_UNAVAILABLE', { keyId, reason: 'key-not-known-yet' }))
      }
    }
  }

  async #changeLife(
    keyId: string,
    change: LifeChange,
    act: (awsId: string) => Promise<{ deletionAt?: number } | undefined> | Promise<void>,
  ): Promise<KeyDescription> {
    const { awsId, description } = await this.#keys.get(keyId)
    const { state, deletionAt } = description
    const changed = change({ state, ...(deletionAt !== undefined && { deletionAt }) }, keyId)
    const told = await this.#keys.explained([keyId], () => Promise.resolve(act(awsId)))
    const { deletionAt: _, ...rest } = description
    // Not asked for again: what AWS has just changed it may not know everywhere yet.
    return { ...rest, ...changed, ...told }
  }

  async #scheduleDeletion(keyId: string, KeyId: string, PendingWindowInDays: number) {
    const { DeletionDate } = await this.#client.call({ keyId }, (kms, options) =>
      kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays }), options),
    )
    return DeletionDate === undefined ? undefined : { deletionAt: DeletionDate.getTime() }
  }

  async #exists(keyId: string): Promise<boolean> {
    try {
      await this.#keys.get(keyId)
      return true
    } catch (error) {
      if (isCofferError(error, 'KMS_KEY_NOT_FOUND')) return false
      throw isCofferError(error, 'KMS_NOT_SUPPORTED') ? kmsError('KMS_KEY_EXISTS', { keyId }) : error
    }
  }

  /** A key that got no alias has sealed nothing, but costs. */
  async #discardKey(keyId: string, awsId: string): Promise<void> {
    await this.#scheduleDeletion(keyId, awsId, ORPHAN_DAYS).catch(() => undefined)
  }
}
