import { keyNameOf } from '@coffer/kms'
import { decide, principalValue } from '@coffer/policy'
import type { Exchange } from '../exchange.ts'
import { globalValues } from '../global-values.ts'
import type { SigningKey } from '../signing-keys.ts'
import { decodeBlob } from './ciphertext-blob.ts'
import { kmsApiError } from './errors.ts'
import { aliasArnOf, keyArnOf, parseKeyOrAlias } from './key-names.ts'
import type { KmsApiCall } from './operation.ts'

/** The one account whose keys the server's master keys are. */
const ROOT_ACCOUNT_NAME = 'root'

interface Need {
  readonly action: string
  readonly resource: string
}

/**
 * Whether the caller may do it: the server's master keys are the first account's, and every key has the default key policy, which
 * leaves it to that account's identity policies. Nobody of another account may do anything. AccessDeniedException.
 */
export async function authorize(
  { principal, policies }: SigningKey,
  operation: string,
  body: unknown,
  call: KmsApiCall,
  exchange: Exchange,
): Promise<void> {
  const isOfAccount = principal.accountName === ROOT_ACCOUNT_NAME
  if (isOfAccount && principal.kind === 'account-root') {
    exchange.trail.decided(`kms:${operation}`, { effect: 'allow', reason: 'account-root' })
    return
  }
  const needs = isOfAccount ? await needsOf(operation, body, call) : [{ action: `kms:${operation}`, resource: '*' }]
  const values = globalValues(exchange, call.region)
  for (const { action, resource } of needs) {
    const decision = decide({
      principal,
      policies,
      action,
      resource,
      values: (key) => values[key] ?? asList(principalValue(principal, key)),
      resourceAccountId: isOfAccount ? principal.accountId : undefined,
    })
    exchange.trail.decided(action, decision)
    if (decision.effect === 'allow') continue
    throw kmsApiError('AccessDeniedException', {
      message: `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource}`,
    })
  }
}

/** AWS KMS Developer Guide, "AWS KMS permissions": most need leave for one key, some for two things, the rest for none. */
async function needsOf(operation: string, body: unknown, call: KmsApiCall): Promise<readonly Need[]> {
  const said = (name: string) => {
    const value = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined
    return typeof value === 'string' ? value : undefined
  }
  const action = `kms:${operation}`
  const blob = said('CiphertextBlob')
  if (operation === 'ReEncrypt') {
    return [
      { action: 'kms:ReEncryptFrom', resource: await arnOf(said('SourceKeyId'), blob, call) },
      { action: 'kms:ReEncryptTo', resource: await arnOf(said('DestinationKeyId'), undefined, call) },
    ]
  }
  const alias = operation.endsWith('Alias') ? said('AliasName') : undefined
  const keyId = said('KeyId') ?? said('TargetKeyId')
  const needs: Need[] = []
  if (alias !== undefined) needs.push({ action, resource: aliasArnOf({ alias }, call) })
  if (keyId !== undefined || blob !== undefined) needs.push({ action, resource: await arnOf(keyId, blob, call) })
  // The key that the alias names is asked about too: it is what loses its name.
  if (operation === 'DeleteAlias' && alias !== undefined) {
    needs.push({ action, resource: await arnOf(alias, undefined, call) })
  }
  return needs.length > 0 ? needs : [{ action, resource: '*' }]
}

/** The key's ARN: of the id or alias that is said, else of what the ciphertext says of itself. */
async function arnOf(keyId: string | undefined, blob: string | undefined, call: KmsApiCall): Promise<string> {
  if (keyId === undefined && blob === undefined) return '*'
  const name =
    keyId === undefined
      ? keyNameOf(decodeBlob(Buffer.from(blob ?? '', 'base64')).wrapped)
      : parseKeyOrAlias(keyId, call)
  return keyArnOf(await call.kms.describeKey(name), call)
}

function asList(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}
