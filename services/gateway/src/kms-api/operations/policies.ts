import { keyNameOf } from '@coffer/kms'
import { PolicyMalformed, principalValue } from '@coffer/policy'
import { z } from 'zod'
import { decideOnKey } from '../../keys/key-decision.ts'
import { defaultPolicyText, KEY_POLICY_BYTES_MAX, keyPolicyOf } from '../../keys/key-policy.ts'
import { kmsApiError } from '../errors.ts'
import { keyId, marker } from '../fields.ts'
import { assertNotServerKey } from '../key-metadata.ts'
import { describeLiveKey, parseKey } from '../key-names.ts'
import { type KmsApiCall, kmsApiOperation } from '../operation.ts'
import { limitOf, pageOf } from '../pages.ts'

/** AWS KMS API Reference, PutKeyPolicy: there is one policy for a key, of this name. */
const POLICY_NAME = 'default'
const PolicyName = z.string().min(1).max(128).default(POLICY_NAME)

export const getKeyPolicy = kmsApiOperation(z.strictObject({ KeyId: keyId, PolicyName }), async (input, call) => {
  const key = await describeLiveKey(call, parseKey(input.KeyId, call))
  assertPolicyName(input.PolicyName)
  const { policy } = await call.kms.describeSettings(keyNameOf(key))
  return { Policy: policy ?? defaultPolicyText(call.accountId), PolicyName: POLICY_NAME }
})

/** In force at once in this process, and within a second in every other. */
export const putKeyPolicy = kmsApiOperation(
  z.strictObject({
    KeyId: keyId,
    PolicyName,
    Policy: z.string().min(1),
    BypassPolicyLockoutSafetyCheck: z.boolean().optional(),
  }),
  async (input, call) => {
    const key = await describeLiveKey(call, parseKey(input.KeyId, call))
    assertPolicyName(input.PolicyName)
    assertNotServerKey(key, call)
    await assertKeyPolicy(input.Policy, input.BypassPolicyLockoutSafetyCheck === true, call)
    await call.kms.setKeyPolicy(keyNameOf(key), input.Policy)
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

export const listKeyPolicies = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Limit: limitOf(1000, 100), Marker: marker.optional() }),
  async ({ KeyId, Limit, Marker }, call) => {
    await describeLiveKey(call, parseKey(KeyId, call))
    const { page, more } = pageOf([POLICY_NAME], Marker, Limit)
    return { PolicyNames: page, ...more }
  },
)

/**
 * A policy that can be kept: understood as a whole, and (AWS KMS Developer Guide, "The key policy lockout safety check") one that
 * lets the caller replace it again. LimitExceededException, MalformedPolicyDocumentException.
 */
export async function assertKeyPolicy(text: string, bypass: boolean, call: KmsApiCall): Promise<void> {
  if (Buffer.byteLength(text) > KEY_POLICY_BYTES_MAX) throw kmsApiError('LimitExceededException')
  const policy = parsed(text)
  const { principal, policies } = call.caller
  const arn = `arn:aws:kms:${call.region}:${call.accountId}:key/*`
  const guard = { name: '', arn, ownerAccountId: call.accountId, isServerKey: false, policy: { id: arn, policy } }
  const decision = decideOnKey(guard, {
    principal,
    policies,
    action: 'kms:PutKeyPolicy',
    encryptionContext: {},
    values: (key) => {
      const value = principalValue(principal, key)
      return value === undefined ? undefined : [value]
    },
  })
  if (bypass || decision.effect === 'allow') return
  throw kmsApiError('MalformedPolicyDocumentException', {
    message: 'The new key policy will not allow you to update the key policy in the future.',
  })
}

function parsed(text: string) {
  try {
    return keyPolicyOf(text)
  } catch (error) {
    if (!(error instanceof PolicyMalformed)) throw error
    throw kmsApiError('MalformedPolicyDocumentException', { message: error.message, cause: error })
  }
}

function assertPolicyName(name: string): void {
  if (name === POLICY_NAME) return
  throw kmsApiError('NotFoundException', { message: 'No such policy exists' })
}
