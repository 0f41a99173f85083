import { isCofferError } from '@coffer/errors'
import { keyNameOf } from '@coffer/kms'
import { type ContextValues, type Decision, decide, principalValue } from '@coffer/policy'
import type { Exchange } from '../exchange.ts'
import { globalValues } from '../global-values.ts'
import { decideOnKey } from '../keys/key-decision.ts'
import { KEY_OWNER_NAME } from '../keys/key-guards.ts'
import { decodeBlob } from './ciphertext-blob.ts'
import { kmsApiError } from './errors.ts'
import { aliasArnOf, parseKeyOrAlias } from './key-names.ts'
import type { KmsApiCall } from './operation.ts'

/** What another account may be let to do with a key (AWS KMS Developer Guide, "AWS KMS permissions": cross-account use). */
const ACROSS_ACCOUNTS: ReadonlySet<string> = new Set([
  'Decrypt',
  'DescribeKey',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'GetKeyRotationStatus',
  'ListKeyRotations',
  'ReEncrypt',
])

interface Need {
  readonly action: string
  /** A key by the name that the KMS service takes; its policy has a word in it. */
  readonly keyName?: string | undefined
  /** Of what is no key. */
  readonly resource?: string
  readonly encryptionContext?: Readonly<Record<string, string>>
}

/**
 * Whether the caller may do it: the server's master keys are the first account's, and each has a key policy. In another account only
 * what uses a key is possible, where the key's policy and that account's own say so. AccessDeniedException.
 */
export async function authorize(operation: string, body: unknown, call: KmsApiCall, exchange: Exchange): Promise<void> {
  const { principal } = call.caller
  const isOfAccount = principal.accountName === KEY_OWNER_NAME
  const needs = needsOf(operation, body, call)
  for (const need of isOfAccount || ACROSS_ACCOUNTS.has(operation) ? needs : [{ action: `kms:${operation}` }]) {
    const { decision, resource } = await decided(need, isOfAccount, call, exchange)
    exchange.trail.decided(need.action, decision)
    if (decision.effect === 'allow') continue
    throw kmsApiError('AccessDeniedException', {
      message: `User: ${principal.arn} is not authorized to perform: ${need.action} on resource: ${resource}`,
    })
  }
}

async function decided(
  { action, keyName, resource = '*', encryptionContext = {} }: Need,
  isOfAccount: boolean,
  { caller: { principal, policies }, guards, region }: KmsApiCall,
  exchange: Exchange,
): Promise<{ decision: Decision; resource: string }> {
  const ofRequest = globalValues(exchange, region)
  const values: ContextValues = (key) => ofRequest[key] ?? asList(principalValue(principal, key))
  const guard = keyName === undefined ? undefined : await guards.find(keyName).catch(unlessNotFound)
  if (guard !== undefined) {
    const decision = decideOnKey(guard, { principal, policies, action, encryptionContext, values })
    return { decision, resource: guard.arn }
  }
  const resourceAccountId = isOfAccount ? principal.accountId : undefined
  return { decision: decide({ principal, policies, action, resource, values, resourceAccountId }), resource }
}

/** A ciphertext or an alias that names nothing: the operation says so, to whoever may do it at all. */
function unlessNotFound(error: unknown): undefined {
  if (isCofferError(error, 'KMS_CONNECTOR_NOT_FOUND') || isCofferError(error, 'KMS_ALIAS_NOT_FOUND')) return undefined
  throw error
}

/** AWS KMS Developer Guide, "AWS KMS permissions": most need leave for one key, some for two things, the rest for none. */
function needsOf(operation: string, body: unknown, call: KmsApiCall): readonly Need[] {
  const said = (name: string): unknown =>
    typeof body === 'object' && body !== null && Object.hasOwn(body, name) ? Reflect.get(body, name) : undefined
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
