import type { KeyGrant } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { isAliasName } from '@coffer/kms'
import type { GrantAsked } from '../keys/key-decision.ts'
import { kmsApiError } from './errors.ts'
import { grantConstraints, grantConstraintsOf } from './grant-input.ts'
import { invalidKeyId, namedArnOf, parseKeyOrAlias } from './key-names.ts'
import { keyNamed } from './named-keys.ts'
import type { KmsApiCall } from './operation.ts'

const TOKENS_MAX = 10

/** The grant that RetireGrant speaks of, by its token or by its key and id; undefined where it says neither. NotFoundException,
 * InvalidGrantTokenException. */
export async function grantOf(
  { GrantToken: token, KeyId: keyId, GrantId: grantId }: { GrantToken?: unknown; KeyId?: unknown; GrantId?: unknown },
  call: KmsApiCall,
): Promise<KeyGrant | undefined> {
  if (typeof token === 'string') return await call.kms.findGrantByToken(token)
  if (typeof keyId !== 'string' || typeof grantId !== 'string') return undefined
  const named = parseKeyOrAlias(keyId, call)
  if (named.accountId === call.accountId) return await call.kms.findGrant((await keyNamed(call, keyId)).name, grantId)
  // Of another account's key: one that has no such grant is as one that is not there.
  if (isAliasName(named.name)) throw invalidKeyId(keyId)
  const { guard, isThere } = await call.named.find(named)
  const found = isThere ? await call.kms.findGrant(guard.name, grantId).catch(unlessNoGrant) : undefined
  if (found !== undefined) return found
  throw kmsApiError('NotFoundException', { message: `Grant of ${namedArnOf(named, call)} is not found.` })
}

function unlessNoGrant(error: unknown): undefined {
  if (!isCofferError(error, 'KMS_GRANT_NOT_FOUND')) throw error
}

/** The grants whose tokens a request gives, which count at once. InvalidGrantTokenException. What is no list of texts the operation refuses. */
export async function grantsByTokens(said: unknown, { kms }: KmsApiCall): Promise<readonly KeyGrant[]> {
  if (!Array.isArray(said) || said.length > TOKENS_MAX) return []
  const tokens = said.filter((token): token is string => typeof token === 'string')
  return await Promise.all(tokens.map((token) => kms.findGrantByToken(token)))
}

/** What CreateGrant asks for, as far as it can be understood; the rest the operation refuses. */
export function grantAskedIn(said: (name: string) => unknown): GrantAsked {
  const text = (name: string): string | undefined => {
    const value = said(name)
    return typeof value === 'string' ? value : undefined
  }
  const operations = said('Operations')
  const constraints = grantConstraintsOf(grantConstraints.safeParse(said('Constraints')).data)
  const granteePrincipal = text('GranteePrincipal')
  const retiringPrincipal = text('RetiringPrincipal')
  return {
    operations: Array.isArray(operations) ? operations.filter((one): one is string => typeof one === 'string') : [],
    ...(constraints !== undefined && { constraints }),
    ...(granteePrincipal !== undefined && { granteePrincipal }),
    ...(retiringPrincipal !== undefined && { retiringPrincipal }),
  }
}
