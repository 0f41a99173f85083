import { evaluatePolicy, isPublicPolicy, type PolicyRequest } from './language/evaluate.ts'
import type { Policy } from './language/policy.ts'

/** What is asked: may this principal do this? */
export interface DecisionRequest extends PolicyRequest {
  /** Of the bucket that the action names; absent where it names none or makes one. */
  readonly bucketOwnerAccountId?: string
  readonly bucketPolicy?: Policy | undefined
  /** RestrictPublicBuckets: a public policy lets in nobody but the owner's account. */
  readonly restrictsPublic?: boolean
}

export interface Decision {
  readonly effect: 'allow' | 'deny'
  /** For the audit trail: which rule decided. */
  readonly reason:
    | 'anonymous'
    | 'own-bucket'
    | 'own-account'
    | 'no-bucket'
    | 'other-account'
    | 'other-action'
    | 'bucket-policy'
    | 'public-access-block'
}

/** Actions on the account itself. An action on a bucket whose owner is not told is never one of them. */
const ACCOUNT_ACTIONS: readonly string[] = ['s3:CreateBucket', 's3:ListBuckets', 's3:ListAllMyBuckets']
/** S3 User Guide, "Bucket policies": the owner's root can always mend a policy, whatever it says. */
const OWNER_ACTIONS: readonly string[] = ['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy']

/**
 * Who may do what, pure: the root of an account may do everything in it that a bucket policy does not deny; others what one
 * allows; what no rule allows is denied. Identity and session policies find their place behind this function.
 */
export function decide(request: DecisionRequest): Decision {
  const { principal, action, bucketOwnerAccountId, bucketPolicy } = request
  if (bucketOwnerAccountId === undefined) return decideOnAccount(request)
  if (!action.startsWith('s3:')) return { effect: 'deny', reason: 'other-action' }
  const isOwner = principal !== 'anonymous' && principal.accountId === bucketOwnerAccountId
  if (isOwner && OWNER_ACTIONS.includes(action)) return { effect: 'allow', reason: 'own-bucket' }
  const verdict = bucketPolicy === undefined ? 'silent' : evaluatePolicy(bucketPolicy, request)
  if (verdict === 'allow' && !isOwner && request.restrictsPublic && bucketPolicy && isPublicPolicy(bucketPolicy)) {
    return { effect: 'deny', reason: 'public-access-block' }
  }
  if (verdict !== 'silent') return { effect: verdict, reason: 'bucket-policy' }
  if (isOwner) return { effect: 'allow', reason: 'own-bucket' }
  return { effect: 'deny', reason: principal === 'anonymous' ? 'anonymous' : 'other-account' }
}

function decideOnAccount({ principal, action }: DecisionRequest): Decision {
  if (principal === 'anonymous') return { effect: 'deny', reason: 'anonymous' }
  return ACCOUNT_ACTIONS.includes(action)
    ? { effect: 'allow', reason: 'own-account' }
    : { effect: 'deny', reason: 'no-bucket' }
}
