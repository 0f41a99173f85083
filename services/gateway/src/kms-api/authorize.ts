import type { KeyGrant } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { keyNameOf } from '@coffer/kms'
import { type ContextValues, type Decision, decide, principalValue } from '@coffer/policy'
import type { Exchange } from '../exchange.ts'
import { globalValues } from '../global-values.ts'
import { decideOnRetirement, decideWithGrants } from '../keys/grant-decision.ts'
import type { GrantAsked } from '../keys/key-decision.ts'
import { KEY_OWNER_NAME } from '../keys/key-guards.ts'
import { isAcrossAccounts } from './across-accounts.ts'
import { decodeBlob } from './ciphertext-blob.ts'
import { kmsApiError } from './errors.ts'
import { grantAskedIn, grantOf, grantsByTokens } from './grants-named.ts'
import { aliasArnOf, keyArnOf, parseKeyOrAlias } from './key-names.ts'
import type { KmsApiCall } from './operation.ts'
import { tagValues } from './tag-values.ts'

/** Asked of the account of who asks, whichever that is. */
const OF_OWN_ACCOUNT = 'ListRetirableGrants'

interface Need {
  readonly action: string
  /** A key by the name that the KMS service takes; its policy has a word in it. */
  readonly keyName?: string | undefined
  /** Of what is no key. */
  readonly resource?: string
  readonly encryptionContext?: Readonly<Record<string, string>>
  readonly newGrant?: GrantAsked
  /** What RetireGrant is to end: not its key's policy but the grant says who may. */
  readonly retired?: KeyGrant
}

interface Asking {
  readonly call: KmsApiCall
  readonly exchange: Exchange
  /** Values of condition keys. */
  readonly ofRequest: Readonly<Record<string, readonly string[]>>
}

type Said = (name: string) => unknown

/**
 * Whether the caller may do it: the server's master keys are the first account's, and each has a key policy. In another account only
 * what uses a key is possible, where the key's policy and that account's own say so. AccessDeniedException.
 */
export async function authorize(operation: string, body: unknown, call: KmsApiCall, exchange: Exchange): Promise<void> {
  const { principal } = call.caller
  const isOfAccount = principal.accountName === KEY_OWNER_NAME
  const said: Said = (name) =>
    typeof body === 'object' && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined
  const byToken = await grantsByTokens(said('GrantTokens'), call)
  const needs = operation === 'RetireGrant' ? await retirementNeeds(said, call) : needsOf(operation, said, call)
  const ofRequest = { ...globalValues(exchange, call.region), ...tagValues(said) }
  const isOwn = isOfAccount || operation === OF_OWN_ACCOUNT
  for (const need of isOwn || isAcrossAccounts(operation) ? needs : [{ action: `kms:${operation}` }]) {
    const { decision, resource } = await decided(need, isOwn, byToken, { call, exchange, ofRequest })
    exchange.trail.decided(need.action, decision)
    if (decision.effect === 'allow') continue
    throw kmsApiError('AccessDeniedException', {
      message: `User: ${principal.arn} is not authorized to perform: ${need.action} on resource: ${resource}`,
    })
  }
}

async function decided(
  { action, keyName, resource = '*', encryptionContext = {}, newGrant, retired }: Need,
  isOwn: boolean,
  byToken: readonly KeyGrant[],
  { call, exchange, ofRequest }: Asking,
): Promise<{ decision: Decision; resource: string }> {
  const {
    caller: { principal, policies },
    guards,
  } = call
  const values: ContextValues = (key) => ofRequest[key] ?? asList(principalValue(principal, key))
  const guard = keyName === undefined ? undefined : await guards.find(keyName).catch(unlessNotFound)
  const asked = { principal, policies, action, encryptionContext, newGrant, values }
  if (retired !== undefined) {
    const keyArn = keyArnOf(retired, call)
    // A token names no key that the audit trail could tell.
    exchange.trail.names({ resource: keyArn })
    return { decision: decideOnRetirement(retired, keyArn, asked), resource: keyArn }
  }
  if (guard !== undefined) {
    return { decision: await decideWithGrants(guard, asked, guards, byToken), resource: guard.arn }
  }
  const resourceAccountId = isOwn ? principal.accountId : undefined
  return { decision: decide({ principal, policies, action, resource, values, resourceAccountId }), resource }
}

/** A ciphertext or an alias that names nothing: the operation says so, to whoever may do it at all. */
function unlessNotFound(error: unknown): undefined {
  if (isCofferError(error, 'KMS_CONNECTOR_NOT_FOUND') || isCofferError(error, 'KMS_ALIAS_NOT_FOUND')) return undefined
  throw error
}

/** AWS KMS Developer Guide, "AWS KMS permissions": most need leave for one key, some for two things, the rest for none. */
function needsOf(operation: string, said: Said, call: KmsApiCall): readonly Need[] {
  const action = `kms:${operation}`
  const blob = said('CiphertextBlob')
  if (operation === 'ReEncrypt') {
    return [
      {
        action: 'kms:ReEncryptFrom',
        keyName: keyNamed(said('SourceKeyId'), blob, call),
        encryptionContext: contextIn(said('SourceEncryptionContext')),
      },
      {
        action: 'kms:ReEncryptTo',
        keyName: keyNamed(said('DestinationKeyId'), undefined, call),
        encryptionContext: contextIn(said('DestinationEncryptionContext')),
      },
    ]
  }
  if (operation === 'CreateGrant') return [grantNeed(said, call)]
  const encryptionContext = contextIn(said('EncryptionContext'))
  const alias = operation.endsWith('Alias') ? said('AliasName') : undefined
  const keyName = keyNamed(said('KeyId') ?? said('TargetKeyId'), blob, call)
  const needs: Need[] = []
  if (typeof alias === 'string') needs.push({ action, resource: aliasArnOf({ alias }, call) })
  if (keyName !== undefined) needs.push({ action, keyName, encryptionContext })
  // The key that the alias names is asked about too: it is what loses its name (AWS KMS API Reference, UpdateAlias, DeleteAlias).
  if (operation === 'DeleteAlias' || operation === 'UpdateAlias') {
    const aliased = keyNamed(alias, undefined, call)
    if (aliased !== undefined) needs.push({ action, keyName: aliased })
  }
  return needs.length > 0 ? needs : [{ action }]
}

/** The encryption context that its constraints name is what the key's policy may ask about (kms:EncryptionContext, "Operations"). */
function grantNeed(said: Said, call: KmsApiCall): Need {
  const newGrant = grantAskedIn(said)
  const { encryptionContextEquals, encryptionContextSubset } = newGrant.constraints ?? {}
  return {
    action: 'kms:CreateGrant',
    keyName: keyNamed(said('KeyId'), undefined, call),
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
function keyNamed(keyId: unknown, blob: unknown, call: KmsApiCall): string | undefined {
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
