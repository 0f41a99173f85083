import { decide } from '@coffer/policy'
import { decideWithGrants } from '../keys/grant-decision.ts'
import { KEY_OWNER_NAME, type KeyGuards } from '../keys/key-guards.ts'
import { isActionAcrossAccounts } from '../kms-api/across-accounts.ts'
import { parseKeyOrAlias } from '../kms-api/key-names.ts'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

/** What a request to the KMS API would be told, without a grant token. */
export async function explainOnKey(asked: Explaining, guards: KeyGuards, region: string): Promise<ExplainedUse> {
  const { principal, policies, action, resource, values } = asked
  if (action === 'kms:RetireGrant') throw new NotExplained('who may retire a grant says the grant: aws kms list-grants')
  const isOwn = principal.accountName === KEY_OWNER_NAME || action === 'kms:ListRetirableGrants'
  if (!isOwn && !isActionAcrossAccounts(action)) {
    const decision = decide({ principal, policies, action, resource: '*', values: values.of() })
    return { decision, action, resource, resourcePolicies: [], resourcePolicy: 'not-asked' }
  }
  // Of no key, as kms:ListKeys.
  if (resource === '*') {
    const resourceAccountId = isOwn ? principal.accountId : undefined
    const decision = decide({ principal, policies, action, resource, resourceAccountId, values: values.of() })
    return { decision, action, resource, resourcePolicies: [], resourcePolicy: 'not-asked' }
  }
  const accountId = await guards.ownerAccountId()
  const guard = await guards.find(parseKeyOrAlias(resource, { region, accountId }))
  const { encryptionContext } = values
  const use = { principal, policies, action, encryptionContext, values: values.of() }
  const decision = await decideWithGrants(guard, use, guards)
  return { decision, action, resource: guard.arn, resourcePolicies: [guard.arn], resourcePolicy: 'asked' }
}
