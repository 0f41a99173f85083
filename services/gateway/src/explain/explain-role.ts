import type { DescribedHolder, IamService, RoleTrust } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { decide, parseTrustPolicy, tagNamed } from '@coffer/policy'
import { type ExplainedUse, type Explaining, NotExplained } from './explained-use.ts'

/** What taking a role is; the first of them is always asked. */
const ACTIONS: readonly string[] = ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity']
const ROLE = /^arn:aws:iam::(\d{12}):role\/(?:.*\/)?([^/]+)$/
const TAG = /^(?:aws|iam):resourcetag\//

export function isOnRole({ action, resource }: Pick<Explaining, 'action' | 'resource'>): boolean {
  return ACTIONS.includes(action) && resource !== '*'
}

/** Whether a request would be let take a role, by the trust policy of that too. */
export async function explainOnRole(asked: Explaining, iam: IamService): Promise<ExplainedUse> {
  const { principal, policies, action, resource, values } = asked
  const [, account = '', role = ''] = ROLE.exec(resource) ?? []
  const { trust, issuerArn } = await findRole(iam, account, role)
  if (trust === undefined || issuerArn !== resource) throw new NotExplained('there is no role of this ARN')
  const { policy, principals, tags } = trust
  const id = `role/${role}/trust`
  const decision = decide({
    principal,
    policies,
    action,
    resource,
    resourceAccountId: account,
    resourcePolicy: { id, policy: parseTrustPolicy(policy, principals) },
    needsResourcePolicy: true,
    values: values.of((key) => {
      if (key === 'aws:resourceaccount') return account
      return TAG.test(key) ? tagNamed(tags, key.slice(key.indexOf('/') + 1)) : undefined
    }),
  })
  return { decision, action, resource, resourcePolicies: [id], resourcePolicy: 'asked' }
}

async function findRole(
  iam: IamService,
  account: string,
  role: string,
): Promise<{ readonly trust?: RoleTrust; readonly issuerArn?: string }> {
  try {
    const { principal, trust }: DescribedHolder = await iam.describeHolder({ account, role })
    return principal.kind === 'assumed-role' && trust ? { trust, issuerArn: principal.issuerArn } : {}
  } catch (error) {
    if (isCofferError(error, 'IAM_NO_SUCH_ENTITY') || isCofferError(error, 'IAM_ACCOUNT_NOT_FOUND')) return {}
    throw error
  }
}
