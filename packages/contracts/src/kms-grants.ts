/** What a grant can permit of a symmetric key (AWS KMS API Reference, CreateGrant, Operations). */
export type GrantOperation =
  | 'CreateGrant'
  | 'Decrypt'
  | 'DescribeKey'
  | 'Encrypt'
  | 'GenerateDataKey'
  | 'GenerateDataKeyWithoutPlaintext'
  | 'ReEncryptFrom'
  | 'ReEncryptTo'
  | 'RetireGrant'

/** Where there are both, both have to be met. */
export interface GrantConstraints {
  /** The encryption context is this, and has nothing else. */
  readonly encryptionContextEquals?: Readonly<Record<string, string>>
  /** The encryption context has these pairs, and may have more. */
  readonly encryptionContextSubset?: Readonly<Record<string, string>>
}

export interface NewGrant {
  readonly name?: string
  /** ARN of who may use the key. */
  readonly granteePrincipal: string
  /** Unique id of that user, role or session, which then counts and not the ARN. Absent: it has none. */
  readonly granteeId?: string
  /** ARN of who may end the grant. */
  readonly retiringPrincipal?: string
  /** As `granteeId`. */
  readonly retiringId?: string
  /** The account of who makes it. */
  readonly issuingAccountId: string
  readonly operations: readonly GrantOperation[]
  readonly constraints?: GrantConstraints
}

/** Leave for one principal to use one master key, beside what policies say. */
export interface KeyGrant extends NewGrant {
  readonly connector: string
  readonly keyId: string
  /** 64 hexadecimal digits. */
  readonly grantId: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** Grants of master keys. They are Coffer's own records: whether the KMS of the key is there is asked by `createGrant` alone. */
export interface KeyGrants {
  /**
   * With a name: the grant that is there already, if it is the same in all else. The token is new each time, and good for as
   * long as the grant. KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION; KMS_LIMIT_EXCEEDED past 500 for one principal and key.
   */
  createGrant(keyId: string, grant: NewGrant): Promise<{ readonly grant: KeyGrant; readonly token: string }>
  /** KMS_GRANT_NOT_FOUND. */
  findGrant(keyId: string, grantId: string): Promise<KeyGrant>
  /** KMS_GRANT_TOKEN_INVALID: it is none, or its grant is no more. */
  findGrantByToken(token: string): Promise<KeyGrant>
  /**
   * Of one key, in the order of their ids, strictly after `afterGrantId`. Fewer than `limit`: the last. `grantees`: those to one of these, by
   * unique id, or by ARN where the grant has none.
   */
  listGrants(query: {
    keyId: string
    grantees?: readonly string[]
    afterGrantId: string
    limit: number
  }): Promise<readonly KeyGrant[]>
  /** Of every key, strictly after `after`, `connector/key/grant id`. Fewer than `limit`: the last. */
  listRetirableGrants(query: {
    /** As `grantees`. */
    retiring: readonly string[]
    after: string
    limit: number
  }): Promise<readonly KeyGrant[]>
  /** All grants of a key to any of these, as `grantees`. */
  findGrantsTo(keyId: string, grantees: readonly string[]): Promise<readonly KeyGrant[]>
  /** From now on it permits nothing; in every process within a second. KMS_GRANT_NOT_FOUND. */
  removeGrant(keyId: string, grantId: string): Promise<void>
}
