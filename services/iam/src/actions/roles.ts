import { z } from 'zod'
import { type KeyUse, roleUseRecord } from '../access-keys.ts'
import type { Directory } from '../directory.ts'
import type { Role } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type ActionCall, type IamAction, iamAction } from './action.ts'
import { describeRole, timeOf } from './answers.ts'
import { bindTrustPolicy } from './documents.ts'
import { newEntityId } from './entity-id.ts'
import { arn, count, description, document, paging, path, pathPrefix, roleName, tags } from './fields.ts'
import { holderNamed, policyWithArn, targetHolder } from './find-entities.ts'
import { assertFree } from './free-names.ts'
import { nameOf, pageOf } from './pages.ts'
import { assertWithin } from './quotas.ts'
import { tagsFrom } from './tags-of.ts'

const SESSION_SECONDS_DEFAULT = 3_600
/** IAM API, CreateRole: one hour to twelve. */
const sessionSeconds = count(3_600, 43_200)

export const ROLE_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateRole',
    z.strictObject({
      RoleName: roleName,
      AssumeRolePolicyDocument: document,
      Path: path.default('/'),
      Description: description.optional(),
      MaxSessionDuration: sessionSeconds.optional(),
      PermissionsBoundary: arn.optional(),
      Tags: tags.optional(),
    }),
    ({ RoleName, Path }, call) => targetHolder('role', call, RoleName, Path),
    (input, { store, accountId }) =>
      store.change((directory) => {
        assertFree('role', directory, accountId, input.RoleName)
        assertWithin('Roles', directory.count('role', accountId) + 1)
        const trustPrincipals = bindTrustPolicy(input.AssumeRolePolicyDocument, directory)
        const boundaryArn = input.PermissionsBoundary
        if (boundaryArn !== undefined) policyWithArn(directory, accountId, boundaryArn)
        const role: Role = {
          kind: 'role',
          accountId,
          id: newEntityId('role'),
          name: input.RoleName,
          path: input.Path,
          createdAt: Date.now(),
          trustPolicy: input.AssumeRolePolicyDocument,
          trustPrincipals,
          sessionSecondsMax: input.MaxSessionDuration ?? SESSION_SECONDS_DEFAULT,
          tags: tagsFrom(input.Tags),
          attached: [],
          inline: {},
          ...(input.Description !== undefined && { description: input.Description }),
          ...(boundaryArn !== undefined && { boundaryArn }),
        }
        return { put: [role], result: { Role: describeRole(role, directory, { withTags: true }) } }
      }),
  ),
  iamAction(
    'GetRole',
    z.strictObject({ RoleName: roleName }),
    ({ RoleName }, call) => targetHolder('role', call, RoleName),
    async ({ RoleName }, { directory, accountId, records }) => {
      const role = holderNamed('role', directory, accountId, RoleName)
      return {
        Role: { ...describeRole(role, directory, { withTags: true }), RoleLastUsed: await lastUseOf(role, records) },
      }
    },
  ),
  iamAction(
    'ListRoles',
    z.strictObject({ PathPrefix: pathPrefix.default('/'), ...paging }),
    ({ PathPrefix }, { accountId }) => ({ arn: `arn:aws:iam::${accountId}:role${PathPrefix}` }),
    async ({ PathPrefix, ...paged }, { directory, accountId }) => {
      const roles = directory.list('role', accountId).filter((role) => role.path.startsWith(PathPrefix))
      const { items, more } = pageOf(roles, nameOf, paged)
      return { Roles: items.map((role) => describeRole(role, directory, { withTags: false })), ...more }
    },
  ),
  iamAction(
    'UpdateRole',
    z.strictObject({
      RoleName: roleName,
      Description: description.optional(),
      MaxSessionDuration: sessionSeconds.optional(),
    }),
    ({ RoleName }, call) => targetHolder('role', call, RoleName),
    async ({ RoleName, Description, MaxSessionDuration }, call) => {
      await changeRole(call, RoleName, (role) => ({
        ...role,
        sessionSecondsMax: MaxSessionDuration ?? SESSION_SECONDS_DEFAULT,
        ...(Description !== undefined && { description: Description }),
      }))
      return {}
    },
  ),
  iamAction(
    'UpdateRoleDescription',
    z.strictObject({ RoleName: roleName, Description: description }),
    ({ RoleName }, call) => targetHolder('role', call, RoleName),
    async ({ RoleName, Description }, call) => {
      const role = await changeRole(call, RoleName, (known) => ({ ...known, description: Description }))
      return { Role: describeRole(role, call.directory, { withTags: true }) }
    },
  ),
  iamAction(
    'UpdateAssumeRolePolicy',
    z.strictObject({ RoleName: roleName, PolicyDocument: document }),
    ({ RoleName }, call) => targetHolder('role', call, RoleName),
    async ({ RoleName, PolicyDocument }, call) => {
      await changeRole(call, RoleName, (role, directory) => ({
        ...role,
        trustPolicy: PolicyDocument,
        trustPrincipals: bindTrustPolicy(PolicyDocument, directory),
      }))
    },
  ),
  iamAction(
    'DeleteRole',
    z.strictObject({ RoleName: roleName }),
    ({ RoleName }, call) => targetHolder('role', call, RoleName),
    ({ RoleName }, { store, accountId }) =>
      store.change((directory) => {
        const role = holderNamed('role', directory, accountId, RoleName)
        const conflict = (what: string) => refusal('IAM_DELETE_CONFLICT', `Cannot delete entity, must ${what} first.`)
        if (role.attached.length > 0) throw conflict('detach all policies')
        if (Object.keys(role.inline).length > 0) throw conflict('delete policies')
        return { remove: [role], others: [{ id: roleUseRecord(role) }], result: undefined }
      }),
  ),
]

function changeRole(
  { store, accountId }: ActionCall,
  name: string,
  change: (role: Role, directory: Directory) => Role,
): Promise<Role> {
  return store.change((directory) => {
    const changed = change(holderNamed('role', directory, accountId, name), directory)
    return { put: [changed], result: changed }
  })
}

/** IAM API, RoleLastUsed: empty for a role that was never used. */
export async function lastUseOf(role: Role, records: ActionCall['records']) {
  const use = await records.find<KeyUse>(roleUseRecord(role))
  return { LastUsedDate: use && timeOf(use.at), Region: use?.region }
}
