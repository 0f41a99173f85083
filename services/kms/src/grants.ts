import { createHash, randomBytes } from 'node:crypto'
import type { KeyGrant, KeyGrants, LocatedKey, NewGrant } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { assertUsable, keyNameOf, kmsError, type RemovableRecords } from '@coffer/kms'
import { isIssuedBy, issueGrantToken, newTokenKey, parseGrantToken } from './grant-tokens.ts'

const PREFIX = 'grant/'
const FORMAT = 1
const PAGE = 500
/** What a decision reads at most; AWS has no such limit any more, but 50,000 for a key. */
const GRANTS_TO_ONE_MAX = 500
const GRANT_ID = /^[0-9a-f]{64}$/
const KEY_NAME = /^[a-z0-9-]{1,32}\/[A-Za-z0-9._-]{1,64}$/
/** Of a grant's id: the first half names the grantee, so that what is granted to one is found without reading the rest. */
const HALF_ID_DIGITS = 32

interface StoredGrant {
  readonly grant: KeyGrant
  readonly tokenKey: Uint8Array
}

interface ForgettableGrants extends KeyGrants {
  /** Of a key that is about to be destroyed. */
  forgetGrants(keyName: string): Promise<void>
}

/**
 * Grants as records of their own, `grant/<connector>/<key>/<grant id>`: sealed, and bound to this id, so that none counts for
 * another key or grantee. `nameOf` asks no KMS.
 */
export function createKeyGrants(
  records: RemovableRecords,
  describeKey: (keyId: string) => Promise<LocatedKey>,
  nameOf: (keyId: string) => Promise<string>,
): ForgettableGrants {
  const find = async (keyName: string, grantId: string): Promise<StoredGrant | undefined> => {
    const record = GRANT_ID.test(grantId) ? await records.find(idOf(keyName, grantId)) : undefined
    return record && decode(record.value)
  }
  const get = async (keyId: string, grantId: string): Promise<KeyGrant> => {
    const found = await find(await nameOf(keyId), grantId)
    if (found === undefined) throw kmsError('KMS_GRANT_NOT_FOUND', { grantId: grantId.slice(0, 64) })
    return found.grant
  }
  async function* walk(prefix: string, after: string): AsyncGenerator<KeyGrant> {
    for (let afterId = after; ; ) {
      const page = await records.list({ prefix, afterId, limit: PAGE })
      for (const { value } of page) yield decode(value).grant
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) return
      afterId = last.id
    }
  }

  return {
    async createGrant(keyId, asked) {
      const key = await describeKey(keyId)
      assertUsable(key, keyId)
      const keyName = keyNameOf(key)
      const grantId = grantIdOf(asked)
      const there = await find(keyName, grantId)
      if (there !== undefined) return withToken(there)
      await assertRoom(records, keyName, granteeOf(asked))
      const { connector, keyId: id } = key
      const made = {
        grant: { ...asked, connector, keyId: id, grantId, createdAt: Date.now() },
        tokenKey: newTokenKey(),
      }
      try {
        await records.put(idOf(keyName, grantId), encode(made), 0)
        return withToken(made)
      } catch (error) {
        // The same request came twice at one moment: the other's is the one.
        const others = isCofferError(error, 'META_RECORD_CHANGED') ? await find(keyName, grantId) : undefined
        if (others === undefined) throw error
        return withToken(others)
      }
    },
    findGrant: get,
    async findGrantByToken(token) {
      const claim = parseGrantToken(token)
      const found = claim && KEY_NAME.test(claim.keyName) ? await find(claim.keyName, claim.grantId) : undefined
      if (claim !== undefined && found !== undefined && isIssuedBy(found.tokenKey, claim)) return found.grant
      throw kmsError('KMS_GRANT_TOKEN_INVALID')
    },
    async listGrants({ keyId, grantees, afterGrantId, limit }) {
      const ofKey = idOf(await nameOf(keyId), '')
      // Ids begin with the grantee's part, so that this order is theirs.
      const parts = grantees === undefined ? [''] : [...new Set(grantees.map(granteePartOf))].sort()
      const found: KeyGrant[] = []
      for (const part of parts) {
        const ofGrantee = walk(ofKey + part, afterGrantId && ofKey + afterGrantId)
        found.push(...(await firstOf(ofGrantee, limit - found.length, () => true)))
      }
      return found
    },
    async listRetirableGrants({ retiring, after, limit }) {
      const all = walk(PREFIX, after && PREFIX + after)
      return await firstOf(all, limit, ({ retiringPrincipal, retiringId = retiringPrincipal }) =>
        retiring.some((one) => one === retiringId),
      )
    },
    async findGrantsTo(keyId, grantees) {
      const ofKey = idOf(await nameOf(keyId), '')
      const found: KeyGrant[] = []
      for (const grantee of new Set(grantees)) {
        for await (const grant of walk(ofKey + granteePartOf(grantee), '')) {
          if (granteeOf(grant) === grantee) found.push(grant)
        }
      }
      return found
    },
    async removeGrant(keyId, grantId) {
      const grant = await get(keyId, grantId)
      await records.remove(idOf(keyNameOf(grant), grantId))
    },
    async forgetGrants(keyName) {
      const gone = await firstOf(walk(idOf(keyName, ''), ''), Number.MAX_SAFE_INTEGER, () => true)
      for (const { grantId } of gone) await records.remove(idOf(keyName, grantId))
    },
  }
}

