import { openAttributes } from '@coffer/object-record'
import { type Decision, isByObjectAcl, type Policy } from '@coffer/policy'
import { s3Error } from '@coffer/s3-protocol'
import { hasAcls } from '../bucket/bucket-acl.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { policyOf } from '../bucket/bucket-policy.ts'
import { tagsForPolicies } from '../bucket/bucket-tags.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { versionSelectorOf } from '../object/find-object.ts'
import type { AuthorizedRequest, ExistingObject, LocatedRequest } from '../requests.ts'
import { decideOnBucket } from './bucket-decision.ts'
import { asksForExistingTags, conditionValues, type ResourceFacts } from './condition-values.ts'
import { isAccountOperation } from './s3-actions.ts'

type Action = `s3:${string}`

interface Asked {
  readonly bucket: OpenBucket | undefined
  readonly action: Action
  /** '' where it is about the bucket. */
  readonly key: string
  readonly existing: ExistingObject | undefined
  /** Values of condition keys, in place of what the query and headers of the request say. */
  readonly said?: Readonly<Record<string, string | undefined>> | undefined
}

interface ObjectAction {
  readonly action: Action
  readonly key: string
  readonly versionId: string | undefined
  readonly said?: Asked['said']
  /** What is found is read next. */
  readonly withBody?: boolean
}

/** The cause of AccessDenied: why, for the audit trail; no client is told. */
export class NotAllowed extends Error {
  readonly decision: Decision

  constructor(decision: Decision) {
    super(decision.reason)
    this.decision = decision
  }
}

/** Whether whoever makes the request may do this, and why: also something beside what its operation is. */
export function decisionOn(request: LocatedRequest, { bucket, action, key, existing, said }: Asked): Decision {
  const { principal, policies, parsed } = request
  const isOnAccount = principal !== 'anonymous' && isAccountOperation(parsed.operation)
  const ownAccountId = isOnAccount ? principal.accountId : undefined
  return decideOnBucket({
    principal,
    policies,
    action,
    bucket,
    name: parsed.operation === 'CreateBucket' ? parsed.bucket : '',
    key,
    existing,
    accountId: ownAccountId,
    values: conditionValues(request, factsOf(bucket, existing, ownAccountId), said),
  })
}

/** `ownAccountId`: whose it is where there is no bucket. */
export function factsOf(
  bucket: OpenBucket | undefined,
  existing: ExistingObject | undefined,
  ownAccountId: string | undefined,
): ResourceFacts {
  return {
    accountId: bucket?.record.ownerAccountId ?? ownAccountId,
    existingTags: existing?.tags,
    bucketTags: bucket && tagsForPolicies(bucket),
  }
}

export function isPermitted(request: LocatedRequest, asked: Asked): boolean {
  const decision = decisionOn(request, asked)
  request.trail.decided(asked.action, decision)
  return decision.effect === 'allow'
}

/** The same of another object than the request's own, whose tags are looked up where the policy asks for them. */
export async function isPermittedOnObject(
  request: LocatedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  named: ObjectAction,
): Promise<boolean> {
  const { action, key, said } = named
  return isPermitted(request, {
    bucket,
    action,
    key,
    existing: await existingObjectOf(request, context, bucket, named),
    said,
  })
}

/** Undefined where neither a policy nor the bucket's use of ACLs asks for it, or there is no such object. */
export async function existingObjectOf(
  request: Pick<LocatedRequest, 'policies'>,
  context: Pick<GatewayContext, 'metadata'>,
  bucket: OpenBucket,
  { action, key, versionId, withBody = false }: ObjectAction,
): Promise<ExistingObject | undefined> {
  const asksForAcl = hasAcls(bucket) && isByObjectAcl(action)
  if (key === '' || !(asksForAcl || isAskedByPolicy(request, bucket, asksForExistingTags))) return undefined
  const which = versionSelectorOf(key, versionId)
  const found = await context.metadata.findVersion(bucket.record.id, key, which, { withBody })
  if (found === undefined || found.version.isDeleteMarker) return undefined
  const { headers, acl } = openAttributes(bucket.metadataKey, bucket.record.id, found.version).attributes
  const ownerAccountId = acl?.ownerAccountId ?? bucket.record.ownerAccountId
  return { tags: headers.tags, acl: { ownerAccountId, grants: acl?.grants ?? [] }, found }
}

/** Whether any policy that may have a word in it, of the principal or of the bucket, asks for something. */
export function isAskedByPolicy(
  { policies: own }: Pick<LocatedRequest, 'policies'>,
  bucket: OpenBucket | undefined,
  asks: (policy: Policy) => boolean,
): boolean {
  const ofBucket = bucket && policyOf(bucket)
  if (ofBucket !== undefined && asks(ofBucket)) return true
  if (own === undefined) return false
  const ask = ({ policy }: { readonly policy: Policy }) => asks(policy)
  return own.identity.some(ask) || (own.boundary !== undefined && ask(own.boundary)) || own.session?.some(ask) === true
}

/**
 * Whether the principal may also do what a header of its request asks for beside the operation itself, to the same object: to set
 * tags or a lock, to bypass governance retention.
 */
export function isAlsoAllowed(request: AuthorizedRequest, action: Action, key = request.parsed.key): boolean {
  const { bucket, existing } = request
  return isPermitted(request, { bucket, action, key, existing })
}

/** AccessDenied. */
export function assertAlsoAllowed(request: AuthorizedRequest, action: Action): void {
  if (!isAlsoAllowed(request, action)) throw s3Error('AccessDenied')
}
