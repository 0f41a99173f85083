import { findManagedPolicy } from '../aws-managed/index.ts'
import type { Directory } from '../directory.ts'
import {
  arnOf,
  type Group,
  type ManagedPolicy,
  type OidcProvider,
  type PolicyHolder,
  type Role,
  type User,
} from '../entities.ts'
import { refusal } from '../errors.ts'
import { rootArnOf } from '../principals.ts'
import type { ActionCall, Target } from './action.ts'

export type HolderKind = PolicyHolder['kind']
type HolderOf<Kind extends HolderKind> = Kind extends 'user' ? User : Kind extends 'group' ? Group : Role

/** NoSuchEntity, in AWS's words. */
export function holderNamed<Kind extends HolderKind>(
  kind: Kind,
  directory: Directory,
  accountId: string,
  name: string,
): HolderOf<Kind> {
  const found = directory.named(kind, accountId, name) as HolderOf<Kind> | undefined
  if (found === undefined) throw refusal('IAM_NO_SUCH_ENTITY', `The ${kind} with name ${name} cannot be found.`)
  return found
}

/** The user whom a request means that names none: who makes it. ValidationError for a principal that is no user. */
export function userMeant(directory: Directory, call: ActionCall, name: string | undefined): User {
  const meant = name ?? (call.principal.kind === 'iam-user' ? call.principal.userName : undefined)
  if (meant !== undefined) return holderNamed('user', directory, call.accountId, meant)
  throw refusal('IAM_VALIDATION_ERROR', 'Must specify userName when calling with non-User credentials')
}

export function targetHolder(
  kind: HolderKind,
  { directory, accountId }: Pick<ActionCall, 'directory' | 'accountId'>,
  name: string,
  path = '/',
): Target {
  const found = directory.named(kind, accountId, name) as PolicyHolder | undefined
  if (found === undefined) return { arn: `arn:aws:iam::${accountId}:${kind}${path}${name}` }
  return {
    arn: arnOf(found),
    tags: 'tags' in found ? found.tags : undefined,
    boundaryArn: 'boundaryArn' in found ? found.boundaryArn : undefined,
  }
}

/** The target of an action on a user that may be left out. */
export function targetUser(call: ActionCall, name: string | undefined): Target {
  if (name !== undefined) return targetHolder('user', call, name)
  return call.principal.kind === 'iam-user'
    ? targetHolder('user', call, call.principal.userName)
    : { arn: rootArnOf(call.accountId) }
}

export function targetPolicy({ directory }: ActionCall, arn: string): Target {
  return { arn, tags: findManagedPolicy(directory, arn)?.tags }
}

/** AWS's own, or one of the account. NoSuchEntity. */
export function policyWithArn(directory: Directory, accountId: string, arn: string): ManagedPolicy {
  const policy = findManagedPolicy(directory, arn)
  if (policy !== undefined && (policy.accountId === 'aws' || policy.accountId === accountId)) return policy
  throw refusal('IAM_NO_SUCH_ENTITY', `Policy ${arn} does not exist or is not attachable.`)
}

/** Of the account itself: AWS's are not to be changed. */
export function ownPolicyWithArn(directory: Directory, accountId: string, arn: string): ManagedPolicy {
  const policy = policyWithArn(directory, accountId, arn)
  if (policy.accountId !== 'aws') return policy
  throw refusal('IAM_ACCESS_DENIED', `Policy ${arn} is managed by AWS and cannot be changed.`)
}

export function providerWithArn(directory: Directory, accountId: string, arn: string): OidcProvider {
  const prefix = `arn:aws:iam::${accountId}:oidc-provider/`
  const id = arn.startsWith(prefix) ? arn.slice(prefix.length) : ''
  const provider = directory.find('oidc-provider', accountId, id)
  if (provider !== undefined) return provider
  throw refusal('IAM_NO_SUCH_ENTITY', `OpenIDConnect Provider not found for arn ${arn}`)
}

/** Everything of an account that policies hang on. */
export function holdersOf(directory: Directory, accountId: string): PolicyHolder[] {
  return [
    ...directory.list('user', accountId),
    ...directory.list('group', accountId),
    ...directory.list('role', accountId),
  ]
}

export function membersOf(directory: Directory, group: Group): User[] {
  return directory.list('user', group.accountId).filter(({ groupIds }) => groupIds.includes(group.id))
}

/** How often each policy of an account is attached, and is a boundary. */
export function usesOfPolicies(
  directory: Directory,
  accountId: string,
): { readonly attached: ReadonlyMap<string, number>; readonly boundaries: ReadonlyMap<string, number> } {
  return directory.derived(`policy-uses/${accountId}`, () => {
    const attached = new Map<string, number>()
    const boundaries = new Map<string, number>()
    for (const holder of holdersOf(directory, accountId)) {
      for (const arn of holder.attached) attached.set(arn, (attached.get(arn) ?? 0) + 1)
      const boundary = 'boundaryArn' in holder ? holder.boundaryArn : undefined
      if (boundary !== undefined) boundaries.set(boundary, (boundaries.get(boundary) ?? 0) + 1)
    }
    return { attached, boundaries }
  })
}
