import { z } from 'zod'
import { accessKeyRecord, keyUseRecord } from '../access-keys.ts'
import type { User } from '../entities.ts'
import { refusal } from '../errors.ts'
import { guessesRecord } from '../password-guesses.ts'
import { rootArnOf } from '../principals.ts'
import { type IamAction, iamAction } from './action.ts'
import { describeUser, timeOf } from './answers.ts'
import { newEntityId } from './entity-id.ts'
import { arn, paging, path, pathPrefix, tags, userName } from './fields.ts'
import { holderNamed, policyWithArn, targetHolder, targetUser, userMeant } from './find-entities.ts'
import { assertFree } from './free-names.ts'
import { nameOf, pageOf } from './pages.ts'
import { assertWithin } from './quotas.ts'
import { tagsFrom } from './tags-of.ts'

export const USER_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateUser',
    z.strictObject({
      UserName: userName,
      Path: path.default('/'),
      PermissionsBoundary: arn.optional(),
      Tags: tags.optional(),
    }),
    ({ UserName, Path }, call) => targetHolder('user', call, UserName, Path),
    ({ UserName, Path, PermissionsBoundary, Tags }, { store, accountId }) =>
      store.change((directory) => {
        assertFree('user', directory, accountId, UserName)
        assertWithin('Users', directory.count('user', accountId) + 1)
        if (PermissionsBoundary !== undefined) policyWithArn(directory, accountId, PermissionsBoundary)
        const user: User = {
          kind: 'user',
          accountId,
          id: newEntityId('user'),
          name: UserName,
          path: Path,
          createdAt: Date.now(),
          tags: tagsFrom(Tags),
          groupIds: [],
          attached: [],
          inline: {},
          accessKeys: [],
          ...(PermissionsBoundary !== undefined && { boundaryArn: PermissionsBoundary }),
        }
        return { put: [user], result: { User: describeUser(user, { withTags: true }) } }
      }),
  ),
  iamAction(
    'GetUser',
    z.strictObject({ UserName: userName.optional() }),
    ({ UserName }, call) => targetUser(call, UserName),
    async ({ UserName }, call) => {
      const { principal, directory, accountId } = call
      if (UserName === undefined && principal.kind === 'account-root') {
        const createdAt = directory.account(accountId)?.createdAt ?? 0
        return { User: { UserId: accountId, Arn: rootArnOf(accountId), CreateDate: timeOf(createdAt) } }
      }
      return { User: describeUser(userMeant(directory, call, UserName), { withTags: true }) }
    },
  ),
  iamAction(
    'ListUsers',
    z.strictObject({ PathPrefix: pathPrefix.default('/'), ...paging }),
    ({ PathPrefix }, { accountId }) => ({ arn: `arn:aws:iam::${accountId}:user${PathPrefix}` }),
    async ({ PathPrefix, ...paged }, { directory, accountId }) => {
      const users = directory.list('user', accountId).filter((user) => user.path.startsWith(PathPrefix))
      const { items, more } = pageOf(users, nameOf, paged)
      return { Users: items.map((user) => describeUser(user, { withTags: false })), ...more }
    },
  ),
  iamAction(
    'UpdateUser',
    z.strictObject({ UserName: userName, NewUserName: userName.optional(), NewPath: path.optional() }),
    ({ UserName }, call) => targetHolder('user', call, UserName),
    ({ UserName, NewUserName, NewPath }, { store, accountId }) =>
      store.change((directory) => {
        const user = holderNamed('user', directory, accountId, UserName)
        if (NewUserName !== undefined) assertFree('user', directory, accountId, NewUserName, user)
        const put = [{ ...user, name: NewUserName ?? user.name, path: NewPath ?? user.path }]
        return { put, result: undefined }
      }),
  ),
  iamAction(
    'DeleteUser',
    z.strictObject({ UserName: userName }),
    ({ UserName }, call) => targetHolder('user', call, UserName),
    ({ UserName }, { store, accountId }) =>
      store.change((directory) => {
        const user = holderNamed('user', directory, accountId, UserName)
        assertNothingLeft(user)
        const others = user.accessKeys.flatMap(({ accessKeyId }) => [
          { id: accessKeyRecord(accessKeyId) },
          { id: keyUseRecord(accessKeyId) },
        ])
        return { remove: [user], others: [...others, { id: guessesRecord(user) }], result: undefined }
      }),
  ),
]

/** IAM API, DeleteUser: what hangs on a user has to be taken away first. DeleteConflict. */
function assertNothingLeft({ accessKeys, attached, inline, groupIds, login }: User): void {
  const left = [
    [accessKeys.length > 0, 'access keys'],
    [login !== undefined, 'login profile'],
    [attached.length > 0, 'attached policies'],
    [Object.keys(inline).length > 0, 'policies'],
    [groupIds.length > 0, 'group memberships'],
  ] as const
  const first = left.find(([isLeft]) => isLeft)
  if (first) throw refusal('IAM_DELETE_CONFLICT', `Cannot delete entity, must remove ${first[1]} first.`)
}
