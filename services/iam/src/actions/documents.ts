import { type Policy, PolicyMalformed, parseIdentityPolicy, parseTrustPolicy } from '@coffer/policy'
import { refusal } from '../errors.ts'
import { assertWithin, type QUOTAS, sizeOfPolicy } from './quotas.ts'

/** MalformedPolicyDocument, with what is wrong where; LimitExceeded. */
export function assertIdentityPolicy(document: string, quota: keyof typeof QUOTAS, otherCharacters = 0): void {
  readPolicy(document)
  assertWithin(quota, sizeOfPolicy(document) + otherCharacters)
}

export function assertTrustPolicy(document: string): void {
  readTrust(document)
  assertWithin('AssumeRolePolicySize', sizeOfPolicy(document))
}

/** MalformedPolicyDocument. */
export function readPolicy(document: string): Policy {
  return readable(() => parseIdentityPolicy(document))
}

/** MalformedPolicyDocument. */
export function readTrust(document: string): Policy {
  return readable(() => parseTrustPolicy(document))
}

export function readable(read: () => Policy): Policy {
  try {
    return read()
  } catch (error) {
    if (error instanceof PolicyMalformed) throw refusal('IAM_MALFORMED_POLICY', error.message)
    throw error
  }
}
