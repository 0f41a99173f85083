import { z } from 'zod'
import type { LoginProfile, User } from '../entities.ts'
import { refusal } from '../errors.ts'
import { guessesRecord, tryPassword } from '../password-guesses.ts'
import { isComparable, isPassword } from '../password-hash.ts'
import { loginWith } from '../passwords.ts'
import { type ActionCall, type IamAction, iamAction } from './action.ts'
import { timeOf } from './answers.ts'
import { truth, userName } from './fields.ts'
import { holderNamed, targetHolder, targetUser, userMeant } from './find-entities.ts'

const password = z.string().min(1).max(128)

/** Passwords for the console. Only hashes of them are kept, and hashing is done before the directory is changed. */
export const LOGIN_PROFILE_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateLoginProfile',
    z.strictObject({ UserName: userName, Password: password, PasswordResetRequired: truth.default(false) }),
    ({ UserName }, call) => targetHolder('user', call, UserName),
    async ({ UserName, Password, PasswordResetRequired: mustReset }, call) => {
      const policy = policyOf(call)
      const login = await loginWith(Password, { policy, kept: undefined, mustReset })
      const user = await changeUser(call, UserName, (known) => {
        if (known.login !== undefined) {
          throw refusal('IAM_ENTITY_EXISTS', `Login Profile for user ${UserName} already exists.`)
        }
        return { ...known, login }
      })
      return { LoginProfile: describe(user, login) }
    },
  ),
  iamAction(
    'GetLoginProfile',
    z.strictObject({ UserName: userName.optional() }),
    ({ UserName }, call) => targetUser(call, UserName),
    async ({ UserName }, call) => {
      const user = userMeant(call.directory, call, UserName)
      return { LoginProfile: describe(user, loginOf(user)) }
    },
  ),
  iamAction(
    'UpdateLoginProfile',
    z.strictObject({ UserName: userName, Password: password.optional(), PasswordResetRequired: truth.optional() }),
    ({ UserName }, call) => targetHolder('user', call, UserName),
    async ({ UserName, Password, PasswordResetRequired }, call) => {
      const kept = loginOf(holderNamed('user', call.directory, call.accountId, UserName))
      const mustReset = PasswordResetRequired ?? kept.mustReset
      const login =
        Password === undefined
          ? { ...kept, mustReset }
          : await loginWith(Password, { policy: policyOf(call), kept, mustReset })
      const user = await changeUser(call, UserName, (known) => replaced(known, kept, login))
      if (Password !== undefined) await call.records.commit([{ id: guessesRecord(user) }])
    },
  ),
  iamAction(
    'DeleteLoginProfile',
    z.strictObject({ UserName: userName }),
    ({ UserName }, call) => targetHolder('user', call, UserName),
    async ({ UserName }, call) => {
      const user = await changeUser(call, UserName, (known) => {
        loginOf(known)
        const { login: _, ...without } = known
        return without
      })
      await call.records.commit([{ id: guessesRecord(user) }])
    },
  ),
  iamAction(
    'ChangePassword',
    z.strictObject({ OldPassword: password, NewPassword: password }),
    (_, call) => targetUser(call, undefined),
    async ({ OldPassword, NewPassword }, call) => {
      const user = userMeant(call.directory, call, undefined)
      const kept = loginOf(user)
      if (!isComparable(kept)) {
        throw refusal(
          'IAM_ACCESS_DENIED',
          'The old password was set outside of FIPS mode: an administrator has to set it.',
        )
      }
      const isRight = await tryPassword(call.records, user, () => isPassword(OldPassword, kept))
      if (!isRight) throw refusal('IAM_ACCESS_DENIED', 'The old password was incorrect.')
      const login = await loginWith(NewPassword, { policy: policyOf(call), kept, mustReset: false })
      await changeUser(call, user.name, (known) => replaced(known, kept, login))
    },
  ),
]

function policyOf({ directory, accountId }: ActionCall) {
  return directory.settings(accountId).passwordPolicy
}

/** NoSuchEntity. */
function loginOf({ name, login }: User): LoginProfile {
  if (login !== undefined) return login
  throw refusal('IAM_NO_SUCH_ENTITY', `Login Profile for User ${name} cannot be found.`)
}

/** The new password was judged by the one that was there: another one since then is a conflict. */
function replaced(user: User, expected: LoginProfile, login: LoginProfile): User {
  if (user.login?.hash === expected.hash) return { ...user, login }
  throw refusal('IAM_NO_SUCH_ENTITY', `Login Profile for User ${user.name} was changed meanwhile.`)
}

function changeUser({ store, accountId }: ActionCall, name: string, change: (user: User) => User): Promise<User> {
  return store.change((directory) => {
    const changed = change(holderNamed('user', directory, accountId, name))
    return { put: [changed], result: changed }
  })
}

function describe({ name }: User, { createdAt, mustReset }: LoginProfile) {
  return { UserName: name, CreateDate: timeOf(createdAt), PasswordResetRequired: mustReset }
}
