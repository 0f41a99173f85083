import type { KeyAlias, KeyAliases, KeyOwner, LocatedKey } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import {
  ALIAS_PREFIX,
  assertNotPending,
  kmsError,
  parseScopedAlias,
  type RemovableRecords,
  SERVER_KEY_ID,
  untilUnchanged,
} from '@coffer/kms'

/** AWS KMS API Reference, CreateAlias: 256 characters, and what begins with alias/aws/ is not the customer's. */
const ALIAS = /^alias\/(?!aws\/)[A-Za-z0-9/_-]{1,250}$/
/** What clients name that want S3's own key (AWS KMS, "AWS managed keys"): here it is the server's, for every account. */
const SERVER_KEY_ALIAS = `${ALIAS_PREFIX}aws/s3`
/** AWS KMS, "Resource quotas": aliases per KMS key. */
const ALIASES_MAX = 50
/** Where the aliases of other accounts than the first are kept; its own are kept by their names, as all were before there were others. */
const OF_ACCOUNT = 'account-alias/'
const PAGE = 500
const FORMAT = 1

type AliasTarget = Pick<KeyAlias, 'connector' | 'keyId'>

export interface ResolvedAliases extends KeyAliases {
  /** What the alias names now: `key` or `connector/key`. KMS_ALIAS_NOT_FOUND. */
  resolve(aliasName: string): Promise<string>
  /** All of a key; no KMS is asked for it. */
  namesOf(target: AliasTarget, owner: KeyOwner): Promise<readonly string[]>
  /** Of a key that is about to be destroyed. */
  forgetKey(target: AliasTarget, owner: KeyOwner): Promise<void>
}

interface Place {
  readonly alias: string
  readonly owner: KeyOwner
  readonly recordId: string
}

/** Aliases as records of their own, one each, read at every use: a change counts at once and in every process. */
export function createKeyAliases(
  records: RemovableRecords,
  describeKey: (keyId: string) => Promise<LocatedKey>,
): ResolvedAliases {
  const find = async (aliasName: string): Promise<Place & { stored: KeyAlias; revision: number }> => {
    const place = placeOf(aliasName)
    const record = place && (await records.find(place.recordId))
    if (!place || !record) throw kmsError('KMS_ALIAS_NOT_FOUND', { alias: shown(aliasName) })
    return { ...place, stored: decode(record.value), revision: record.revision }
  }
  const list = async (query: { target?: AliasTarget | undefined; afterAlias: string; limit: number }, of: KeyOwner) => {
    const prefix = prefixOf(of)
    const found: KeyAlias[] = []
    for (let afterId = query.afterAlias && prefix + query.afterAlias; found.length < query.limit; ) {
      const page = await records.list({ prefix: prefix + ALIAS_PREFIX, afterId, limit: PAGE })
      const last = page.at(-1)
      for (const { value } of page) {
        const alias = decode(value)
        if (query.target === undefined || isOf(alias, query.target)) found.push(alias)
      }
      if (last === undefined || page.length < PAGE) break
      afterId = last.id
    }
    return found.slice(0, query.limit)
  }
  const targetOf = async ({ alias, owner }: Place, keyId: string): Promise<AliasTarget> => {
    const key = await describeKey(keyId)
    // Of another account: as one that is not there.
    if (key.ownerAccountId !== owner.ownerAccountId) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    assertNotPending(key, keyId)
    const { connector, keyId: id } = key
    const known = await list({ target: { connector, keyId: id }, afterAlias: '', limit: ALIASES_MAX }, owner)
    if (known.length >= ALIASES_MAX && !known.some((one) => one.alias === alias))
      throw kmsError('KMS_LIMIT_EXCEEDED', { keyId, aliasesMax: ALIASES_MAX })
    return { connector, keyId: id }
  }

  return {
    async resolve(aliasName) {
      if (parseScopedAlias(aliasName)?.alias === SERVER_KEY_ALIAS) return SERVER_KEY_ID
      const { connector, keyId } = (await find(aliasName)).stored
      return `${connector}/${keyId}`
    },
    async createAlias(aliasName, keyId) {
      const place = placeOf(aliasName)
      if (place === undefined) throw kmsError('KMS_ALIAS_INVALID', { alias: shown(aliasName) })
      const { alias, recordId } = place
      const target = await targetOf(place, keyId)
      const createdAt = Date.now()
      const created: KeyAlias = { alias, ...target, createdAt, updatedAt: createdAt }
      await records.put(recordId, encode(created), 0).catch((error: unknown) => {
        throw isCofferError(error, 'META_RECORD_CHANGED') ? kmsError('KMS_ALIAS_EXISTS', { alias }) : error
      })
      return created
    },
    updateAlias: (aliasName, keyId) =>
      untilUnchanged(aliasName, async () => {
        const { stored, revision, ...place } = await find(aliasName)
        const updated: KeyAlias = { ...stored, ...(await targetOf(place, keyId)), updatedAt: Date.now() }
        await records.put(place.recordId, encode(updated), revision)
        return updated
      }),
    async deleteAlias(aliasName) {
      await records.remove((await find(aliasName)).recordId)
    },
    async listAliases({ keyId, ownedBy = {}, afterAlias, limit }) {
      if (keyId === undefined) return list({ afterAlias, limit }, ownedBy)
      const target = await describeKey(keyId)
      return list({ target, afterAlias, limit }, target)
    },
    async namesOf(target, owner) {
      return (await list({ target, afterAlias: '', limit: ALIASES_MAX }, owner)).map(({ alias }) => alias)
    },
    async forgetKey(target, owner) {
      for (const { alias } of await list({ target, afterAlias: '', limit: Number.MAX_SAFE_INTEGER }, owner)) {
        await records.remove(prefixOf(owner) + alias)
      }
    },
  }
}

/** Undefined: it can be no alias, or none of a customer's. */
function placeOf(aliasName: string): Place | undefined {
  const scoped = parseScopedAlias(aliasName)
  if (scoped === undefined || !ALIAS.test(scoped.alias)) return undefined
  const { alias, ...owner } = scoped
  return { alias, owner, recordId: prefixOf(owner) + alias }
}

/** What the ids of an account's aliases have before the name. */
function prefixOf({ ownerAccountId }: KeyOwner): string {
  return ownerAccountId === undefined ? '' : `${OF_ACCOUNT}${ownerAccountId}/`
}

/** Of a message: how it was asked for. */
function shown(aliasName: string): string {
  return (parseScopedAlias(aliasName)?.alias ?? aliasName).slice(0, 300)
}

function isOf({ connector, keyId }: AliasTarget, target: AliasTarget): boolean {
  return connector === target.connector && keyId === target.keyId
}

function encode(alias: KeyAlias): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...alias }))
}

function decode(value: Uint8Array): KeyAlias {
  const { format, ...alias } = JSON.parse(Buffer.from(value).toString())
  if (format !== FORMAT) throw kmsError('KMS_RECORD_DAMAGED', { format })
  return alias
}
