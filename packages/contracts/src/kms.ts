import type { EncryptionContext, KeyDescription, RewrapItem, RewrapOutcome, WrappedKey } from '@coffer/kms'
import type { AuditSigning } from './audit.ts'
import type { KeyParcel, KeyRecipient } from './key-parcel.ts'
import type { KeyAliases } from './kms-aliases.ts'
import type { KeyGrants } from './kms-grants.ts'
import type { KeyQuotas } from './kms-quotas.ts'
import type { KeyOwner, KeySettings, KeySettingsActions } from './kms-settings.ts'

/** A master key and the connector that holds it. */
export interface LocatedKey extends KeyDescription, KeyOwner {
  readonly connector: string
}

/** What a new key has from its first moment. */
export interface NewKeySettings extends KeyOwner, Partial<Pick<KeySettings, 'description' | 'tags' | 'policy'>> {
  readonly policyPrincipals?: Readonly<Record<string, string>>
}

/**
 * The KMS service: all configured connectors behind one door. A `keyId` may be `connector/key`; alone: the default one; or an
 * alias, `alias/x` of the first account, `<account>:alias/x` of another (KMS_ALIAS_NOT_FOUND). What comes back names connector and
 * key, never the alias. Ids of keys are of no account: whose a key is, its settings say.
 */
export interface KmsService extends KeyAliases, KeyGrants, KeyQuotas, KeySettingsActions, AuditSigning {
  generateDataKey(
    keyId: string,
    context: EncryptionContext,
    recipient: KeyRecipient,
  ): Promise<{ plaintext: KeyParcel; wrapped: WrappedKey }>
  decrypt(wrapped: WrappedKey, context: EncryptionContext, recipient: KeyRecipient): Promise<KeyParcel>
  rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey>
  /** Many of these, each by itself: the outcomes in the order of the items. */
  rewrapMany(items: readonly RewrapItem[], keyId: string): Promise<readonly RewrapOutcome[]>
  /** KMS_KEY_EXISTS, KMS_QUOTA_EXCEEDED. Without settings: the server's own key, of the first account, which no quota stops. */
  createKey(keyId: string, settings?: NewKeySettings): Promise<LocatedKey>
  /** For a key that is sent to the KMS: the process that opens it, which `importKey` must then be called in. */
  keyRecipient(): Promise<KeyRecipient>
  /** A key of 32 bytes from outside, packed for the purpose `imported-key` and the key id as given. KMS_NOT_SUPPORTED and as `createKey`. */
  importKey(keyId: string, material: KeyParcel, settings?: NewKeySettings): Promise<LocatedKey>
  describeKey(keyId: string): Promise<LocatedKey>
  /** Of one connector, by default the default one; of every account, or of one: then no other's are read. Fewer than `limit`: the last. */
  listKeys(query: {
    connector?: string
    ownedBy?: KeyOwner
    afterKeyId: string
    limit: number
  }): Promise<readonly LocatedKey[]>
  rotateKey(keyId: string): Promise<LocatedKey>
  enableKey(keyId: string): Promise<LocatedKey>
  disableKey(keyId: string): Promise<LocatedKey>
  /** KMS_KEY_IN_USE: something is still sealed under it; count and kind are in the details. */
  scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<LocatedKey>
  cancelKeyDeletion(keyId: string): Promise<LocatedKey>
  /** Erases the keys whose deletion is due and which nothing needs; the rest stay pending. */
  destroyDueKeys(): Promise<{ readonly destroyed: readonly string[]; readonly stillNeeded: readonly string[] }>
  /** Names of the configured connectors, the default one first. */
  listConnectors(): Promise<readonly string[]>
  selfTest(): Promise<void>
}
