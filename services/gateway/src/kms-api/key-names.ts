import type { KeyAlias, LocatedKey } from '@coffer/contracts'
import { isAliasName, keyNameOf, type WrappingKey } from '@coffer/kms'
import { kmsApiError } from './errors.ts'
import type { KmsApiCall } from './operation.ts'

type NamedKey = Pick<WrappingKey, 'connector' | 'keyId'>
type Naming = Pick<KmsApiCall, 'region' | 'accountId' | 'defaultConnector'>

/** AWS KMS API Reference, "KeyId": `arn:aws:kms:<region>:<account>:key/<id>` or `...:alias/<name>`. */
const ARN = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):(?:key\/(.+)|(alias\/.+))$/
const KEY_NAME = /^(?:[a-z0-9-]{1,32}\/)?[A-Za-z0-9._-]{1,64}$/
const SHOWN_CHARACTERS_MAX = 300

/** A key's id as clients see it: `key` in the default connector, `connector/key` in another. */
export function keyIdOf(key: NamedKey, { defaultConnector }: Naming): string {
  return key.connector === defaultConnector ? key.keyId : keyNameOf(key)
}

export function keyArnOf(key: NamedKey, naming: Naming): string {
  return arnOf(`key/${keyIdOf(key, naming)}`, naming)
}

export function aliasArnOf({ alias }: Pick<KeyAlias, 'alias'>, naming: Naming): string {
  return arnOf(alias, naming)
}

function arnOf(resource: string, { region, accountId }: Naming): string {
  return `arn:aws:kms:${region}:${accountId}:${resource}`
}

/** The key that a KeyId names, for the KMS service: an id or ARN, or an alias. InvalidArnException, NotFoundException. */
export function parseKeyOrAlias(keyId: string, naming: Pick<Naming, 'region' | 'accountId'>): string {
  const name = keyId.startsWith('arn:') ? parseArn(keyId, naming) : keyId
  if (isAliasName(name) || KEY_NAME.test(name)) return name
  throw invalidKeyId(keyId)
}

/** As `parseKeyOrAlias`, but for the operations that take no alias: what manages a key names the key. */
export function parseKey(keyId: string, naming: Naming): string {
  const name = parseKeyOrAlias(keyId, naming)
  if (isAliasName(name)) throw invalidKeyId(keyId)
  return name
}

/** A key that is there: NotFoundException for one that is destroyed, which its KMS may still tell of. */
export async function describeLiveKey(call: KmsApiCall, name: string): Promise<LocatedKey> {
  const key = await call.kms.describeKey(name)
  if (key.state !== 'destroyed') return key
  throw kmsApiError('NotFoundException', { message: `Key '${keyArnOf(key, call)}' does not exist` })
}

/** Keys of another region or account are not here, and so not found. */
function parseArn(arn: string, { region, accountId }: Pick<Naming, 'region' | 'accountId'>): string {
  const [, arnRegion, arnAccountId, key, alias] = ARN.exec(arn) ?? []
  if (arnRegion === undefined) throw kmsApiError('InvalidArnException', { message: `Invalid arn ${shown(arn)}` })
  if (arnRegion !== region) throw kmsApiError('NotFoundException', { message: `Invalid arn ${arnRegion}` })
  if (arnAccountId !== accountId)
    throw kmsApiError('NotFoundException', { message: `Key '${shown(arn)}' does not exist` })
  if (key !== undefined && isAliasName(key)) throw invalidKeyId(arn)
  return key ?? alias ?? ''
}

function invalidKeyId(keyId: string) {
  return kmsApiError('NotFoundException', { message: `Invalid keyId '${shown(keyId)}'` })
}

function shown(text: string): string {
  return text.slice(0, SHOWN_CHARACTERS_MAX)
}
