import { z } from 'zod'
import type { PolicyHolder } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type IamAction, iamAction } from './action.ts'
import { attachedPolicies } from './answers.ts'
import { arn, groupName, paging, pathPrefix, roleName, userName } from './fields.ts'
import { type HolderKind, holderNamed, holdersOf, policyWithArn, targetHolder, targetPolicy } from './find-entities.ts'
import { pageOf } from './pages.ts'
import { assertWithin } from './quotas.ts'

const HOLDERS = [
  ['User', 'user', userName],
  ['Group', 'group', groupName],
  ['Role', 'role', roleName],
] as const

/** AttachUserPolicy, ListAttachedRolePolicies, ...: the same three of users, groups and roles; and whom a policy is attached to. */
export const ATTACHMENT_ACTIONS: readonly IamAction[] = [
  ...HOLDERS.flatMap(([title, kind, name]) => {
    const nameField = `${title}Name` as const
    const of = { [nameField]: name }
    const nameIn = (input: object): string => String(Reflect.get(input, nameField))
    const target = (input: object, call: Parameters<typeof targetHolder>[1]) => targetHolder(kind, call, nameIn(input))
    const find = (directory: Parameters<typeof holderNamed>[1], accountId: string, input: object): PolicyHolder =>
      holderNamed(kind as HolderKind, directory, accountId, nameIn(input))
    return [
      iamAction(
        `Attach${title}Policy`,
        z.strictObject({ ...of, PolicyArn: arn }),
        target,
        (input, { store, accountId }) =>
          store.change((directory) => {
            const { PolicyArn } = input as { PolicyArn: string }
            const holder = find(directory, accountId, input)
            policyWithArn(directory, accountId, PolicyArn)
            if (holder.attached.includes(PolicyArn)) return { result: undefined }
            assertWithin(`AttachedPoliciesPer${title}`, holder.attached.length + 1)
            return { put: [{ ...holder, attached: [...holder.attached, PolicyArn] }], result: undefined }
          }),
      ),
      iamAction(
        `Detach${title}Policy`,
        z.strictObject({ ...of, PolicyArn: arn }),
        target,
        (input, { store, accountId }) =>
          store.change((directory) => {
            const { PolicyArn } = input as { PolicyArn: string }
            const holder = find(directory, accountId, input)
            if (!holder.attached.includes(PolicyArn)) {
              throw refusal('IAM_NO_SUCH_ENTITY', `Policy ${PolicyArn} was not found.`)
            }
            const attached = holder.attached.filter((other) => other !== PolicyArn)
            return { put: [{ ...holder, attached }], result: undefined }
          }),
      ),
      iamAction(
        `ListAttached${title}Policies`,
        z.strictObject({ ...of, PathPrefix: pathPrefix.default('/'), ...paging }),
        target,
        async (input, { directory, accountId }) => {
          const { PathPrefix } = input as { PathPrefix: string }
          const arns = find(directory, accountId, input).attached.filter((policyArn) =>
            policyArn.slice(policyArn.indexOf(':policy/') + ':policy'.length).startsWith(PathPrefix),
          )
          const { items, more } = pageOf(arns, (policyArn) => policyArn, input)
          return { AttachedPolicies: attachedPolicies(items), ...more }
        },
      ),
    ]
  }),
  iamAction(
    'ListEntitiesForPolicy',
    z.strictObject({
      PolicyArn: arn,
      EntityFilter: z.enum(['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy']).optional(),
      PathPrefix: pathPrefix.default('/'),
      PolicyUsageFilter: z.enum(['PermissionsPolicy', 'PermissionsBoundary']).default('PermissionsPolicy'),
      ...paging,
    }),
    ({ PolicyArn }, call) => targetPolicy(call, PolicyArn),
    async ({ PolicyArn, EntityFilter, PathPrefix, PolicyUsageFilter, ...paged }, { directory, accountId }) => {
      policyWithArn(directory, accountId, PolicyArn)
      const uses = (holder: PolicyHolder) =>
        PolicyUsageFilter === 'PermissionsPolicy'
          ? holder.attached.includes(PolicyArn)
          : 'boundaryArn' in holder && holder.boundaryArn === PolicyArn
      const users = holdersOf(directory, accountId)
        .filter(uses)
        .filter((holder) => EntityFilter === undefined || holder.kind === EntityFilter.toLowerCase())
        .filter((holder) => holder.path.startsWith(PathPrefix))
      const { items, more } = pageOf(users, (holder) => `${holder.kind}/${holder.name}`, paged)
      const of = (kind: HolderKind, title: string) =>
        items
          .filter((holder) => holder.kind === kind)
          .map((holder) => ({ [`${title}Name`]: holder.name, [`${title}Id`]: holder.id }))
      return {
        PolicyGroups: of('group', 'Group'),
        PolicyUsers: of('user', 'User'),
        PolicyRoles: of('role', 'Role'),
        ...more,
      }
    },
  ),
]
