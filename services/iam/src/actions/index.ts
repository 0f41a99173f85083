import { ABSENT_FEATURE_ACTIONS } from './absent-features.ts'
import { ACCESS_KEY_ACTIONS } from './access-keys.ts'
import { ACCOUNT_ACTIONS } from './account.ts'
import type { IamAction } from './action.ts'
import { ATTACHMENT_ACTIONS } from './attachments.ts'
import { BOUNDARY_ACTIONS } from './boundaries.ts'
import { GROUP_ACTIONS } from './groups.ts'
import { INLINE_POLICY_ACTIONS } from './inline-policies.ts'
import { LOGIN_PROFILE_ACTIONS } from './login-profiles.ts'
import { MANAGED_POLICY_ACTIONS } from './managed-policies.ts'
import { OIDC_PROVIDER_ACTIONS } from './oidc-providers.ts'
import { REPORT_ACTIONS } from './reports.ts'
import { ROLE_ACTIONS } from './roles.ts'
import { SIMULATION_ACTIONS } from './simulation.ts'
import { TAG_ACTIONS } from './tagging.ts'
import { USER_ACTIONS } from './users.ts'

/** Each action that is answered, by its name in the IAM API. Every other one is InvalidAction. */
export const IAM_ACTIONS: ReadonlyMap<string, IamAction> = new Map(
  [
    ...USER_ACTIONS,
    ...GROUP_ACTIONS,
    ...ROLE_ACTIONS,
    ...ACCESS_KEY_ACTIONS,
    ...INLINE_POLICY_ACTIONS,
    ...MANAGED_POLICY_ACTIONS,
    ...ATTACHMENT_ACTIONS,
    ...BOUNDARY_ACTIONS,
    ...TAG_ACTIONS,
    ...OIDC_PROVIDER_ACTIONS,
    ...ACCOUNT_ACTIONS,
    ...LOGIN_PROFILE_ACTIONS,
    ...REPORT_ACTIONS,
    ...SIMULATION_ACTIONS,
    ...ABSENT_FEATURE_ACTIONS,
  ].map((action) => [action.name, action]),
)
