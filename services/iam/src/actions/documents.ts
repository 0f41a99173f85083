import {
  type BoundPrincipals,
  type Policy,
  PolicyMalformed,
  parseIdentityPolicy,
  parseTrustPolicy,
  principalsNamedIn,
} from '@coffer/policy'
import type { Directory } from '../directory.ts'
import { refusal } from '../errors.ts'
import { identifyPrincipal } from '../principal-ids.ts'
import { assertWithin, type QUOTAS, sizeOfPolicy } from './quotas.ts'

/** MalformedPolicyDocument, with what is wrong where; LimitExceeded. */
export function assertIdentityPolicy(document: string, quota: keyof typeof QUOTAS, otherCharacters = 0): void {
  readPolicy(document)
  assertWithin(quota, sizeOfPolicy(document) + otherCharacters)
}

/** Whom it names, by their ids. MalformedPolicyDocument also where one of them is nobody; LimitExceeded. */
export function bindTrustPolicy(document: string, directory: Directory): BoundPrincipals {
  const named = principalsNamedIn(readTrust(document))
  assertWithin('AssumeRolePolicySize', sizeOfPolicy(document))
  const ids = named.map((name) => [name, identifyPrincipal(directory, name)] as const)
  const nobody = ids.find(([, id]) => id === undefined)
  if (nobody) throw refusal('IAM_MALFORMED_POLICY', `Invalid principal in policy: "AWS":"${nobody[0]}"`)
  return Object.fromEntries(ids.flatMap(([name, id]) => (id === undefined || id === name ? [] : [[name, id]])))
}

/** MalformedPolicyDocument. */
export function readPolicy(document: string): Policy {
  return readable(() => parseIdentityPolicy(document))
}

/** MalformedPolicyDocument. */
export function readTrust(document: string, bound?: BoundPrincipals): Policy {
  return readable(() => parseTrustPolicy(document, bound))
}

export function readable(read: () => Policy): Policy {
  try {
    return read()
  } catch (error) {
    if (error instanceof PolicyMalformed) throw refusal('IAM_MALFORMED_POLICY', error.message)
    throw error
  }
}
