import type { AnswerTree } from '@coffer/contracts'
import { withPrincipals } from '@coffer/policy'
import type { Directory } from '../directory.ts'
import { arnOf, type Group, type ManagedPolicy, type Role, type Tag, type User } from '../entities.ts'
import { arnOfIdentified } from '../principal-ids.ts'
import { usesOfPolicies } from './find-entities.ts'

type Structure = { readonly [name: string]: AnswerTree }

/** ISO 8601 without milliseconds, as AWS. */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** Documents in answers are percent-encoded (IAM API, "GetUserPolicy": RFC 3986). */
export function encodedDocument(document: string): string {
  return encodeURIComponent(document).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

export function tagList(tags: readonly Tag[]): Structure[] {
  return tags.map(({ key, value }) => ({ Key: key, Value: value }))
}

export function describeUser(user: User, { withTags }: { readonly withTags: boolean }): Structure {
  return {
    Path: user.path,
    UserName: user.name,
    UserId: user.id,
    Arn: arnOf(user),
    CreateDate: timeOf(user.createdAt),
    ...(withTags && { PermissionsBoundary: describeBoundary(user), Tags: emptyAsNone(tagList(user.tags)) }),
  }
}

export function describeGroup(group: Group): Structure {
  return {
    Path: group.path,
    GroupName: group.name,
    GroupId: group.id,
    Arn: arnOf(group),
    CreateDate: timeOf(group.createdAt),
  }
}

export function describeRole(
  role: Role,
  directory: Directory,
  { withTags }: { readonly withTags: boolean },
): Structure {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.id,
    Arn: arnOf(role),
    CreateDate: timeOf(role.createdAt),
    AssumeRolePolicyDocument: encodedDocument(shownTrustPolicy(role, directory)),
    Description: role.description,
    MaxSessionDuration: role.sessionSecondsMax,
    ...(withTags && { PermissionsBoundary: describeBoundary(role), Tags: emptyAsNone(tagList(role.tags)) }),
  }
}

/** Whom it is bound to by the names that they have now; whoever is gone by the unique id, as AWS. */
function shownTrustPolicy({ trustPolicy, trustPrincipals = {} }: Role, directory: Directory): string {
  return withPrincipals(trustPolicy, (written) => {
    const uniqueId = trustPrincipals[written] ?? written
    return arnOfIdentified(directory, uniqueId) ?? uniqueId
  })
}

export function describePolicy(
  policy: ManagedPolicy,
  directory: Directory,
  accountId: string,
  { withTags }: { readonly withTags: boolean },
): Structure {
  const arn = arnOf(policy)
  const { attached, boundaries } = usesOfPolicies(directory, accountId)
  return {
    PolicyName: policy.name,
    PolicyId: policy.id,
    Arn: arn,
    Path: policy.path,
    DefaultVersionId: policy.defaultVersionId,
    AttachmentCount: attached.get(arn) ?? 0,
    PermissionsBoundaryUsageCount: boundaries.get(arn) ?? 0,
    IsAttachable: true,
    Description: policy.description,
    CreateDate: timeOf(policy.createdAt),
    UpdateDate: timeOf(policy.updatedAt),
    ...(withTags && { Tags: emptyAsNone(tagList(policy.tags)) }),
  }
}

export function describeBoundary({ boundaryArn }: { readonly boundaryArn?: string }): AnswerTree {
  return boundaryArn && { PermissionsBoundaryType: 'Policy', PermissionsBoundaryArn: boundaryArn }
}

export function attachedPolicies(arns: readonly string[]): Structure[] {
  return arns.map((arn) => ({ PolicyName: arn.slice(arn.lastIndexOf('/') + 1), PolicyArn: arn }))
}

function emptyAsNone<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length === 0 ? undefined : items
}
