import type { KeyGrant } from '@coffer/contracts'
import { isAliasName, keyNameOf } from '@coffer/kms'
import { type ContextValues, type Decision, decide, principalValue } from '@coffer/policy'
import type { Exchange } from '../exchange.ts'
import { globalValues } from '../global-values.ts'
import { decideOnRetirement, decideWithGrants } from '../keys/grant-decision.ts'
import { decideOnKey, type GrantAsked } from '../keys/key-decision.ts'
import { type NamedGuard, unlessNotFound } from '../keys/key-guards.ts'
import { isAcrossAccounts } from './across-accounts.ts'
import { decodeBlob } from './ciphertext-blob.ts'
import { kmsApiError } from './errors.ts'
import { grantAskedIn, grantOf, grantsByTokens } from './grants-named.ts'
import { aliasArnOf, type KeyNamed, namedArnOf, parseKeyOrAlias } from './key-names.ts'
import type { KmsApiCall } from './operation.ts'
import { tagValues } from './tag-values.ts'

const TAG_RESOURCE = 'kms:TagResource'
/** AWS's words for such a ciphertext. */
const UNTOLD =
  'on the resource associated with this ciphertext because the resource does not exist in this Region or no policy allows access'

interface Need {
  readonly action: string
  /** Its policy has a word in it. A ciphertext names its key without saying whose it is: `connector/key`. */
  readonly key?: KeyNamed | string | undefined
  /** Of what is no key. */
  readonly resource?: string
  readonly encryptionContext?: Readonly<Record<string, string>>
  readonly newGrant?: GrantAsked
  /** What RetireGrant is to end: not its key's policy but the grant says who may. */
  readonly retired?: KeyGrant
}

interface Asking {
  readonly operation: string
  readonly call: KmsApiCall
  readonly exchange: Exchange
  /** Values of condition keys. */
  readonly ofRequest: Readonly<Record<string, readonly string[]>>
}

type Said = (name: string) => unknown

/**
 * Whether the caller may do it. A key of its own account is a matter of the key's policy and the caller's own; with one of another account only
 * what uses a key is possible, where both say so. AccessDeniedException.
 */
export async function authorize(operation: string, body: unknown, call: KmsApiCall, exchange: Exchange): Promise<void> {
  const { principal } = call.caller
  const said: Said = (name) =>
    typeof body === 'object' && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined
  const byToken = await grantsByTokens(said('GrantTokens'), call)
  const needs = operation === 'RetireGrant' ? await retirementNeeds(said, call) : needsOf(operation, said, call)
  const ofRequest = { ...globalValues(exchange, call.region), ...tagValues(said) }
  for (const need of needs) {
    const { decision, resource } = await decided(need, byToken, { operation, call, exchange, ofRequest })
    exchange.trail.decided(need.action, decision)
    if (decision.effect === 'allow') continue
    const on = resource === undefined ? UNTOLD : `on resource: ${resource}`
    throw kmsApiError('AccessDeniedException', {
      message: `User: ${principal.arn} is not authorized to perform: ${need.action} ${on}`,
    })
  }
}

async function decided(
  { action, key, resource = '*', encryptionContext = {}, newGrant, retired }: Need,
  byToken: readonly KeyGrant[],
  { operation, call, exchange, ofRequest }: Asking,
): Promise<{ decision: Decision; resource: string | undefined }> {
  const {
    accountId,
    caller: { principal, policies },
    guards,
  } = call
  const values: ContextValues = (name) => ofRequest[name] ?? asList(principalValue(principal, name))
  const requestAlias = typeof key === 'object' && isAliasName(key.name) ? key.name : undefined
  const asked = { principal, policies, action, encryptionContext, requestAlias, newGrant, values }
  if (retired !== undefined) {
    const { arn } = await guards.find(keyNameOf(retired))
    // A token names no key that the audit trail could tell.
    exchange.trail.names({ resource: arn })
    return { decision: decideOnRetirement(retired, arn, asked), resource: arn }
  }
  const found = key === undefined ? undefined : await guardOf(key, call)
  if (found === undefined) {
    return {
      decision: decide({ principal, policies, action, resource, values, resourceAccountId: accountId }),
      resource,
    }
  }
  const { guard, isThere } = found
  const { arn } = guard
  exchange.trail.names({ resource: arn })
  const told = guard.ownerAccountId === accountId ? arn : nameToldOf(key, call)
  if (guard.ownerAccountId !== accountId && !isAcrossAccounts(operation)) {
    return { decision: decide({ principal, policies, action, resource: arn, values }), resource: told }
  }
  const decision = isThere ? await decideWithGrants(guard, asked, guards, byToken) : decideOnKey(guard, asked)
  return { decision, resource: told }
}

