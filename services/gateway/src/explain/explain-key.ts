import { isAliasName } from '@coffer/kms'
import { decide } from '@coffer/policy'
import { decideWithGrants } from '../keys/grant-decision.ts'
import { decideOnKey } from '../keys/key-decision.ts'
import type { KeyGuards } from '../keys/key-guards.ts'
import { isActionAcrossAccounts } from '../kms-api/across-accounts.ts'
import { aliasArnOf, type KeyNamed, parseKeyOrAlias } from '../kms-api/key-names.ts'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

const ON_ALIASES: readonly string[] = ['kms:CreateAlias', 'kms:DeleteAlias', 'kms:UpdateAlias']
/** These take a name from the key that has it. */
const OF_NAMED_KEY: readonly string[] = ['kms:DeleteAlias', 'kms:UpdateAlias']

interface Where {
  readonly guards: KeyGuards
  readonly region: string
}

/** What a request to the KMS API would be told. Grants are the newest here: a token of one adds nothing. */
export async function explainOnKey(asked: Explaining, where: Where): Promise<ExplainedUse> {
  const { principal, action, resource, facts = {} } = asked
  const { targetKey } = facts
  if (action === 'kms:RetireGrant') throw new NotExplained('who may retire a grant says the grant: aws kms list-grants')
  // Of no key, as kms:ListKeys.
  if (resource === '*') return onNoKey(asked, resource)
  const asking = { region: where.region, accountId: principal.accountId }
  const named = parseKeyOrAlias(resource, asking)
  if (!ON_ALIASES.includes(action) || !isAliasName(named.name)) return await onKey(asked, named, where.guards)
  // A request names an alias without an account: it is of who asks.
  if (named.accountId !== principal.accountId) throw new NotExplained('an alias is changed by its own account')
  const keys = [
    ...(targetKey === undefined ? [] : [parseKeyOrAlias(targetKey, asking)]),
    ...(OF_NAMED_KEY.includes(action) ? [named] : []),
  ]
  let use = onNoKey(asked, aliasArnOf({ alias: named.name }, asking))
  for (const key of keys) {
    if (use.decision.effect === 'deny') break
    const next = await onKey(asked, key, where.guards)
    const resourcePolicies = [...use.resourcePolicies, ...next.resourcePolicies]
    use = { ...(next.decision.effect === 'deny' ? next : use), resourcePolicies, resourcePolicy: 'asked' }
  }
  return use
}

function onNoKey({ principal, policies, action, values }: Explaining, resource: string): ExplainedUse {
  const { accountId: resourceAccountId } = principal
  const decision = decide({ principal, policies, action, resource, resourceAccountId, values: values.of() })
  return { decision, action, resource, resourcePolicies: [], resourcePolicy: 'not-asked' }
}

async function onKey(
  { principal, policies, action, values }: Explaining,
  named: KeyNamed,
  guards: KeyGuards,
): Promise<ExplainedUse> {
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
