import { z } from 'zod'
import { ANYTHING, type IamAction, iamAction } from './action.ts'
import { paging, roleName, userName } from './fields.ts'
import { holderNamed, targetHolder, targetUser, userMeant } from './find-entities.ts'

const NONE = { IsTruncated: false }

/**
 * What AWS has and Coffer does not: there are none of them. Tools ask before they delete a user or a role (Terraform does for each
 * one), and an error would stop them.
 */
const OF_USER = [
  ['ListMFADevices', 'MFADevices'],
  ['ListSSHPublicKeys', 'SSHPublicKeys'],
  ['ListSigningCertificates', 'Certificates'],
  ['ListServiceSpecificCredentials', 'ServiceSpecificCredentials'],
] as const
const OF_ACCOUNT = [
  ['ListVirtualMFADevices', 'VirtualMFADevices'],
  ['ListInstanceProfiles', 'InstanceProfiles'],
  ['ListServerCertificates', 'ServerCertificateMetadataList'],
  ['ListSAMLProviders', 'SAMLProviderList'],
] as const

export const ABSENT_FEATURE_ACTIONS: readonly IamAction[] = [
  ...OF_USER.map(([name, list]) =>
    iamAction(
      name,
      z.strictObject({ UserName: userName.optional(), ServiceName: z.string().optional(), ...paging }),
      ({ UserName }, call) => targetUser(call, UserName),
      async ({ UserName }, call) => {
        if (UserName !== undefined) userMeant(call.directory, call, UserName)
        return { [list]: [], ...NONE }
      },
    ),
  ),
  ...OF_ACCOUNT.map(([name, list]) =>
    iamAction(
      name,
      z.strictObject({ PathPrefix: z.string().optional(), AssignmentStatus: z.string().optional(), ...paging }),
      ANYTHING,
      async () => ({ [list]: [], ...NONE }),
    ),
  ),
  iamAction(
    'ListInstanceProfilesForRole',
    z.strictObject({ RoleName: roleName, ...paging }),
    ({ RoleName }, call) => targetHolder('role', call, RoleName),
    async ({ RoleName }, { directory, accountId }) => {
      holderNamed('role', directory, accountId, RoleName)
      return { InstanceProfiles: [], ...NONE }
    },
  ),
]
