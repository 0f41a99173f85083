/** What is asked: may this principal do this? */
export interface DecisionRequest {
  readonly principal: { readonly accountId: string } | 'anonymous'
  /** `s3:` and the name of the operation: `s3:GetObject`. */
  readonly action: string
  /** Of the bucket that the action names; absent where it names none or makes one. */
  readonly bucketOwnerAccountId?: string
}

export interface Decision {
  readonly effect: 'allow' | 'deny'
  /** For the audit trail: which rule decided. */
  readonly reason: 'anonymous' | 'own-bucket' | 'own-account' | 'no-bucket' | 'other-account' | 'other-action'
}

/** Actions on the account itself. An action on a bucket whose owner is not told is never one of them. */
const ACCOUNT_ACTIONS: readonly string[] = ['s3:CreateBucket', 's3:ListBuckets', 's3:ListAllMyBuckets']

/**
 * Today's whole policy, pure: the root of an account may do everything in it and nothing outside; what no rule allows is
 * denied. The policy language (identity, resource, session and key policies) finds its place behind this function.
 */
export function decide(request: DecisionRequest): Decision {
  const { principal, action, bucketOwnerAccountId } = request
  if (principal === 'anonymous') return { effect: 'deny', reason: 'anonymous' }
  if (bucketOwnerAccountId === undefined) {
    return ACCOUNT_ACTIONS.includes(action)
      ? { effect: 'allow', reason: 'own-account' }
      : { effect: 'deny', reason: 'no-bucket' }
  }
  if (!action.startsWith('s3:')) return { effect: 'deny', reason: 'other-action' }
  return bucketOwnerAccountId === principal.accountId
    ? { effect: 'allow', reason: 'own-bucket' }
    : { effect: 'deny', reason: 'other-account' }
}
