/** What is asked: may this principal do this? */
export interface DecisionRequest {
  readonly principal: { readonly accountId: string } | 'anonymous'
  /** `s3:GetObject`. */
  readonly action: string
  /** Of the bucket that the action names; absent where it names none or makes one. */
  readonly bucketOwnerAccountId?: string
}

export interface Decision {
  readonly effect: 'allow' | 'deny'
  /** For the audit trail: which rule decided. */
  readonly reason: 'anonymous' | 'own-bucket' | 'own-account' | 'other-account'
}

/**
 * Today's whole policy, pure: the root of an account may do everything in it and nothing outside. The policy language
 * (identity, resource, session and key policies) finds its place behind this function.
 */
export function decide(request: DecisionRequest): Decision {
  const { principal, bucketOwnerAccountId } = request
  if (principal === 'anonymous') return { effect: 'deny', reason: 'anonymous' }
  if (bucketOwnerAccountId === undefined) return { effect: 'allow', reason: 'own-account' }
  return bucketOwnerAccountId === principal.accountId
    ? { effect: 'allow', reason: 'own-bucket' }
    : { effect: 'deny', reason: 'other-account' }
}
