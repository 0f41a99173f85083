import { refusal } from '../errors.ts'

/** IAM User Guide, "IAM and AWS STS quotas", where it has one; what an account holds may be more here. */
export const QUOTAS = {
  Users: 50_000,
  Groups: 5_000,
  Roles: 5_000,
  Policies: 10_000,
  OidcProviders: 100,
  AccessKeysPerUser: 2,
  GroupsPerUser: 10,
  AttachedPoliciesPerUser: 20,
  AttachedPoliciesPerGroup: 20,
  AttachedPoliciesPerRole: 20,
  UserPolicySize: 2_048,
  GroupPolicySize: 5_120,
  RolePolicySize: 10_240,
  AssumeRolePolicySize: 4_096,
  PolicySize: 6_144,
  VersionsPerPolicy: 5,
  TagsPerEntity: 50,
} as const

/** LimitExceeded, in AWS's words. */
export function assertWithin(quota: keyof typeof QUOTAS, count: number): void {
  if (count <= QUOTAS[quota]) return
  throw refusal('IAM_LIMIT_EXCEEDED', `Cannot exceed quota for ${quota}: ${QUOTAS[quota]}`)
}

/** Characters of a policy without the white space between its words, which AWS does not count. */
export function sizeOfPolicy(document: string): number {
  return JSON.stringify(JSON.parse(document)).length
}
