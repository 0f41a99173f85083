import { z } from 'zod'
import { awsManagedPolicies } from '../aws-managed/index.ts'
import { arnOf, type ManagedPolicy, type PolicyVersion } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type ActionCall, type IamAction, iamAction } from './action.ts'
import { describePolicy, encodedDocument, timeOf } from './answers.ts'
import { assertIdentityPolicy } from './documents.ts'
import { newEntityId } from './entity-id.ts'
import { arn, description, document, paging, path, pathPrefix, policyName, tags, truth, versionId } from './fields.ts'
import { ownPolicyWithArn, policyWithArn, targetPolicy, usesOfPolicies } from './find-entities.ts'
import { assertFree } from './free-names.ts'
import { pageOf } from './pages.ts'
import { assertWithin } from './quotas.ts'
import { tagsFrom } from './tags-of.ts'

const One = z.strictObject({ PolicyArn: arn })
const OneVersion = z.strictObject({ PolicyArn: arn, VersionId: versionId })
const target = ({ PolicyArn }: { readonly PolicyArn: string }, call: ActionCall) => targetPolicy(call, PolicyArn)

export const MANAGED_POLICY_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreatePolicy',
    z.strictObject({
      PolicyName: policyName,
      PolicyDocument: document,
      Path: path.default('/'),
      Description: description.optional(),
      Tags: tags.optional(),
    }),
    ({ PolicyName, Path }, { accountId }) => ({ arn: `arn:aws:iam::${accountId}:policy${Path}${PolicyName}` }),
    (input, { store, accountId }) =>
      store.change((directory) => {
        assertFree('policy', directory, accountId, input.PolicyName)
        assertWithin('Policies', directory.count('policy', accountId) + 1)
        assertIdentityPolicy(input.PolicyDocument, 'PolicySize')
        const createdAt = Date.now()
        const policy: ManagedPolicy = {
          kind: 'policy',
          accountId,
          id: newEntityId('policy'),
          name: input.PolicyName,
          path: input.Path,
          createdAt,
          updatedAt: createdAt,
          versions: [{ id: 'v1', document: input.PolicyDocument, createdAt }],
          defaultVersionId: 'v1',
          versionsMade: 1,
          tags: tagsFrom(input.Tags),
          ...(input.Description !== undefined && { description: input.Description }),
        }
        return { put: [policy], result: { Policy: describePolicy(policy, directory, accountId, { withTags: true }) } }
      }),
  ),
  iamAction('GetPolicy', One, target, async ({ PolicyArn }, { directory, accountId }) => {
    const policy = policyWithArn(directory, accountId, PolicyArn)
    return { Policy: describePolicy(policy, directory, accountId, { withTags: true }) }
  }),
  iamAction(
    'ListPolicies',
    z.strictObject({
      Scope: z.enum(['All', 'AWS', 'Local']).default('All'),
      OnlyAttached: truth.default(false),
      PathPrefix: pathPrefix.default('/'),
      PolicyUsageFilter: z.enum(['PermissionsPolicy', 'PermissionsBoundary']).optional(),
      ...paging,
    }),
    ({ PathPrefix }, { accountId }) => ({ arn: `arn:aws:iam::${accountId}:policy${PathPrefix}` }),
    async ({ Scope, OnlyAttached, PathPrefix, PolicyUsageFilter, ...paged }, { directory, accountId }) => {
      const { attached, boundaries } = usesOfPolicies(directory, accountId)
      const isUsed = (policyArn: string) => {
        if (PolicyUsageFilter === 'PermissionsPolicy') return attached.has(policyArn)
        if (PolicyUsageFilter === 'PermissionsBoundary') return boundaries.has(policyArn)
        return !OnlyAttached || attached.has(policyArn)
      }
      const all = [
        ...(Scope === 'Local' ? [] : awsManagedPolicies()),
        ...(Scope === 'AWS' ? [] : directory.list('policy', accountId)),
      ].filter((policy) => policy.path.startsWith(PathPrefix) && isUsed(arnOf(policy)))
      const { items, more } = pageOf(all, (policy) => `${policy.name}/${policy.accountId}`, paged)
      const shown = items.map((policy) => describePolicy(policy, directory, accountId, { withTags: false }))
      return { Policies: shown, ...more }
    },
  ),
  iamAction('DeletePolicy', One, target, ({ PolicyArn }, { store, accountId }) =>
    store.change((directory) => {
      const policy = ownPolicyWithArn(directory, accountId, PolicyArn)
      const { attached, boundaries } = usesOfPolicies(directory, accountId)
      if (attached.has(PolicyArn) || boundaries.has(PolicyArn)) {
        throw refusal('IAM_DELETE_CONFLICT', 'Cannot delete a policy attached to entities.')
      }
      if (policy.versions.length > 1) {
        const message =
          'This policy has more than one version. Before you delete a policy, you must delete its other versions.'
        throw refusal('IAM_DELETE_CONFLICT', message)
      }
      return { remove: [policy], result: undefined }
    }),
  ),
  iamAction(
    'CreatePolicyVersion',
    z.strictObject({ PolicyArn: arn, PolicyDocument: document, SetAsDefault: truth.default(false) }),
    target,
    ({ PolicyArn, PolicyDocument, SetAsDefault }, { store, accountId }) =>
      store.change((directory) => {
        const policy = ownPolicyWithArn(directory, accountId, PolicyArn)
        assertIdentityPolicy(PolicyDocument, 'PolicySize')
        assertWithin('VersionsPerPolicy', policy.versions.length + 1)
        const versionsMade = policy.versionsMade + 1
        const version = { id: `v${versionsMade}`, document: PolicyDocument, createdAt: Date.now() }
        const changed = {
          ...policy,
          versionsMade,
          updatedAt: version.createdAt,
          versions: [...policy.versions, version],
          defaultVersionId: SetAsDefault ? version.id : policy.defaultVersionId,
        }
        return { put: [changed], result: { PolicyVersion: describeVersion(changed, version) } }
      }),
  ),
  iamAction('GetPolicyVersion', OneVersion, target, async ({ PolicyArn, VersionId }, { directory, accountId }) => {
    const policy = policyWithArn(directory, accountId, PolicyArn)
    const version = versionOf(policy, VersionId)
    return { PolicyVersion: { Document: encodedDocument(version.document), ...describeVersion(policy, version) } }
  }),
  iamAction(
    'ListPolicyVersions',
    z.strictObject({ PolicyArn: arn, ...paging }),
    target,
    async ({ PolicyArn, ...paged }, { directory, accountId }) => {
      const policy = policyWithArn(directory, accountId, PolicyArn)
      const { items, more } = pageOf(policy.versions, ({ id }) => id.padStart(12), paged)
      return { Versions: items.map((version) => describeVersion(policy, version)), ...more }
    },
  ),
  iamAction('DeletePolicyVersion', OneVersion, target, ({ PolicyArn, VersionId }, { store, accountId }) =>
    store.change((directory) => {
      const policy = ownPolicyWithArn(directory, accountId, PolicyArn)
      const version = versionOf(policy, VersionId)
      if (version.id === policy.defaultVersionId) {
        throw refusal('IAM_DELETE_CONFLICT', 'Cannot delete the default version of a policy.')
      }
      return { put: [{ ...policy, versions: policy.versions.filter((other) => other !== version) }], result: undefined }
    }),
  ),
  iamAction('SetDefaultPolicyVersion', OneVersion, target, ({ PolicyArn, VersionId }, { store, accountId }) =>
    store.change((directory) => {
      const policy = ownPolicyWithArn(directory, accountId, PolicyArn)
      const { id } = versionOf(policy, VersionId)
      return { put: [{ ...policy, defaultVersionId: id, updatedAt: Date.now() }], result: undefined }
    }),
  ),
]

/** NoSuchEntity. */
function versionOf(policy: ManagedPolicy, id: string): PolicyVersion {
  const version = policy.versions.find((candidate) => candidate.id === id)
  if (version !== undefined) return version
  throw refusal('IAM_NO_SUCH_ENTITY', `Policy ${arnOf(policy)} version ${id} does not exist or is not attachable.`)
}

function describeVersion({ defaultVersionId }: ManagedPolicy, { id, createdAt }: PolicyVersion) {
  return { VersionId: id, IsDefaultVersion: id === defaultVersionId, CreateDate: timeOf(createdAt) }
}
