import { keyNameOf } from '@coffer/kms'
import { type BoundPrincipals, PolicyMalformed, principalValue } from '@coffer/policy'
import { z } from 'zod'
import { decideOnKey } from '../../keys/key-decision.ts'
import { defaultPolicyText, KEY_POLICY_BYTES_MAX, keyPolicyOf } from '../../keys/key-policy.ts'
import { bindPrincipals, PrincipalUnknown, shownPolicy } from '../../policy-principals.ts'
import { kmsApiError } from '../errors.ts'
import { keyId, marker } from '../fields.ts'
import { assertNotServerKey } from '../key-metadata.ts'
import { liveKeyNamed } from '../named-keys.ts'
import { type KmsApiCall, kmsApiOperation } from '../operation.ts'
import { limitOf, pageOf } from '../pages.ts'

/** AWS KMS API Reference, PutKeyPolicy: there is one policy for a key, of this name. */
const POLICY_NAME = 'default'
const PolicyName = z.string().min(1).max(128).default(POLICY_NAME)

export const getKeyPolicy = kmsApiOperation(z.strictObject({ KeyId: keyId, PolicyName }), async (input, call) => {
  const key = await liveKeyNamed(call, input.KeyId)
  assertPolicyName(input.PolicyName)
  const { policy = defaultPolicyText(call.accountId), policyPrincipals } = await call.kms.describeSettings(
    keyNameOf(key),
  )
  return { Policy: await shownPolicy(policy, policyPrincipals, call.mesh.use('iam')), PolicyName: POLICY_NAME }
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
    const key = await liveKeyNamed(call, input.KeyId)
    assertPolicyName(input.PolicyName)
    assertNotServerKey(key, call)
    const principals = await bindKeyPolicy(input.Policy, input.BypassPolicyLockoutSafetyCheck === true, call)
    await call.kms.setKeyPolicy(keyNameOf(key), input.Policy, principals)
    call.guards.forget()
    return undefined
  },
  { changesKeys: true },
)

export const listKeyPolicies = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Limit: limitOf(1000, 100), Marker: marker.optional() }),
  async ({ KeyId, Limit, Marker }, call) => {
    await liveKeyNamed(call, KeyId)
    const { page, more } = pageOf([POLICY_NAME], Marker, Limit)
    return { PolicyNames: page, ...more }
  },
)

/**
 * Whom a policy names, by unique ids, if it can be kept: understood as a whole, of nobody who is not there, and (AWS KMS Developer Guide, "The
 * key policy lockout safety check") one that lets the caller replace it again. LimitExceededException, MalformedPolicyDocumentException.
 */
export async function bindKeyPolicy(text: string, bypass: boolean, call: KmsApiCall): Promise<BoundPrincipals> {
  if (Buffer.byteLength(text) > KEY_POLICY_BYTES_MAX) throw kmsApiError('LimitExceededException')
  const bound = await understood(() => bindPrincipals(keyPolicyOf(text), call.mesh.use('iam')))
  const policy = keyPolicyOf(text, bound)
  const { principal, policies } = call.caller
  const arn = `arn:aws:kms:${call.region}:${call.accountId}:key/*`
  const guard = {
    name: '',
    arn,
    ownerAccountId: call.accountId,
    isServerKey: false,
    policy: { id: arn, policy },
    tags: [],
  }
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
  if (bypass || decision.effect === 'allow') return bound
  throw kmsApiError('MalformedPolicyDocumentException', {
    message: 'The new key policy will not allow you to update the key policy in the future.',
  })
}

async function understood(bind: () => Promise<BoundPrincipals>): Promise<BoundPrincipals> {
  try {
    return await bind()
  } catch (cause) {
    if (cause instanceof PrincipalUnknown) {
      const message = 'Policy contains a statement with one or more invalid principals.'
      throw kmsApiError('MalformedPolicyDocumentException', { message, cause })
    }
    if (!(cause instanceof PolicyMalformed)) throw cause
    throw kmsApiError('MalformedPolicyDocumentException', { message: cause.message, cause })
  }
}

function assertPolicyName(name: string): void {
  if (name === POLICY_NAME) return
  throw kmsApiError('NotFoundException', { message: 'No such policy exists' })
}
