export interface KeyTag {
  readonly key: string
  readonly value: string
}

/** When the housekeeping rotates a master key by itself. */
export interface KeyRotationSchedule {
  readonly periodDays: number
  /** Milliseconds since 1970; one in the past waits for the key to be enabled, or for its KMS. */
  readonly nextAt: number
}

/** Whose a master key is. */
export interface KeyOwner {
  /** Absent: the first account, whose all keys were that are older than this. */
  readonly ownerAccountId?: string
}

/** What Coffer keeps of a master key beside what its KMS does. */
export interface KeySettings extends KeyOwner {
  readonly description: string
  /** In the order of their keys. */
  readonly tags: readonly KeyTag[]
  readonly rotation?: KeyRotationSchedule
  /** Its key policy as it was given; absent: the default one. Who evaluates it checks it. */
  readonly policy?: string
  /** Unique ids by the names in it. Absent: it was kept before there were any, and its ARNs are of whoever has them. */
  readonly policyPrincipals?: Readonly<Record<string, string>>
  /** The versions that the schedule made; every other one was asked for. Ascending. */
  readonly automaticVersions: readonly number[]
}

/** A key, whose it is and its policy, from Coffer's own records: whether its KMS has it is not asked. */
export interface KeyPolicy extends KeyOwner {
  readonly connector: string
  readonly keyId: string
  readonly defaultConnector: string
  /** Absent: the default one. */
  readonly policy?: string
  readonly policyPrincipals?: Readonly<Record<string, string>>
  readonly tags?: readonly KeyTag[]
  /** Where they were asked for. */
  readonly aliases?: readonly string[]
}

/** Description, tags, policy and rotation schedule of master keys. Each rejects with KMS_KEY_NOT_FOUND where there is no such key. */
export interface KeySettingsActions {
  /** Everything empty for a key that nobody has described. */
  describeSettings(keyId: string): Promise<KeySettings>
  setDescription(keyId: string, description: string): Promise<KeySettings>
  /** With the unique ids by which those that it names are known from now on. */
  setKeyPolicy(keyId: string, policy: string, principals: Readonly<Record<string, string>>): Promise<KeySettings>
  /** Also of a key whose KMS is away. KMS_ALIAS_NOT_FOUND, KMS_CONNECTOR_NOT_FOUND. */
  findKeyPolicy(keyId: string, also?: { readonly aliases?: boolean }): Promise<KeyPolicy>
  /** Adds tags, or gives those that are there another value. KMS_LIMIT_EXCEEDED past 50. */
  tagKey(keyId: string, tags: readonly KeyTag[]): Promise<KeySettings>
  untagKey(keyId: string, tagKeys: readonly string[]): Promise<KeySettings>
  /**
   * Rotates the key each `periodDays`, the first time so many days from now; undefined: no longer. The date stays where the
   * period is the one that it was. KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION.
   */
  setRotation(keyId: string, periodDays: number | undefined): Promise<KeySettings>
  /** Rotates the keys whose period is over. One that is disabled or whose KMS is away stays due, and is not named. */
  rotateDueKeys(): Promise<{ readonly rotated: readonly string[]; readonly failed: readonly string[] }>
}
