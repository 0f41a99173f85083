import type { KeyAlias, KeyAliases, KeyOwner, LocatedKey } from '@coffer/contracts'
import { invariant } from '@coffer/errors'
import {
  ALIAS_PREFIX,
  assertNotPending,
  kmsError,
  parseScopedAlias,
  type RemovableRecords,
  SERVER_KEY_ID,
} from '@coffer/kms'
import type { AccountCounts } from './account-counts.ts'
import { type AccountIndex, aliasEntry } from './account-index.ts'
import { aliasPrefixOf, decodeAlias, encodeAlias } from './alias-records.ts'

/** AWS KMS API Reference, CreateAlias: 256 characters, and what begins with alias/aws/ is not the customer's. */
const ALIAS = /^alias\/(?!aws\/)[A-Za-z0-9/_-]{1,250}$/
/** What clients name that want S3's own key (AWS KMS, "AWS managed keys"): here it is the server's, for every account. */
const SERVER_KEY_ALIAS = `${ALIAS_PREFIX}aws/s3`
/** AWS KMS, "Resource quotas": aliases per KMS key. */
const ALIASES_MAX = 50
/** More than any key has. */
const FORGOTTEN_AT_ONCE = 500

type AliasTarget = Pick<KeyAlias, 'connector' | 'keyId'>

interface AliasPage {
  readonly afterAlias: string
  readonly limit: number
}

export interface ResolvedAliases extends KeyAliases {
  /** What the alias names now: `key` or `connector/key`. KMS_ALIAS_NOT_FOUND. */
  resolve(aliasName: string): Promise<string>
  /** All of a key; no KMS is asked for it. */
  namesOf(target: AliasTarget): Promise<readonly string[]>
  /** Of a key that is about to be destroyed. */
  forgetKey(target: AliasTarget, owner: KeyOwner): Promise<void>
}

interface Place {
  readonly alias: string
  readonly owner: KeyOwner
  readonly recordId: string
}

export interface AliasRecords {
  readonly records: RemovableRecords
  readonly counts: AccountCounts
  readonly index: AccountIndex
}

/**
 * Aliases as records of their own, one each, read at every use: a change counts at once and in every process. All changes of an account's are in one
 * order, that of its count.
 */
