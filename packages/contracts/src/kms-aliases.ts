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

/** The aliases of master keys. One that is repointed counts from the next call on; the crypto engine follows within 2 s. */
export interface KeyAliases {
  /** KMS_ALIAS_EXISTS, KMS_ALIAS_INVALID, KMS_LIMIT_EXCEEDED; KMS_KEY_NOT_FOUND, KMS_KEY_PENDING_DELETION. */
  createAlias(alias: string, keyId: string): Promise<KeyAlias>
  /** From now on the alias names this key. KMS_ALIAS_NOT_FOUND and as `createAlias`. */
  updateAlias(alias: string, keyId: string): Promise<KeyAlias>
  /** The key stays as it is. KMS_ALIAS_NOT_FOUND. */
  deleteAlias(alias: string): Promise<void>
  /** In the order of their names, strictly after `afterAlias`; of one key if `keyId` is given. Fewer than `limit`: the last. */
  listAliases(query: { keyId?: string; afterAlias: string; limit: number }): Promise<readonly KeyAlias[]>
}
