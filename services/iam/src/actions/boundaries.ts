import { z } from 'zod'
import type { Role, User } from '../entities.ts'
import { type IamAction, iamAction } from './action.ts'
import { arn, roleName, userName } from './fields.ts'
import { holderNamed, policyWithArn, targetHolder } from './find-entities.ts'

const HOLDERS = [
  ['User', 'user', userName],
  ['Role', 'role', roleName],
] as const

/** Permissions boundaries of users and roles (IAM User Guide, "Permissions boundaries for IAM entities"). */
export const BOUNDARY_ACTIONS: readonly IamAction[] = HOLDERS.flatMap(([title, kind, name]) => {
  const nameField = `${title}Name` as const
  const nameIn = (input: object): string => String(Reflect.get(input, nameField))
  const target = (input: object, call: Parameters<typeof targetHolder>[1]) => targetHolder(kind, call, nameIn(input))
  return [
    iamAction(
      `Put${title}PermissionsBoundary`,
      z.strictObject({ [nameField]: name, PermissionsBoundary: arn }),
      target,
      (input, { store, accountId }) =>
        store.change((directory) => {
          const boundaryArn = String(Reflect.get(input, 'PermissionsBoundary'))
          const holder: User | Role = holderNamed(kind, directory, accountId, nameIn(input))
          policyWithArn(directory, accountId, boundaryArn)
          return { put: [{ ...holder, boundaryArn }], result: undefined }
        }),
    ),
    iamAction(
      `Delete${title}PermissionsBoundary`,
      z.strictObject({ [nameField]: name }),
      target,
      (input, { store, accountId }) =>
        store.change((directory) => {
          const holder: User | Role = holderNamed(kind, directory, accountId, nameIn(input))
          const { boundaryArn: _, ...without } = holder
          return { put: [without], result: undefined }
        }),
    ),
  ]
})
