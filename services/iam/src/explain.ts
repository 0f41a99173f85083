import type { ExplainRequest, Explanation } from '@coffer/contracts'
import { decide, type PolicyReader, principalValue } from '@coffer/policy'
import type { Directory } from './directory.ts'
import { refusal } from './errors.ts'
import { accountIn } from './iam-store.ts'
import { policiesOfHolder, principalOfHolder } from './principals.ts'

/** What the own policies of a user or role say of an action on a resource of their own account. */
export function explain(
  directory: Directory,
  reader: PolicyReader,
  { account, user, role, action, resource, values }: ExplainRequest,
): Explanation {
  const { accountId } = accountIn(directory, account)
  const [kind, name] = user !== undefined ? (['user', user] as const) : (['role', role ?? ''] as const)
  const holder = directory.named(kind, accountId, name)
  if (holder === undefined) throw refusal('IAM_NO_SUCH_ENTITY', `The ${kind} with name ${name} cannot be found.`)
  const attached = policiesOfHolder(directory, holder)
  const principal = principalOfHolder(directory, accountId, holder)
  const { effect, reason, statement } = decide({
    principal,
    policies: reader.read(attached),
    action,
    resource,
    resourceAccountId: accountId,
    values: (key) => {
      const own = principalValue(principal, key)
      return values[key] ?? (own === undefined ? undefined : [own])
    },
  })
  const policies = [...attached.identity, ...(attached.boundary ? [attached.boundary] : [])].map(({ id }) => id)
  return { principalArn: principal.arn, effect, reason, ...(statement && { statement }), policies }
}