async function firstOf(
  grants: AsyncGenerator<KeyGrant>,
  limit: number,
  isWanted: (grant: KeyGrant) => boolean,
): Promise<readonly KeyGrant[]> {
  const found: KeyGrant[] = []
  if (limit <= 0) return found
  for await (const grant of grants) {
    if (isWanted(grant)) found.push(grant)
    if (found.length >= limit) break
  }
  return found
}

async function assertRoom(records: RemovableRecords, keyName: string, grantee: string): Promise<void> {
  const prefix = idOf(keyName, granteePartOf(grantee))
  const held = await records.list({ prefix, afterId: '', limit: GRANTS_TO_ONE_MAX })
  if (held.length < GRANTS_TO_ONE_MAX) return
  throw kmsError('KMS_LIMIT_EXCEEDED', { keyId: keyName, grantsMax: GRANTS_TO_ONE_MAX })
}

function withToken({ grant, tokenKey }: StoredGrant): { readonly grant: KeyGrant; readonly token: string } {
  return { grant, token: issueGrantToken(keyNameOf(grant), grant.grantId, tokenKey) }
}

function idOf(keyName: string, grantId: string): string {
  return `${PREFIX}${keyName}/${grantId}`
}

/** A name makes the same request give the same id (AWS KMS API Reference, CreateGrant, Name); without one each is another. */
function grantIdOf(grant: NewGrant): string {
  const half = grant.name === undefined ? randomBytes(HALF_ID_DIGITS / 2).toString('hex') : halfIdOf(identityOf(grant))
  return granteePartOf(granteeOf(grant)) + half
}

function granteePartOf(grantee: string): string {
  return halfIdOf(grantee)
}

/** By unique id where it has one: whoever is given its name later is somebody else. */
function granteeOf({ granteePrincipal, granteeId = granteePrincipal }: NewGrant): string {
  return granteeId
}

function halfIdOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, HALF_ID_DIGITS)
}

/** All that is asked for, whatever the order of operations and of pairs. */
function identityOf({ name, issuingAccountId, operations, constraints, ...grant }: NewGrant): string {
  const { retiringPrincipal, retiringId = retiringPrincipal } = grant
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } = constraints ?? {}
  return JSON.stringify([
    name,
    retiringId,
    issuingAccountId,
    [...operations].sort(),
    equals && Object.entries(equals).sort(),
    subset && Object.entries(subset).sort(),
  ])
}

function encode({ grant, tokenKey }: StoredGrant): Uint8Array {
  const text = JSON.stringify({ format: FORMAT, ...grant, tokenKey: Buffer.from(tokenKey).toString('base64') })
  return Buffer.from(text)
}

function decode(value: Uint8Array): StoredGrant {
  const { format, tokenKey, ...grant } = JSON.parse(Buffer.from(value).toString())
  if (format !== FORMAT) throw kmsError('KMS_RECORD_DAMAGED', { format })
  return { grant, tokenKey: Buffer.from(tokenKey, 'base64') }
}
