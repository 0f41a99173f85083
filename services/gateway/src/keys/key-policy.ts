import { type BoundPrincipals, type Policy, type PolicyPlace, parseResourcePolicy } from '@coffer/policy'

/** AWS KMS API Reference, PutKeyPolicy. */
export const KEY_POLICY_BYTES_MAX = 32 * 1024
const PARSED_MAX = 1000

/** A key policy speaks of its own key, which it names `*` (AWS KMS Developer Guide, "Elements in a key policy"). */
const PLACE: PolicyPlace = {
  service: 'kms',
  bytesMax: KEY_POLICY_BYTES_MAX,
  isOwnResource: (resource) => resource === '*' || resource.startsWith('arn:aws:kms:'),
}

const parsed = new Map<string, Policy>()

/** Read once, whatever the number of requests; of those that are bound by their ids. PolicyMalformed. */
export function keyPolicyOf(text: string, bound: BoundPrincipals = {}): Policy {
  const name = JSON.stringify([text, bound])
  const known = parsed.get(name)
  if (known !== undefined) return known
  const policy = parseResourcePolicy(text, PLACE, bound)
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(name, policy)
  return policy
}

/**
 * What a key has that was given no other: AWS KMS Developer Guide, "Default key policy". It leaves the key to the policies of
 * the account's identities.
 */
export function defaultPolicyText(accountId: string): string {
  const statement = {
    Sid: 'Enable IAM User Permissions',
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${accountId}:root` },
    Action: 'kms:*',
    Resource: '*',
  }
  return JSON.stringify({ Version: '2012-10-17', Id: 'key-default-1', Statement: [statement] }, undefined, 2)
}
