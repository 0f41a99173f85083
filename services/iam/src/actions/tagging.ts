import { z } from 'zod'
import type { Directory } from '../directory.ts'
import type { ManagedPolicy, OidcProvider, Role, User } from '../entities.ts'
import { type ActionCall, type IamAction, iamAction, type Target } from './action.ts'
import { tagList } from './answers.ts'
import { arn, paging, roleName, tagKeys, tags, userName } from './fields.ts'
import {
  holderNamed,
  ownPolicyWithArn,
  policyWithArn,
  providerWithArn,
  targetHolder,
  targetPolicy,
} from './find-entities.ts'
import { pageOf } from './pages.ts'
import { withoutTags, withTags } from './tags-of.ts'

type Tagged = User | Role | ManagedPolicy | OidcProvider

interface Kind {
  readonly title: string
  readonly field: string
  readonly schema: z.ZodString
  readonly target: (name: string, call: ActionCall) => Target
  readonly find: (directory: Directory, accountId: string, name: string, toChange: boolean) => Tagged
}

const KINDS: readonly Kind[] = [
  {
    title: 'User',
    field: 'UserName',
    schema: userName,
    target: (name, call) => targetHolder('user', call, name),
    find: (directory, accountId, name) => holderNamed('user', directory, accountId, name),
  },
  {
    title: 'Role',
    field: 'RoleName',
    schema: roleName,
    target: (name, call) => targetHolder('role', call, name),
    find: (directory, accountId, name) => holderNamed('role', directory, accountId, name),
  },
  {
    title: 'Policy',
    field: 'PolicyArn',
    schema: arn,
    target: (name, call) => targetPolicy(call, name),
    find: (directory, accountId, name, toChange) =>
      (toChange ? ownPolicyWithArn : policyWithArn)(directory, accountId, name),
  },
  {
    title: 'OpenIDConnectProvider',
    field: 'OpenIDConnectProviderArn',
    schema: arn,
    target: (name) => ({ arn: name }),
    find: providerWithArn,
  },
]

/** TagUser, UntagRole, ListPolicyTags, ...: the same three of all that has tags. */
export const TAG_ACTIONS: readonly IamAction[] = KINDS.flatMap(({ title, field, schema, target, find }) => {
  const nameIn = (input: object): string => String(Reflect.get(input, field))
  const on = (input: object, call: ActionCall) => target(nameIn(input), call)
  return [
    iamAction(`Tag${title}`, z.strictObject({ [field]: schema, Tags: tags }), on, (input, { store, accountId }) =>
      store.change((directory) => {
        const entity = find(directory, accountId, nameIn(input), true)
        const given = Reflect.get(input, 'Tags') as z.infer<typeof tags>
        return { put: [{ ...entity, tags: withTags(entity.tags, given) }], result: undefined }
      }),
    ),
    iamAction(
      `Untag${title}`,
      z.strictObject({ [field]: schema, TagKeys: tagKeys }),
      on,
      (input, { store, accountId }) =>
        store.change((directory) => {
          const entity = find(directory, accountId, nameIn(input), true)
          const keys = Reflect.get(input, 'TagKeys') as string[]
          return { put: [{ ...entity, tags: withoutTags(entity.tags, keys) }], result: undefined }
        }),
    ),
    iamAction(
      `List${title}Tags`,
      z.strictObject({ [field]: schema, ...paging }),
      on,
      async (input, { directory, accountId }) => {
        const { items, more } = pageOf(find(directory, accountId, nameIn(input), false).tags, ({ key }) => key, input)
        return { Tags: tagList(items), ...more }
      },
    ),
  ]
})
