import { hash } from 'node:crypto'
import type { AttachedPolicies, AttachedPolicy, Principal, SessionFacts } from '@coffer/contracts'
import type { Directory } from '../directory.ts'
import { arnOf, type Role, type User } from '../entities.ts'
import { managedPolicy, NO_POLICIES, policiesOfHolder, principalOfUser, rootArnOf, tagsOf } from '../principals.ts'
import type { Session } from './session.ts'

/** Whose session it is, as things are now. Undefined: the role, user or account is gone. */
export function principalOfSession(directory: Directory, session: Session): Principal | undefined {
  const { accountId, accessKeyId, holder } = session
  const account = directory.account(accountId)
  if (account === undefined) return undefined
  const facts = { accountId, accountName: account.name, canonicalId: account.canonicalId, accessKeyId }
  const ofSession = { session: sessionFacts(session) }
  if (holder.kind === 'role') {
    const role = directory.find('role', accountId, holder.roleId)
    return role && { ...principalOfRole(role, holder.sessionName, facts), ...ofSession, tags: allTags(role, session) }
  }
  if (holder.kind === 'root') {
    return { kind: 'account-root', ...facts, arn: rootArnOf(accountId), userId: accountId, ...ofSession }
  }
  const user = holder.userId === undefined ? undefined : directory.find('user', accountId, holder.userId)
  if (holder.userId !== undefined && user === undefined) return undefined
  if (holder.kind === 'user') return user && { ...principalOfUser(user, facts), ...ofSession }
  return {
    kind: 'federated-user',
    ...facts,
    arn: `arn:aws:sts::${accountId}:federated-user/${holder.name}`,
    userId: `${accountId}:${holder.name}`,
    federatedName: holder.name,
    issuerArn: user ? arnOf(user) : rootArnOf(accountId),
    issuerId: user?.id ?? accountId,
    tags: session.tags,
    ...ofSession,
  }
}

/** What it can do, as things are now: of the role or user, and at most what was passed with it. Undefined as above. */
export function policiesOfSession(directory: Directory, session: Session): AttachedPolicies | undefined {
  const own = policiesOfOwner(directory, session)
  if (own === undefined) return undefined
  const passed = passedPolicies(directory, session)
  if (passed === undefined) return own
  const id = hash('sha256', JSON.stringify([own.id, passed.map(({ version }) => version)]), 'base64url')
  return { ...own, id, session: passed }
}

function policiesOfOwner(directory: Directory, { accountId, holder }: Session): AttachedPolicies | undefined {
  if (holder.kind === 'root') return NO_POLICIES
  if (holder.kind === 'federated-user' && holder.userId === undefined) return ROOT_POLICIES
  const owner: Role | User | undefined =
    holder.kind === 'role'
      ? directory.find('role', accountId, holder.roleId)
      : directory.find('user', accountId, holder.userId ?? '')
  return owner && policiesOfHolder(directory, owner)
}

/** What a root passes on to a federated user, who is none itself. */
const ALL = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
const ROOT_POLICIES: AttachedPolicies = { id: 'root', identity: [{ id: 'root', version: 'root', document: ALL }] }

/** A federated user who was given none may do nothing but what a policy of a resource allows (STS API, GetFederationToken). */
function passedPolicies(directory: Directory, session: Session): readonly AttachedPolicy[] | undefined {
  const { policy, policyArns = [], holder } = session
  if (policy === undefined && policyArns.length === 0) return holder.kind === 'federated-user' ? [] : undefined
  const inline = policy === undefined ? [] : [{ id: 'session', version: hash('sha256', policy), document: policy }]
  return [...inline, ...policyArns.flatMap((arn) => managedPolicy(directory, arn) ?? [])]
}

function principalOfRole(
  role: Role,
  sessionName: string,
  facts: Pick<Principal, 'accountId' | 'accountName' | 'canonicalId' | 'accessKeyId'>,
) {
  return {
    kind: 'assumed-role' as const,
    ...facts,
    arn: `arn:aws:sts::${role.accountId}:assumed-role/${role.name}/${sessionName}`,
    userId: `${role.id}:${sessionName}`,
    roleName: role.name,
    sessionName,
    issuerArn: arnOf(role),
    issuerId: role.id,
  }
}

/** A session's tag comes before the role's of the same name (IAM User Guide, "Passing session tags"). */
function allTags(role: Role, { tags }: Session): Readonly<Record<string, string>> {
  const passed = new Set(Object.keys(tags).map((name) => name.toLowerCase()))
  const ofRole = Object.entries(tagsOf(role.tags)).filter(([name]) => !passed.has(name.toLowerCase()))
  return { ...Object.fromEntries(ofRole), ...tags }
}

function sessionFacts({ issuedAt, expiresAt, sourceIdentity, federatedProvider, proven }: Session): SessionFacts {
  return {
    issuedAt,
    expiresAt,
    ...(sourceIdentity !== undefined && { sourceIdentity }),
    ...(federatedProvider !== undefined && { federatedProvider }),
    ...(proven !== undefined && { proven }),
  }
}
