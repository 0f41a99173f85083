import type { KeyAlias, KeyOwner } from '@coffer/contracts'
import { ALIAS_PREFIX, kmsError } from '@coffer/kms'

/** Where the aliases of other accounts than the first are kept; its own are kept by their names, as all were before there were others. */
const OF_ACCOUNT = 'account-alias/'
/** What the ids of all aliases begin with. */
export const ALL_ALIASES = [ALIAS_PREFIX, OF_ACCOUNT] as const
const FORMAT = 1

/** What the ids of an account's aliases have before the name. */
export function aliasPrefixOf({ ownerAccountId }: KeyOwner): string {
  return ownerAccountId === undefined ? '' : `${OF_ACCOUNT}${ownerAccountId}/`
}

/** Inverse of `aliasPrefixOf`, of a whole id. */
export function aliasOwnerOf(recordId: string): KeyOwner {
  const [, ownerAccountId] = recordId.startsWith(OF_ACCOUNT) ? recordId.split('/', 2) : []
  return ownerAccountId === undefined ? {} : { ownerAccountId }
}

export function encodeAlias(alias: KeyAlias): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...alias }))
}

export function decodeAlias(value: Uint8Array): KeyAlias {
  const { format, ...alias } = JSON.parse(Buffer.from(value).toString())
  if (format !== FORMAT) throw kmsError('KMS_RECORD_DAMAGED', { format })
  return alias
}
