import type { Explanation } from '@coffer/service-gateway/explain'

const REASONS: Readonly<Record<Explanation['reason'], string>> = {
  'account-root': 'the root of an account may do everything in it',
  anonymous: 'nothing lets everybody',
  'explicit-deny': 'a statement denies it',
  'identity-policy': 'a statement of its own policies allows it',
  'no-identity-policy': 'no policy of its own allows it',
  'no-owner': 'no other account may do it',
  'no-resource-policy': "the resource's policy does not allow it",
  'not-in-boundary': "a policy allows it, but the permissions boundary doesn't",
  'not-in-session-policy': "a policy allows it, but the session's doesn't",
  'other-bucket-owner': 'the bucket is not of the account that is expected (x-amz-expected-bucket-owner)',
  'requester-pays':
    'the bucket is Requester Pays, and who asks is not of its account and does not say so (x-amz-request-payer)',
  'public-access-block':
    'the policy is public, and the public access block of the bucket or its account shuts out others',
  'resource-policy': "a statement of the resource's policy allows it",
}
const RESOURCE_POLICIES: Readonly<Record<Explanation['resourcePolicy'], string | undefined>> = {
  asked: undefined,
  none: 'The bucket has no policy.',
  'no-bucket': 'There is no such bucket: this is what one of its own account would say that has no policy.',
  'not-asked': 'No policy of a resource was asked.',
}

/** For a person. Where something else was refused than what was asked, that is said first. */
export function renderExplanation(
  { principalArn, effect, reason, action, resource, statement, policies, resourcePolicy, valuesMissing }: Explanation,
  asked: { readonly action: string; readonly resource: string },
): string {
  const may = effect === 'allow' ? 'may' : 'may not'
  const but = action === asked.action ? '' : `, because it may not ${action} on ${resource}`
  const lines = [
    `${principalArn} ${may} ${asked.action} on ${asked.resource}${but}: ${REASONS[reason]}.`,
    statement &&
      `  statement ${statement.sid ?? statement.index + 1} of ${statement.policyId} (${statement.kind} policy)`,
    `  policies asked: ${policies.length === 0 ? 'none' : policies.join(', ')}`,
    RESOURCE_POLICIES[resourcePolicy] && `  ${RESOURCE_POLICIES[resourcePolicy]}`,
    valuesMissing.length > 0 && `  Asked for and not given (--context): ${valuesMissing.join(', ')}`,
  ]
  return lines.filter((line) => typeof line === 'string').join('\n')
}
