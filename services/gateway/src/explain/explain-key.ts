import { isAliasName } from '@coffer/kms'
import { decide } from '@coffer/policy'
import { decideWithGrants } from '../keys/grant-decision.ts'
import { decideOnKey } from '../keys/key-decision.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import { isActionAcrossAccounts } from '../kms-api/across-accounts.ts'
import { parseKeyOrAlias } from '../kms-api/key-names.ts'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

/** What a request to the KMS API would be told, without a grant token. */
export async function explainOnKey(asked: Explaining, guards: KeyGuards, region: string): Promise<ExplainedUse> {
  const { principal, policies, action, resource, values } = asked
  if (action === 'kms:RetireGrant') throw new NotExplained('who may retire a grant says the grant: aws kms list-grants')
  // Of no key, as kms:ListKeys.
  if (resource === '*') {
    const { accountId: resourceAccountId } = principal
    const decision = decide({ principal, policies, action, resource, resourceAccountId, values: values.of() })
    return { decision, action, resource, resourcePolicies: [], resourcePolicy: 'not-asked' }
  }
  const named = parseKeyOrAlias(resource, { region, accountId: principal.accountId })
  const { guard, isThere } = await guards.findNamed(named)
  if (guard.ownerAccountId !== principal.accountId && !isActionAcrossAccounts(action)) {
    const decision = decide({ principal, policies, action, resource: guard.arn, values: values.of() })
    return { decision, action, resource: guard.arn, resourcePolicies: [], resourcePolicy: 'not-asked' }
  }
  const { encryptionContext } = values
  const requestAlias = isAliasName(named.name) ? named.name : undefined
  const use = { principal, policies, action, encryptionContext, requestAlias, values: values.of() }
  const decision = isThere ? await decideWithGrants(guard, use, guards) : decideOnKey(guard, use)
  return { decision, action, resource: guard.arn, resourcePolicies: [guard.arn], resourcePolicy: 'asked' }
}