/**
 * What a client is told of a key of another account: no more than it said itself, whether there is such a key or not. So nobody learns which key an
 * alias names, nor by a ciphertext that they made up whose a key is.
 */
function nameToldOf(key: KeyNamed | string | undefined, call: KmsApiCall): string | undefined {
  return typeof key === 'object' ? namedArnOf(key, call) : undefined
}

/** Undefined: a ciphertext of a connector that is not here. */
async function guardOf(key: KeyNamed | string, { named, guards }: KmsApiCall): Promise<NamedGuard | undefined> {
  if (typeof key !== 'string') return await named.find(key)
  const guard = await guards.find(key).catch(unlessNotFound)
  return guard && { guard, isThere: true }
}

/** AWS KMS Developer Guide, "AWS KMS permissions": most need leave for one key, some for two things, the rest for none. */
function needsOf(operation: string, said: Said, call: KmsApiCall): readonly Need[] {
  const action = `kms:${operation}`
  const blob = said('CiphertextBlob')
  if (operation === 'ReEncrypt') {
    return [
      {
        action: 'kms:ReEncryptFrom',
        key: keyNamed(said('SourceKeyId'), blob, call),
        encryptionContext: contextIn(said('SourceEncryptionContext')),
      },
      {
        action: 'kms:ReEncryptTo',
        key: keyNamed(said('DestinationKeyId'), undefined, call),
        encryptionContext: contextIn(said('DestinationEncryptionContext')),
      },
    ]
  }
  if (operation === 'CreateGrant') return [grantNeed(said, call)]
  // AWS KMS API Reference, CreateKey, Tags: "To use this parameter, you must have kms:TagResource permission in an IAM policy".
  const tags = said('Tags')
  if (operation === 'CreateKey' && Array.isArray(tags) && tags.length > 0) return [{ action }, { action: TAG_RESOURCE }]
  const encryptionContext = contextIn(said('EncryptionContext'))
  const alias = operation.endsWith('Alias') ? said('AliasName') : undefined
  const key = keyNamed(said('KeyId') ?? said('TargetKeyId'), blob, call)
  const needs: Need[] = []
  if (typeof alias === 'string') needs.push({ action, resource: aliasArnOf({ alias }, call) })
  if (key !== undefined) needs.push({ action, key, encryptionContext })
  // The key that the alias names is asked about too: it is what loses its name (AWS KMS API Reference, UpdateAlias, DeleteAlias).
  if (operation === 'DeleteAlias' || operation === 'UpdateAlias') {
    const aliased = keyNamed(alias, undefined, call)
    if (aliased !== undefined) needs.push({ action, key: aliased })
  }
  return needs.length > 0 ? needs : [{ action }]
}

/** The encryption context that its constraints name is what the key's policy may ask about (kms:EncryptionContext, "Operations"). */
function grantNeed(said: Said, call: KmsApiCall): Need {
  const newGrant = grantAskedIn(said)
  const { encryptionContextEquals, encryptionContextSubset } = newGrant.constraints ?? {}
  return {
    action: 'kms:CreateGrant',
    key: keyNamed(said('KeyId'), undefined, call),
    encryptionContext: { ...encryptionContextSubset, ...encryptionContextEquals },
    newGrant,
  }
}

async function retirementNeeds(said: Said, call: KmsApiCall): Promise<readonly Need[]> {
  const named = { GrantToken: said('GrantToken'), KeyId: said('KeyId'), GrantId: said('GrantId') }
  const retired = await grantOf(named, call)
  return retired === undefined ? [] : [{ action: 'kms:RetireGrant', retired }]
}

/** Of the id or alias that is said, else of what the ciphertext says of itself; undefined for what the operation will refuse. */
function keyNamed(keyId: unknown, blob: unknown, call: KmsApiCall): KeyNamed | string | undefined {
  if (typeof keyId === 'string') return keyId === '' ? undefined : parseKeyOrAlias(keyId, call)
  if (typeof blob !== 'string') return undefined
  try {
    return keyNameOf(decodeBlob(Buffer.from(blob, 'base64')).wrapped)
  } catch {
    return undefined
  }
}

/** What is not a map of texts the operation refuses. */
function contextIn(said: unknown): Readonly<Record<string, string>> {
  if (typeof said !== 'object' || said === null) return {}
  const pairs = Object.entries(said).filter((pair): pair is [string, string] => typeof pair[1] === 'string')
  return Object.fromEntries(pairs)
}

function asList(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}
