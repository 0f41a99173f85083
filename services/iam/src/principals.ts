import { hash } from 'node:crypto'
import type { AttachedPolicies, AttachedPolicy, Principal } from '@coffer/contracts'
import { findManagedPolicy } from './aws-managed/index.ts'
import type { Directory, KeyOwner } from './directory.ts'
import { arnOf, type Group, type PolicyHolder, type Tag, type User } from './entities.ts'

export const NO_POLICIES: AttachedPolicies = { id: '', identity: [] }

/** The user of an active access key; undefined: the key is the root's, or not active. */
function activeUser(directory: Directory, accessKeyId: string, { accountId, userId }: KeyOwner): User | undefined {
  const user = userId === undefined ? undefined : directory.find('user', accountId, userId)
  return user?.accessKeys.some((key) => key.accessKeyId === accessKeyId && key.isActive) ? user : undefined
}

/** Whose an access key is, if it may be used. Undefined: nobody's. */
export function principalOfKey(directory: Directory, accessKeyId: string): Principal | undefined {
  const owner = directory.keyOwner(accessKeyId)
  const account = owner && directory.account(owner.accountId)
  if (owner === undefined || account === undefined) return undefined
  const { accountId, name: accountName, canonicalId } = account
  const facts = { accountId, accountName, canonicalId, accessKeyId }
  if (owner.userId === undefined) {
    if (account.moreRootKeys?.some((key) => key.accessKeyId === accessKeyId && !key.isActive)) return undefined
    return { kind: 'account-root', ...facts, arn: rootArnOf(accountId), userId: accountId }
  }
  const user = activeUser(directory, accessKeyId, owner)
  return user && principalOfUser(user, facts)
}

/** As whom a simulation asks: the user, a session of the role, or of nobody in particular. */
export function principalOfHolder(
  directory: Directory,
  accountId: string,
  holder: PolicyHolder | undefined,
): Principal {
  const account = directory.account(accountId)
  const facts = {
    accountId,
    accountName: account?.name ?? '',
    canonicalId: account?.canonicalId ?? '',
    accessKeyId: '',
  }
  if (holder?.kind === 'user') return principalOfUser(holder, facts)
  if (holder?.kind === 'role') {
    const now = Date.now()
    const arn = `arn:aws:sts::${accountId}:assumed-role/${holder.name}/explained`
    const userId = `${holder.id}:explained`
    const session = { issuedAt: now, expiresAt: now }
    const role = {
      roleName: holder.name,
      sessionName: 'explained',
      issuerArn: arnOf(holder),
      issuerId: holder.id,
      tags: tagsOf(holder.tags),
    }
    return { kind: 'assumed-role', ...facts, arn, userId, session, ...role }
  }
  const arn = holder === undefined ? `arn:aws:iam::${accountId}:user/nobody` : arnOf(holder)
  return { kind: 'iam-user', ...facts, arn, userId: '', userName: '', path: '/' }
}

export function principalOfUser(
  user: User,
  facts: Pick<Principal, 'accountId' | 'accountName' | 'canonicalId' | 'accessKeyId'>,
): Principal {
  return {
    kind: 'iam-user',
    ...facts,
    arn: arnOf(user),
    userId: user.id,
    userName: user.name,
    path: user.path,
    tags: tagsOf(user.tags),
  }
}

/** What is attached to whose access key it is; nothing for a root. */
export function policiesOfKey(directory: Directory, accessKeyId: string): AttachedPolicies | undefined {
  const owner = directory.keyOwner(accessKeyId)
  if (owner === undefined) return undefined
  if (owner.userId === undefined) return NO_POLICIES
  const user = activeUser(directory, accessKeyId, owner)
  return user && policiesOfHolder(directory, user)
}

/** Of a user with its groups, of a group, or of a role. Made once for each, until something changes. */
export function policiesOfHolder(directory: Directory, holder: PolicyHolder): AttachedPolicies {
  return directory.derived(`policies/${holder.kind}/${holder.accountId}/${holder.id}`, () => {
    const holders = holder.kind === 'user' ? [holder, ...groupsOf(directory, holder)] : [holder]
    const identity = holders.flatMap((each) => attachedTo(directory, each))
    const boundaryArn = 'boundaryArn' in holder ? holder.boundaryArn : undefined
    const boundary =
      boundaryArn === undefined ? undefined : (managedPolicy(directory, boundaryArn) ?? nothing(boundaryArn))
    const ids = [...identity, ...(boundary ? [boundary] : [])].map(({ version }) => version)
    return { id: fingerprint(JSON.stringify([ids, boundary !== undefined])), identity, ...(boundary && { boundary }) }
  })
}

export function groupsOf(directory: Directory, { accountId, groupIds }: User): Group[] {
  return groupIds.flatMap((id) => directory.find('group', accountId, id) ?? [])
}

export function rootArnOf(accountId: string): string {
  return `arn:aws:iam::${accountId}:root`
}

export function tagsOf(tags: readonly Tag[]): Record<string, string> {
  return Object.fromEntries(tags.map(({ key, value }) => [key, value]))
}

function attachedTo(directory: Directory, holder: PolicyHolder): AttachedPolicy[] {
  const inline = Object.entries(holder.inline).map(([name, document]) => ({
    id: `${holder.kind}/${holder.name}/${name}`,
    version: fingerprint(document),
    document,
  }))
  return [...inline, ...holder.attached.flatMap((arn) => managedPolicy(directory, arn) ?? [])]
}

/** The default version of a managed policy, ours or the account's. Undefined: there is none. */
export function managedPolicy(directory: Directory, arn: string): AttachedPolicy | undefined {
  const policy = findManagedPolicy(directory, arn)
  const version = policy?.versions.find(({ id }) => id === policy.defaultVersionId)
  return policy && version && { id: arn, version: `${policy.id}/${version.id}`, document: version.document }
}

function fingerprint(text: string): string {
  return hash('sha256', text, 'base64url')
}

/** A boundary whose policy is gone allows nothing. */
function nothing(arn: string): AttachedPolicy {
  const document = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}'
  return { id: arn, version: `gone/${arn}`, document }
}
