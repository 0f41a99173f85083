import { z } from 'zod'
import { type KeyUse, keyUseRecord } from '../access-keys.ts'
import { awsManagedPolicies } from '../aws-managed/index.ts'
import { arnOf, type PasswordPolicy, type PolicyHolder, type User, type UserAccessKey } from '../entities.ts'
import { groupsOf, rootArnOf } from '../principals.ts'
import { type ActionCall, ANYTHING, type IamAction, iamAction } from './action.ts'
import {
  attachedPolicies,
  describeGroup,
  describePolicy,
  describeRole,
  describeUser,
  encodedDocument,
  timeOf,
} from './answers.ts'
import { listOf, paging } from './fields.ts'
import { holdersOf, usesOfPolicies } from './find-entities.ts'
import { pageOf } from './pages.ts'
import { lastUseOf } from './roles.ts'

const FILTERS = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'] as const

export const REPORT_ACTIONS: readonly IamAction[] = [
  iamAction(
    'GetAccountAuthorizationDetails',
    z.strictObject({ Filter: listOf(z.enum(FILTERS), FILTERS.length).default([]), ...paging }),
    ANYTHING,
    async ({ Filter, ...paged }, call) => {
      const { directory, accountId } = call
      const wants = (what: (typeof FILTERS)[number]) => Filter.length === 0 || Filter.includes(what)
      const { attached } = usesOfPolicies(directory, accountId)
      const all = [
        ...holdersOf(directory, accountId).filter(({ kind }) =>
          wants(kind === 'user' ? 'User' : kind === 'group' ? 'Group' : 'Role'),
        ),
        ...(wants('LocalManagedPolicy') ? directory.list('policy', accountId) : []),
        ...(wants('AWSManagedPolicy') ? awsManagedPolicies().filter((policy) => attached.has(arnOf(policy))) : []),
      ]
      const { items, more } = pageOf(all, (one) => `${one.kind}/${one.name}/${one.accountId}`, paged)
      return {
        UserDetailList: items
          .filter((one) => one.kind === 'user')
          .map((user) => ({
            ...describeUser(user, { withTags: true }),
            UserPolicyList: inlineOf(user),
            GroupList: groupsOf(directory, user).map(({ name }) => name),
            AttachedManagedPolicies: attachedPolicies(user.attached),
          })),
        GroupDetailList: items
          .filter((one) => one.kind === 'group')
          .map((group) => ({
            ...describeGroup(group),
            GroupPolicyList: inlineOf(group),
            AttachedManagedPolicies: attachedPolicies(group.attached),
          })),
        RoleDetailList: await Promise.all(
          items
            .filter((one) => one.kind === 'role')
            .map(async (role) => ({
              ...describeRole(role, directory, { withTags: true }),
              InstanceProfileList: [],
              RolePolicyList: inlineOf(role),
              AttachedManagedPolicies: attachedPolicies(role.attached),
              RoleLastUsed: await lastUseOf(role, call.records),
            })),
        ),
        Policies: items
          .filter((one) => one.kind === 'policy')
          .map((policy) => ({
            ...describePolicy(policy, directory, accountId, { withTags: false }),
            PolicyVersionList: policy.versions.map((version) => ({
              Document: encodedDocument(version.document),
              VersionId: version.id,
              IsDefaultVersion: version.id === policy.defaultVersionId,
              CreateDate: timeOf(version.createdAt),
            })),
          })),
        ...more,
      }
    },
  ),
  iamAction('GenerateCredentialReport', z.strictObject({}), ANYTHING, async () => ({
    State: 'COMPLETE',
    Description: 'The report is made when it is asked for.',
  })),
  iamAction('GetCredentialReport', z.strictObject({}), ANYTHING, async (_, call) => ({
    Content: Buffer.from(await credentialReport(call)).toString('base64'),
    ReportFormat: 'text/csv',
    GeneratedTime: timeOf(Date.now()),
  })),
]

function inlineOf({ inline }: PolicyHolder) {
  return Object.entries(inline).map(([name, document]) => ({
    PolicyName: name,
    PolicyDocument: encodedDocument(document),
  }))
}

/** IAM User Guide, "Getting credential reports": one line for the root and for each user. */
async function credentialReport(call: ActionCall): Promise<string> {
  const { directory, accountId } = call
  const account = directory.account(accountId)
  const rootKeys = [
    ...(account?.rootAccessKeyIds ?? []).map((accessKeyId) => ({
      accessKeyId,
      isActive: true,
      createdAt: account?.createdAt ?? 0,
    })),
    ...(account?.moreRootKeys ?? []),
  ]
  const lines = [
    [...COLUMNS],
    [
      '<root_account>',
      rootArnOf(accountId),
      timeOf(account?.createdAt ?? 0),
      ...NO_PASSWORD,
      ...(await keyCells(call, rootKeys)),
    ],
  ]
  const { passwordPolicy } = directory.settings(accountId)
  for (const user of directory.list('user', accountId)) {
    const facts = [user.name, arnOf(user), timeOf(user.createdAt), ...passwordCells(user, passwordPolicy)]
    lines.push([...facts, ...(await keyCells(call, user.accessKeys))])
  }
  return lines.map((cells) => cells.join(',')).join('\n')
}

const DAY_MS = 24 * 60 * 60 * 1000
const KEYS_SHOWN = 2
const COLUMNS = [
  'user',
  'arn',
  'user_creation_time',
  'password_enabled',
  'password_last_used',
  'password_last_changed',
  'password_next_rotation',
  'mfa_active',
  ...[1, 2].flatMap((number) =>
    ['active', 'last_rotated', 'last_used_date', 'last_used_region', 'last_used_service'].map(
      (name) => `access_key_${number}_${name}`,
    ),
  ),
]
const NO_PASSWORD = ['false', 'N/A', 'N/A', 'N/A', 'false']

function passwordCells({ login }: User, policy: PasswordPolicy | undefined): string[] {
  if (login === undefined) return NO_PASSWORD
  const ageDaysMax = policy?.ageDaysMax
  const next = ageDaysMax === undefined ? 'N/A' : timeOf(login.changedAt + ageDaysMax * DAY_MS)
  return ['true', 'no_information', timeOf(login.changedAt), next, 'false']
}

async function keyCells({ records }: ActionCall, keys: readonly UserAccessKey[]): Promise<string[]> {
  const cells: string[] = []
  for (let number = 0; number < KEYS_SHOWN; number++) {
    const key = keys[number]
    const use = key && (await records.find<KeyUse>(keyUseRecord(key.accessKeyId)))
    cells.push(String(key?.isActive ?? false), key ? timeOf(key.createdAt) : 'N/A')
    cells.push(use ? timeOf(use.at) : 'N/A', use?.region ?? 'N/A', use?.service ?? 'N/A')
  }
  return cells
}
