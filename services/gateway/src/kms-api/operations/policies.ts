import { z } from 'zod'
import { kmsApiError } from '../errors.ts'
import { keyId, marker } from '../fields.ts'
import { describeLiveKey, parseKey } from '../key-names.ts'
import { assertDefaultPolicy, DEFAULT_POLICY_NAME, defaultPolicy } from '../key-policy.ts'
import { kmsApiOperation } from '../operation.ts'
import { limitOf, pageOf } from '../pages.ts'

const PolicyName = z.string().min(1).max(128).default(DEFAULT_POLICY_NAME)

/** The default policy, which every key has. */
export const getKeyPolicy = kmsApiOperation(z.strictObject({ KeyId: keyId, PolicyName }), async (input, call) => {
  await describeLiveKey(call, parseKey(input.KeyId, call))
  assertPolicyName(input.PolicyName)
  return { Policy: JSON.stringify(defaultPolicy(call.accountId), undefined, 2), PolicyName: DEFAULT_POLICY_NAME }
})

/** Takes the default policy only, which changes nothing. UnsupportedOperationException for any other: it is not enforced. */
export const putKeyPolicy = kmsApiOperation(
  z.strictObject({
    KeyId: keyId,
    PolicyName,
    Policy: z.string().min(1),
    BypassPolicyLockoutSafetyCheck: z.boolean().optional(),
  }),
  async (input, call) => {
    await describeLiveKey(call, parseKey(input.KeyId, call))
    assertPolicyName(input.PolicyName)
    assertDefaultPolicy(input.Policy, call.accountId)
    return undefined
  },
)

export const listKeyPolicies = kmsApiOperation(
  z.strictObject({ KeyId: keyId, Limit: limitOf(1000, 100), Marker: marker.optional() }),
  async ({ KeyId, Limit, Marker }, call) => {
    await describeLiveKey(call, parseKey(KeyId, call))
    const { page, more } = pageOf([DEFAULT_POLICY_NAME], Marker, Limit)
    return { PolicyNames: page, ...more }
  },
)

function assertPolicyName(name: string): void {
  if (name === DEFAULT_POLICY_NAME) return
  throw kmsApiError('NotFoundException', { message: 'No such policy exists' })
}
