import { isDeepStrictEqual } from 'node:util'
import { kmsApiError } from './errors.ts'

export const DEFAULT_POLICY_NAME = 'default'
/** AWS KMS API Reference, PutKeyPolicy. */
const POLICY_CHARACTERS_MAX = 32_768

/** The policy that every key has: AWS KMS Developer Guide, "Default key policy". It is what this server does. */
export function defaultPolicy(accountId: string): object {
  return {
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [
      {
        Sid: 'Enable IAM User Permissions',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${accountId}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  }
}

/**
 * Refuses every policy but the default one: key policies are not evaluated yet, and one that is kept but not enforced would
 * be taken for protection. LimitExceededException, MalformedPolicyDocumentException, UnsupportedOperationException.
 */
export function assertDefaultPolicy(policy: string, accountId: string): void {
  if (policy.length > POLICY_CHARACTERS_MAX) throw kmsApiError('LimitExceededException')
  const parsed = parse(policy)
  if (isDeepStrictEqual({ Id: 'key-default-1', ...parsed }, defaultPolicy(accountId))) return
  throw kmsApiError('UnsupportedOperationException', {
    message: 'Key policies are not evaluated yet: only the default key policy is accepted.',
  })
}

function parse(policy: string): object {
  let parsed: unknown
  try {
    parsed = JSON.parse(policy)
  } catch (cause) {
    throw kmsApiError('MalformedPolicyDocumentException', { cause })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  throw kmsApiError('MalformedPolicyDocumentException')
}
