/** The version of a master key that wraps something. */
export interface WrappingKey {
  /** Name of the connector instance, e.g. `local`. */
  readonly connector: string
  readonly keyId: string
  /** From 1. */
  readonly keyVersion: number
}

/** The server's own master key, in the default connector: of SSE-S3, of buckets' metadata keys and of identity records. */
export const SERVER_KEY_ID = 'coffer'

/** The built-in connector: its keys are in the metadata store, and only Coffer makes any there. */
export const LOCAL_CONNECTOR = 'local'

/** What every alias begins with: `alias/payments`. No connector has this name. */
export const ALIAS_PREFIX = 'alias/'

/** Of another account than the first: `444455556666:alias/payments`. No client can write this; ids of keys have no colon. */
const SCOPED_ALIAS = /^(?:(\d{12}):)?(alias\/.*)$/s

/** An alias, and the account that it is of; absent: the first. */
export interface ScopedAlias {
  readonly alias: string
  readonly ownerAccountId?: string
}

/** Whether a key is named by an alias; what it stands for is the KMS service's to say. */
export function isAliasName(keyName: string): boolean {
  return SCOPED_ALIAS.test(keyName)
}

/** Between services: `alias/payments` of the first account, `444455556666:alias/payments` of another. */
export function scopedAliasName({ alias, ownerAccountId }: ScopedAlias): string {
  return ownerAccountId === undefined ? alias : `${ownerAccountId}:${alias}`
}

/** The inverse of `scopedAliasName`; undefined for what names no alias. */
export function parseScopedAlias(keyName: string): ScopedAlias | undefined {
  const [, ownerAccountId, alias] = SCOPED_ALIAS.exec(keyName) ?? []
  if (alias === undefined) return undefined
  return { alias, ...(ownerAccountId !== undefined && { ownerAccountId }) }
}

const DIRECT_KEY_REF = 'kms:'
const BUCKET_KEY_REF = 'bk:'

/** How a master key is named wherever there are several connectors. */
export function keyNameOf({ connector, keyId }: Pick<WrappingKey, 'connector' | 'keyId'>): string {
  return `${connector}/${keyId}`
}

/** Which key wraps it, without what it wraps. */
export function wrappingKeyOf({ connector, keyId, keyVersion }: WrappingKey): WrappingKey {
  return { connector, keyId, keyVersion }
}

/** How the record of an object names the master key that seals it without a bucket key: `kms:<connector>/<key>/<version>`. */
export function directKeyRef(key: WrappingKey): string {
  return `${DIRECT_KEY_REF}${keyNameOf(key)}/${key.keyVersion}`
}

export function isDirectKeyRef(keyRef: string): boolean {
  return keyRef.startsWith(DIRECT_KEY_REF)
}

/** The inverse of `directKeyRef`; undefined for a reference of another form. */
export function parseDirectKeyRef(keyRef: string): WrappingKey | undefined {
  const [connector, keyId, version] = isDirectKeyRef(keyRef) ? keyRef.slice(DIRECT_KEY_REF.length).split('/') : []
  if (!connector || !keyId || !version) return undefined
  return { connector, keyId, keyVersion: Number(version) }
}

/** How the record of an object names the bucket key that seals it: `bk:<bucket key id>`. */
export function bucketKeyRef(bucketKeyId: string): string {
  return BUCKET_KEY_REF + bucketKeyId
}

/** The inverse: the bucket key's id. Undefined for a reference of another form: it is under a master key itself, or its client's. */
export function parseBucketKeyRef(keyRef: string): string | undefined {
  return keyRef.startsWith(BUCKET_KEY_REF) ? keyRef.slice(BUCKET_KEY_REF.length) : undefined
}
