import type { KeyAlias, KeyOwner } from '@coffer/contracts'
import { isAliasName, keyNameOf, type WrappingKey } from '@coffer/kms'
import { kmsApiError } from './errors.ts'

type LocatedName = Pick<WrappingKey, 'connector' | 'keyId'>

/** What names of keys are made of. */
export interface Naming {
  readonly region: string
  /** Whose the keys are that name no owner. */
  readonly firstAccountId: string
  /** Keys of this connector are named without it. */
  readonly defaultConnector: string
}

/** A key as a client names it. */
export interface KeyNamed {
  /** Of which it says that it is: its ARN's, else that of who asks. */
  readonly accountId: string
  /** `key`, `connector/key` or `alias/x`. */
  readonly name: string
}

/** AWS KMS API Reference, "KeyId": `arn:aws:kms:<region>:<account>:key/<id>` or `...:alias/<name>`. */
const ARN = /^arn:aws[a-z-]*:kms:([a-z0-9-]+):(\d{12}):(?:key\/(.+)|(alias\/.+))$/
const KEY_NAME = /^(?:[a-z0-9-]{1,32}\/)?[A-Za-z0-9._-]{1,64}$/
/** As in the names of S3: what is within is looked up, and refused there. */
const ALIAS = /^alias\//
const SHOWN_CHARACTERS_MAX = 300

/** A key's id as clients see it: `key` in the default connector, `connector/key` in another. */
export function keyIdOf(key: LocatedName, { defaultConnector }: Pick<Naming, 'defaultConnector'>): string {
  return key.connector === defaultConnector ? key.keyId : keyNameOf(key)
}

export function keyArnOf(key: LocatedName & KeyOwner, naming: Naming): string {
  const accountId = key.ownerAccountId ?? naming.firstAccountId
  return arnOf(`key/${keyIdOf(key, naming)}`, { region: naming.region, accountId })
}

export function aliasArnOf(
  { alias }: Pick<KeyAlias, 'alias'>,
  naming: { readonly region: string; readonly accountId: string },
): string {
  return arnOf(alias, naming)
}

/** Of a key or an alias that may not be there. */
export function namedArnOf({ accountId, name }: KeyNamed, naming: Pick<Naming, 'region' | 'defaultConnector'>): string {
  if (isAliasName(name)) return arnOf(name, { region: naming.region, accountId })
  const id = name.startsWith(`${naming.defaultConnector}/`) ? name.slice(naming.defaultConnector.length + 1) : name
  return arnOf(`key/${id}`, { region: naming.region, accountId })
}

function arnOf(
  resource: string,
  { region, accountId }: { readonly region: string; readonly accountId: string },
): string {
  return `arn:aws:kms:${region}:${accountId}:${resource}`
}

/** What a KeyId names: an id or an alias of the account that asks, or an ARN, of any. InvalidArnException, NotFoundException. */
export function parseKeyOrAlias(
  keyId: string,
  asking: { readonly region: string; readonly accountId: string },
): KeyNamed {
  const named = keyId.startsWith('arn:') ? parseArn(keyId, asking) : { accountId: asking.accountId, name: keyId }
  if (ALIAS.test(named.name) || KEY_NAME.test(named.name)) return named
  throw invalidKeyId(keyId)
}

/** Keys of another region are not here, and so not found. */
function parseArn(arn: string, { region }: { readonly region: string }): KeyNamed {
  const [, arnRegion, accountId, key, alias] = ARN.exec(arn) ?? []
  if (arnRegion === undefined || accountId === undefined) {
    throw kmsApiError('InvalidArnException', { message: `Invalid arn ${shown(arn)}` })
  }
  if (arnRegion !== region) throw kmsApiError('NotFoundException', { message: `Invalid arn ${arnRegion}` })
  if (key !== undefined && isAliasName(key)) throw invalidKeyId(arn)
  return { accountId, name: key ?? alias ?? '' }
}

export function invalidKeyId(keyId: string) {
  return kmsApiError('NotFoundException', { message: `Invalid keyId '${shown(keyId)}'` })
}

function shown(text: string): string {
  return text.slice(0, SHOWN_CHARACTERS_MAX)
}
