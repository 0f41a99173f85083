import { z } from 'zod'
import type { Group } from '../entities.ts'
import { refusal } from '../errors.ts'
import { groupsOf } from '../principals.ts'
import { type IamAction, iamAction } from './action.ts'
import { describeGroup, describeUser } from './answers.ts'
import { newEntityId } from './entity-id.ts'
import { groupName, paging, path, pathPrefix, userName } from './fields.ts'
import { holderNamed, membersOf, targetHolder } from './find-entities.ts'
import { assertFree } from './free-names.ts'
import { nameOf, pageOf } from './pages.ts'
import { assertWithin } from './quotas.ts'

const Membership = z.strictObject({ GroupName: groupName, UserName: userName })

export const GROUP_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateGroup',
    z.strictObject({ GroupName: groupName, Path: path.default('/') }),
    ({ GroupName, Path }, call) => targetHolder('group', call, GroupName, Path),
    ({ GroupName, Path }, { store, accountId }) =>
      store.change((directory) => {
        assertFree('group', directory, accountId, GroupName)
        assertWithin('Groups', directory.count('group', accountId) + 1)
        const group: Group = {
          kind: 'group',
          accountId,
          id: newEntityId('group'),
          name: GroupName,
          path: Path,
          createdAt: Date.now(),
          attached: [],
          inline: {},
        }
        return { put: [group], result: { Group: describeGroup(group) } }
      }),
  ),
  iamAction(
    'GetGroup',
    z.strictObject({ GroupName: groupName, ...paging }),
    ({ GroupName }, call) => targetHolder('group', call, GroupName),
    async ({ GroupName, ...paged }, { directory, accountId }) => {
      const group = holderNamed('group', directory, accountId, GroupName)
      const { items, more } = pageOf(membersOf(directory, group), nameOf, paged)
      return {
        Group: describeGroup(group),
        Users: items.map((user) => describeUser(user, { withTags: false })),
        ...more,
      }
    },
  ),
  iamAction(
    'ListGroups',
    z.strictObject({ PathPrefix: pathPrefix.default('/'), ...paging }),
    ({ PathPrefix }, { accountId }) => ({ arn: `arn:aws:iam::${accountId}:group${PathPrefix}` }),
    async ({ PathPrefix, ...paged }, { directory, accountId }) => {
      const groups = directory.list('group', accountId).filter((group) => group.path.startsWith(PathPrefix))
      const { items, more } = pageOf(groups, nameOf, paged)
      return { Groups: items.map(describeGroup), ...more }
    },
  ),
  iamAction(
    'UpdateGroup',
    z.strictObject({ GroupName: groupName, NewGroupName: groupName.optional(), NewPath: path.optional() }),
    ({ GroupName }, call) => targetHolder('group', call, GroupName),
    ({ GroupName, NewGroupName, NewPath }, { store, accountId }) =>
      store.change((directory) => {
        const group = holderNamed('group', directory, accountId, GroupName)
        if (NewGroupName !== undefined) assertFree('group', directory, accountId, NewGroupName, group)
        const put = [{ ...group, name: NewGroupName ?? group.name, path: NewPath ?? group.path }]
        return { put, result: undefined }
      }),
  ),
  iamAction(
    'DeleteGroup',
    z.strictObject({ GroupName: groupName }),
    ({ GroupName }, call) => targetHolder('group', call, GroupName),
    ({ GroupName }, { store, accountId }) =>
      store.change((directory) => {
        const group = holderNamed('group', directory, accountId, GroupName)
        const conflict = (what: string) =>
          refusal('IAM_DELETE_CONFLICT', `Cannot delete entity, must remove ${what} first.`)
        if (membersOf(directory, group).length > 0) throw conflict('users from group')
        if (group.attached.length > 0) throw conflict('attached policies')
        if (Object.keys(group.inline).length > 0) throw conflict('policies')
        return { remove: [group], result: undefined }
      }),
  ),
  iamAction(
    'AddUserToGroup',
    Membership,
    ({ GroupName }, call) => targetHolder('group', call, GroupName),
    ({ GroupName, UserName }, { store, accountId }) =>
      store.change((directory) => {
        const group = holderNamed('group', directory, accountId, GroupName)
        const user = holderNamed('user', directory, accountId, UserName)
        if (user.groupIds.includes(group.id)) return { result: undefined }
        assertWithin('GroupsPerUser', user.groupIds.length + 1)
        return { put: [{ ...user, groupIds: [...user.groupIds, group.id] }], result: undefined }
      }),
  ),
  iamAction(
    'RemoveUserFromGroup',
    Membership,
    ({ GroupName }, call) => targetHolder('group', call, GroupName),
    ({ GroupName, UserName }, { store, accountId }) =>
      store.change((directory) => {
        const group = holderNamed('group', directory, accountId, GroupName)
        const user = holderNamed('user', directory, accountId, UserName)
        if (!user.groupIds.includes(group.id)) {
          throw refusal('IAM_NO_SUCH_ENTITY', `User ${UserName} is not in group ${GroupName}.`)
        }
        return { put: [{ ...user, groupIds: user.groupIds.filter((id) => id !== group.id) }], result: undefined }
      }),
  ),
  iamAction(
    'ListGroupsForUser',
    z.strictObject({ UserName: userName, ...paging }),
    ({ UserName }, call) => targetHolder('user', call, UserName),
    async ({ UserName, ...paged }, { directory, accountId }) => {
      const groups = groupsOf(directory, holderNamed('user', directory, accountId, UserName))
      const { items, more } = pageOf(groups, nameOf, paged)
      return { Groups: items.map(describeGroup), ...more }
    },
  ),
]
