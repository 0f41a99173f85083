import type { KeyOwner } from './kms-settings.ts'

/** Another name of a master key: `alias/payments`. Wherever a key is named, its aliases name it too. */
export interface KeyAlias {
  readonly alias: string
  readonly connector: string
  readonly keyId: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** When it was last made to name another key. */
  readonly updatedAt: number
}

/**
 * The aliases of master keys, each of an account: `alias/x` is the first's, `<account>:alias/x` another's. One that is repointed counts from the next
 * call on; the crypto engine follows within 2 s. It names keys of its own account only (KMS_KEY_NOT_FOUND).
 */
export interface KeyAliases {
  /** KMS_ALIAS_EXISTS, KMS_ALIAS_INVALID, KMS_LIMIT_EXCEEDED, KMS_QUOTA_EXCEEDED; KMS_KEY_NOT_FOUND, KMS_KEY_PENDING_DELETION. */
  createAlias(alias: string, keyId: string): Promise<KeyAlias>
  /** From now on the alias names this key. KMS_ALIAS_NOT_FOUND and as `createAlias`. */
  updateAlias(alias: string, keyId: string): Promise<KeyAlias>
  /** The key stays as it is. KMS_ALIAS_NOT_FOUND. */
  deleteAlias(alias: string): Promise<void>
  /**
   * Of one account, by default the first, or of one key if `keyId` is given; in the order of their names, which are told without the account,
   * strictly after `afterAlias`. Fewer than `limit`: the last.
   */
  listAliases(query: {
    keyId?: string
    ownedBy?: KeyOwner
    afterAlias: string
    limit: number
  }): Promise<readonly KeyAlias[]>
}
