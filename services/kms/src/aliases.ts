import type { KeyAlias, KeyAliases, LocatedKey } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import {
  ALIAS_PREFIX,
  assertNotPending,
  kmsError,
  type RemovableRecords,
  SERVER_KEY_ID,
  untilUnchanged,
} from '@coffer/kms'

/** AWS KMS API Reference, CreateAlias: 256 characters, and what begins with alias/aws/ is not the customer's. */
const ALIAS = /^alias\/(?!aws\/)[A-Za-z0-9/_-]{1,250}$/
/** What clients name that want S3's own key (AWS KMS, "AWS managed keys"): here it is the server's. */
const SERVER_KEY_ALIAS = `${ALIAS_PREFIX}aws/s3`
/** AWS KMS, "Resource quotas": aliases per KMS key. */
const ALIASES_MAX = 50
const PAGE = 500
const FORMAT = 1

type AliasTarget = Pick<KeyAlias, 'connector' | 'keyId'>

export interface ResolvedAliases extends KeyAliases {
  /** What the alias names now: `key` or `connector/key`. KMS_ALIAS_NOT_FOUND. */
  resolve(alias: string): Promise<string>
  /** Of a key that is about to be destroyed. */
  forgetKey(target: AliasTarget): Promise<void>
}

/** Aliases as records of their own, one each, read at every use: a change counts at once and in every process. */
export function createKeyAliases(
  records: RemovableRecords,
  describeKey: (keyId: string) => Promise<LocatedKey>,
): ResolvedAliases {
  const find = async (alias: string): Promise<{ stored: KeyAlias; revision: number }> => {
    const record = ALIAS.test(alias) ? await records.find(alias) : undefined
    if (record === undefined) throw kmsError('KMS_ALIAS_NOT_FOUND', { alias: alias.slice(0, 300) })
    return { stored: decode(record.value), revision: record.revision }
  }
  const list = async (query: { target?: AliasTarget | undefined; afterAlias: string; limit: number }) => {
    const found: KeyAlias[] = []
    for (let afterId = query.afterAlias; found.length < query.limit; ) {
      const page = await records.list({ prefix: ALIAS_PREFIX, afterId, limit: PAGE })
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
  const targetOf = async (alias: string, keyId: string): Promise<AliasTarget> => {
    const key = await describeKey(keyId)
    assertNotPending(key, keyId)
    const { connector, keyId: id } = key
    const known = await list({ target: { connector, keyId: id }, afterAlias: '', limit: ALIASES_MAX })
    if (known.length >= ALIASES_MAX && !known.some((one) => one.alias === alias))
      throw kmsError('KMS_LIMIT_EXCEEDED', { keyId, aliasesMax: ALIASES_MAX })
    return { connector, keyId: id }
  }

  return {
    async resolve(alias) {
      if (alias === SERVER_KEY_ALIAS) return SERVER_KEY_ID
      const { connector, keyId } = (await find(alias)).stored
      return `${connector}/${keyId}`
    },
    async createAlias(alias, keyId) {
      if (!ALIAS.test(alias)) throw kmsError('KMS_ALIAS_INVALID', { alias: alias.slice(0, 300) })
      const target = await targetOf(alias, keyId)
      const createdAt = Date.now()
      const created: KeyAlias = { alias, ...target, createdAt, updatedAt: createdAt }
      await records.put(alias, encode(created), 0).catch((error: unknown) => {
        throw isCofferError(error, 'META_RECORD_CHANGED') ? kmsError('KMS_ALIAS_EXISTS', { alias }) : error
      })
      return created
    },
    updateAlias: (alias, keyId) =>
      untilUnchanged(alias, async () => {
        const { stored, revision } = await find(alias)
        const updated: KeyAlias = { ...stored, ...(await targetOf(alias, keyId)), updatedAt: Date.now() }
        await records.put(alias, encode(updated), revision)
        return updated
      }),
    async deleteAlias(alias) {
      await find(alias)
      await records.remove(alias)
    },
    async listAliases({ keyId, afterAlias, limit }) {
      const target = keyId === undefined ? undefined : await describeKey(keyId)
      return list({ target, afterAlias, limit })
    },
    async forgetKey(target) {
      for (const { alias } of await list({ target, afterAlias: '', limit: Number.MAX_SAFE_INTEGER })) {
        await records.remove(alias)
      }
    },
  }
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
