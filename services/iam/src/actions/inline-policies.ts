import { z } from 'zod'
import type { Group, PolicyHolder, Role, User } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type IamAction, iamAction } from './action.ts'
import { encodedDocument } from './answers.ts'
import { assertIdentityPolicy } from './documents.ts'
import { document, groupName, paging, policyName, roleName, userName } from './fields.ts'
import { type HolderKind, holderNamed, targetHolder } from './find-entities.ts'
import { pageOf } from './pages.ts'
import { sizeOfPolicy } from './quotas.ts'

const HOLDERS = [
  ['User', 'user', userName, 'UserPolicySize'],
  ['Group', 'group', groupName, 'GroupPolicySize'],
  ['Role', 'role', roleName, 'RolePolicySize'],
] as const

/** PutUserPolicy, GetRolePolicy, ...: the same four of users, groups and roles. */
export const INLINE_POLICY_ACTIONS: readonly IamAction[] = HOLDERS.flatMap(([title, kind, name, quota]) => {
  const nameField = `${title}Name` as const
  const of = { [nameField]: name }
  const nameIn = (input: object): string => String(Reflect.get(input, nameField))
  const target = (input: object, call: Parameters<typeof targetHolder>[1]) => targetHolder(kind, call, nameIn(input))
  return [
    iamAction(
      `Put${title}Policy`,
      z.strictObject({ ...of, PolicyName: policyName, PolicyDocument: document }),
      target,
      (input, { store, accountId }) =>
        store.change((directory) => {
          const { PolicyName, PolicyDocument } = input as { PolicyName: string; PolicyDocument: string }
          const holder = named(kind, directory, accountId, nameIn(input))
          const { [PolicyName]: _, ...others } = holder.inline
          const otherCharacters = Object.values(others).reduce((sum, other) => sum + sizeOfPolicy(other), 0)
          assertIdentityPolicy(PolicyDocument, quota, otherCharacters)
          return { put: [{ ...holder, inline: { ...others, [PolicyName]: PolicyDocument } }], result: undefined }
        }),
    ),
    iamAction(
      `Get${title}Policy`,
      z.strictObject({ ...of, PolicyName: policyName }),
      target,
      async (input, { directory, accountId }) => {
        const { PolicyName } = input as { PolicyName: string }
        const holder = named(kind, directory, accountId, nameIn(input))
        const kept = documentOf(holder, PolicyName)
        return { [nameField]: holder.name, PolicyName, PolicyDocument: encodedDocument(kept) }
      },
    ),
    iamAction(
      `Delete${title}Policy`,
      z.strictObject({ ...of, PolicyName: policyName }),
      target,
      (input, { store, accountId }) =>
        store.change((directory) => {
          const { PolicyName } = input as { PolicyName: string }
          const holder = named(kind, directory, accountId, nameIn(input))
          documentOf(holder, PolicyName)
          const { [PolicyName]: _, ...inline } = holder.inline
          return { put: [{ ...holder, inline }], result: undefined }
        }),
    ),
    iamAction(
      `List${title}Policies`,
      z.strictObject({ ...of, ...paging }),
      target,
      async (input, { directory, accountId }) => {
        const holder = named(kind, directory, accountId, nameIn(input))
        const { items, more } = pageOf(Object.keys(holder.inline), (policy) => policy, input)
        return { PolicyNames: items, ...more }
      },
    ),
  ]
})

function named(
  kind: HolderKind,
  directory: Parameters<typeof holderNamed>[1],
  accountId: string,
  name: string,
): User | Group | Role {
  return holderNamed(kind, directory, accountId, name)
}

/** NoSuchEntity. */
function documentOf(holder: PolicyHolder, name: string): string {
  const kept = Object.hasOwn(holder.inline, name) ? holder.inline[name] : undefined
  if (kept !== undefined) return kept
  throw refusal('IAM_NO_SUCH_ENTITY', `The ${holder.kind} policy with name ${name} cannot be found.`)
}
