import type { DescribedHolder, DescribeHolderRequest, RoleTrust } from '@coffer/contracts'
import type { Directory } from './directory.ts'
import type { Role } from './entities.ts'
import { refusal } from './errors.ts'
import { accountIn } from './iam-store.ts'
import { policiesOfHolder, principalOfHolder, tagsOf } from './principals.ts'

/** As whom a user or a session of a role makes its requests, and what its own policies are. */
export function describeHolder(directory: Directory, { account, user, role }: DescribeHolderRequest): DescribedHolder {
  const { accountId } = accountIn(directory, account)
  const [kind, name] = user !== undefined ? (['user', user] as const) : (['role', role ?? ''] as const)
  const holder = directory.named(kind, accountId, name)
  if (holder === undefined) throw refusal('IAM_NO_SUCH_ENTITY', `The ${kind} with name ${name} cannot be found.`)
  return {
    principal: principalOfHolder(directory, accountId, holder),
    policies: policiesOfHolder(directory, holder),
    ...(holder.kind === 'role' && { trust: trustOf(holder) }),
  }
}

function trustOf({ trustPolicy, trustPrincipals, tags }: Role): RoleTrust {
  return { policy: trustPolicy, ...(trustPrincipals && { principals: trustPrincipals }), tags: tagsOf(tags) }
}
