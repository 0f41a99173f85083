import { z } from 'zod'
import type { AccountSettings, PasswordPolicy } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type ActionCall, ANYTHING, type IamAction, iamAction } from './action.ts'
import { count, paging, truth } from './fields.ts'
import { usesOfPolicies } from './find-entities.ts'
import { QUOTAS } from './quotas.ts'

/** IAM API, CreateAccountAlias. */
const alias = z
  .string()
  .min(3)
  .max(63)
  .regex(/^[a-z0-9](?!.*--)[a-z0-9-]*[a-z0-9]$/)
const PASSWORD_LENGTH_MIN = 6
const PASSWORD_LENGTH_MAX = 128
const PASSWORDS_REMEMBERED_MAX = 24
const Alias = z.strictObject({ AccountAlias: alias })
const Nothing = z.strictObject({})

export const ACCOUNT_ACTIONS: readonly IamAction[] = [
  iamAction('CreateAccountAlias', Alias, ANYTHING, ({ AccountAlias }, call) =>
    changeSettings(call, (settings, directory) => {
      if (settings.alias === AccountAlias) return settings
      if (directory.hasAlias(AccountAlias)) {
        throw refusal('IAM_ENTITY_EXISTS', `The account alias ${AccountAlias} already exists.`)
      }
      return { ...settings, alias: AccountAlias }
    }),
  ),
  iamAction('DeleteAccountAlias', Alias, ANYTHING, ({ AccountAlias }, call) =>
    changeSettings(call, ({ alias: kept, ...settings }) => {
      if (kept === AccountAlias) return settings
      throw refusal('IAM_NO_SUCH_ENTITY', `The account alias ${AccountAlias} cannot be found.`)
    }),
  ),
  iamAction('ListAccountAliases', z.strictObject(paging), ANYTHING, async (_, { directory, accountId }) => {
    const { alias: kept } = directory.settings(accountId)
    return { AccountAliases: kept === undefined ? [] : [kept], IsTruncated: false }
  }),
  iamAction('GetAccountSummary', Nothing, ANYTHING, async (_, call) => ({ SummaryMap: entriesOf(summaryOf(call)) })),
  iamAction(
    'UpdateAccountPasswordPolicy',
    z.strictObject({
      MinimumPasswordLength: count(PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX).default(PASSWORD_LENGTH_MIN),
      RequireSymbols: truth.default(false),
      RequireNumbers: truth.default(false),
      RequireUppercaseCharacters: truth.default(false),
      RequireLowercaseCharacters: truth.default(false),
      AllowUsersToChangePassword: truth.default(false),
      MaxPasswordAge: count(0, 1095).optional(),
      PasswordReusePrevention: count(0, PASSWORDS_REMEMBERED_MAX).optional(),
      HardExpiry: truth.default(false),
    }),
    ANYTHING,
    (input, call) =>
      changeSettings(call, (settings) => ({
        ...settings,
        passwordPolicy: {
          minimumLength: input.MinimumPasswordLength,
          requireSymbols: input.RequireSymbols,
          requireNumbers: input.RequireNumbers,
          requireUppercase: input.RequireUppercaseCharacters,
          requireLowercase: input.RequireLowercaseCharacters,
          allowUsersToChange: input.AllowUsersToChangePassword,
          hardExpiry: input.HardExpiry,
          ...(input.MaxPasswordAge && { ageDaysMax: input.MaxPasswordAge }),
          ...(input.PasswordReusePrevention && { reusePrevention: input.PasswordReusePrevention }),
        },
      })),
  ),
  iamAction('GetAccountPasswordPolicy', Nothing, ANYTHING, async (_, { directory, accountId }) => {
    const { passwordPolicy } = directory.settings(accountId)
    if (passwordPolicy === undefined) throw noPasswordPolicy(accountId)
    return { PasswordPolicy: describePasswordPolicy(passwordPolicy) }
  }),
  iamAction('DeleteAccountPasswordPolicy', Nothing, ANYTHING, (_, call) =>
    changeSettings(call, ({ passwordPolicy, ...settings }) => {
      if (passwordPolicy === undefined) throw noPasswordPolicy(call.accountId)
      return settings
    }),
  ),
]

function noPasswordPolicy(accountId: string) {
  return refusal('IAM_NO_SUCH_ENTITY', `The Password Policy with domain name ${accountId} cannot be found.`)
}

function describePasswordPolicy(policy: PasswordPolicy) {
  return {
    MinimumPasswordLength: policy.minimumLength,
    RequireSymbols: policy.requireSymbols,
    RequireNumbers: policy.requireNumbers,
    RequireUppercaseCharacters: policy.requireUppercase,
    RequireLowercaseCharacters: policy.requireLowercase,
    AllowUsersToChangePassword: policy.allowUsersToChange,
    ExpirePasswords: policy.ageDaysMax !== undefined,
    MaxPasswordAge: policy.ageDaysMax,
    PasswordReusePrevention: policy.reusePrevention,
    HardExpiry: policy.hardExpiry,
  }
}

function summaryOf({ directory, accountId }: ActionCall): Readonly<Record<string, number>> {
  const policies = directory.list('policy', accountId)
  const uses = usesOfPolicies(directory, accountId)
  return {
    Users: directory.count('user', accountId),
    UsersQuota: QUOTAS.Users,
    Groups: directory.count('group', accountId),
    GroupsQuota: QUOTAS.Groups,
    Roles: directory.count('role', accountId),
    RolesQuota: QUOTAS.Roles,
    Policies: policies.length,
    PoliciesQuota: QUOTAS.Policies,
    PolicyVersionsInUse: policies.reduce((sum, { versions }) => sum + versions.length, 0),
    PolicySizeQuota: QUOTAS.PolicySize,
    VersionsPerPolicyQuota: QUOTAS.VersionsPerPolicy,
    AttachedPoliciesPerUserQuota: QUOTAS.AttachedPoliciesPerUser,
    AttachedPoliciesPerGroupQuota: QUOTAS.AttachedPoliciesPerGroup,
    AttachedPoliciesPerRoleQuota: QUOTAS.AttachedPoliciesPerRole,
    AccessKeysPerUserQuota: QUOTAS.AccessKeysPerUser,
    GroupsPerUserQuota: QUOTAS.GroupsPerUser,
    UserPolicySizeQuota: QUOTAS.UserPolicySize,
    GroupPolicySizeQuota: QUOTAS.GroupPolicySize,
    RolePolicySizeQuota: QUOTAS.RolePolicySize,
    AssumeRolePolicySizeQuota: QUOTAS.AssumeRolePolicySize,
    PermissionsBoundaries: [...uses.boundaries.values()].reduce((sum, times) => sum + times, 0),
    Providers: directory.count('oidc-provider', accountId),
    AccountAccessKeysPresent: 1,
    AccountMFAEnabled: 0,
    MFADevices: 0,
    MFADevicesInUse: 0,
    ServerCertificates: 0,
    InstanceProfiles: 0,
  }
}

/** A map in an answer. */
function entriesOf(map: Readonly<Record<string, number>>) {
  return { entry: Object.entries(map).map(([key, value]) => ({ key, value })) }
}

function changeSettings(
  { store, accountId }: ActionCall,
  change: (settings: AccountSettings, directory: ActionCall['directory']) => AccountSettings,
): Promise<void> {
  return store.change((directory) => ({
    put: [change(directory.settings(accountId), directory)],
    result: undefined,
  }))
}