export function createKeyAliases(
  { records, counts, index }: AliasRecords,
  describeKey: (keyId: string) => Promise<LocatedKey>,
): ResolvedAliases {
  const placeNamed = (aliasName: string): Place => {
    const place = placeOf(aliasName)
    if (place === undefined) throw kmsError('KMS_ALIAS_NOT_FOUND', { alias: shown(aliasName) })
    return place
  }
  const find = async ({ alias, recordId }: Place): Promise<KeyAlias> => {
    const record = await records.find(recordId)
    if (record === undefined) throw kmsError('KMS_ALIAS_NOT_FOUND', { alias })
    return decodeAlias(record.value)
  }
  const listOf = async (of: KeyOwner, { afterAlias, limit }: AliasPage) => {
    const prefix = aliasPrefixOf(of)
    const afterId = afterAlias && prefix + afterAlias
    const page = await records.list({ prefix: prefix + ALIAS_PREFIX, afterId, limit })
    return page.map(({ value }) => decodeAlias(value))
  }
  const targetOf = async ({ owner }: Place, keyId: string): Promise<AliasTarget> => {
    const key = await describeKey(keyId)
    // Of another account: as one that is not there.
    if (key.ownerAccountId !== owner.ownerAccountId) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    assertNotPending(key, keyId)
    return { connector: key.connector, keyId: key.keyId }
  }
  const namesOf = (target: AliasTarget, page: AliasPage) => index.aliasesOf(target, page)
  const assertRoom = async (target: AliasTarget): Promise<void> => {
    const known = await namesOf(target, { afterAlias: '', limit: ALIASES_MAX })
    if (known.length < ALIASES_MAX) return
    throw kmsError('KMS_LIMIT_EXCEEDED', { keyId: target.keyId, aliasesMax: ALIASES_MAX })
  }

  return {
    async resolve(aliasName) {
      if (parseScopedAlias(aliasName)?.alias === SERVER_KEY_ALIAS) return SERVER_KEY_ID
      const { connector, keyId } = await find(placeNamed(aliasName))
      return `${connector}/${keyId}`
    },
    async createAlias(aliasName, keyId) {
      const place = placeOf(aliasName)
      if (place === undefined) throw kmsError('KMS_ALIAS_INVALID', { alias: shown(aliasName) })
      const { alias, owner, recordId } = place
      const target = await targetOf(place, keyId)
      const createdAt = Date.now()
      const created: KeyAlias = { alias, ...target, createdAt, updatedAt: createdAt }
      await counts.change(owner, async () => {
        if ((await records.find(recordId)) !== undefined) throw kmsError('KMS_ALIAS_EXISTS', { alias })
        await assertRoom(target)
        const record = { id: recordId, value: encodeAlias(created), expectedRevision: 0 }
        return { changes: [record, aliasEntry(target, alias)], aliasesAdded: 1 }
      })
      return created
    },
    async updateAlias(aliasName, keyId) {
      const place = placeNamed(aliasName)
      await find(place)
      const target = await targetOf(place, keyId)
      let updated: KeyAlias | undefined
      await counts.change(place.owner, async () => {
        const stored = await find(place)
        updated = { ...stored, ...target, updatedAt: Date.now() }
        const record = { id: place.recordId, value: encodeAlias(updated) }
        if (isOf(stored, target)) return { changes: [record] }
        await assertRoom(target)
        return { changes: [record, { id: aliasEntry(stored, place.alias).id }, aliasEntry(target, place.alias)] }
      })
      invariant(updated !== undefined, 'a change that is made was planned')
      return updated
    },
    async deleteAlias(aliasName) {
      const place = placeNamed(aliasName)
      await counts.change(place.owner, async () => {
        const stored = await find(place)
        return { changes: [{ id: place.recordId }, { id: aliasEntry(stored, place.alias).id }], aliasesAdded: -1 }
      })
    },
    async listAliases({ keyId, ownedBy = {}, afterAlias, limit }) {
      if (keyId === undefined) return listOf(ownedBy, { afterAlias, limit })
      const target = await describeKey(keyId)
      const prefix = aliasPrefixOf(target)
      const found = await Promise.all(
        (await namesOf(target, { afterAlias, limit })).map((alias) => records.find(prefix + alias)),
      )
      // One that was removed or repointed in between is not told.
      return found
        .flatMap((record) => (record === undefined ? [] : [decodeAlias(record.value)]))
        .filter((alias) => isOf(alias, target))
    },
    async namesOf(target) {
      return await namesOf(target, { afterAlias: '', limit: ALIASES_MAX })
    },
    async forgetKey(target, owner) {
      await counts.change(owner, async () => {
        const names = await namesOf(target, { afterAlias: '', limit: FORGOTTEN_AT_ONCE })
        const ids = names.map((alias) => ({ id: aliasPrefixOf(owner) + alias, entry: aliasEntry(target, alias).id }))
        return { changes: ids.flatMap(({ id, entry }) => [{ id }, { id: entry }]), aliasesAdded: -ids.length }
      })
    },
  }
}

/** Undefined: it can be no alias, or none of a customer's. */
function placeOf(aliasName: string): Place | undefined {
  const scoped = parseScopedAlias(aliasName)
  if (scoped === undefined || !ALIAS.test(scoped.alias)) return undefined
  const { alias, ...owner } = scoped
  return { alias, owner, recordId: aliasPrefixOf(owner) + alias }
}

/** Of a message: how it was asked for. */
function shown(aliasName: string): string {
  return (parseScopedAlias(aliasName)?.alias ?? aliasName).slice(0, 300)
}

function isOf({ connector, keyId }: AliasTarget, target: AliasTarget): boolean {
  return connector === target.connector && keyId === target.keyId
}
