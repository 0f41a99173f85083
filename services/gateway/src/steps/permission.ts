import { openAttributes } from '@coffer/object-record'
import { decide } from '@coffer/policy'
import { s3Error, type Tags } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { policyOf } from '../bucket/bucket-policy.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { versionSelectorOf } from '../object/find-object.ts'
import type { AuthorizedRequest, LocatedRequest } from '../requests.ts'
import { asksForExistingTags, conditionValues, rootArnOf } from './condition-values.ts'
import { resourceOf } from './s3-actions.ts'

type Action = `s3:${string}`

interface Asked {
  readonly bucket: OpenBucket | undefined
  readonly action: Action
  /** '' where it is about the bucket. */
  readonly key: string
  readonly existingTags: Tags | undefined
}

/** Whether whoever makes the request may do this: also something beside what its operation is. */
export function isPermitted(request: LocatedRequest, { bucket, action, key, existingTags }: Asked): boolean {
  const { principal } = request
  const { effect } = decide({
    principal:
      principal === 'anonymous'
        ? principal
        : { accountId: principal.accountId, arn: rootArnOf(principal.accountId), canonicalId: principal.canonicalId },
    action,
    resource: resourceOf(bucket?.record.name ?? '', key),
    values: conditionValues(request, existingTags),
    ...(bucket && {
      bucketOwnerAccountId: bucket.record.ownerAccountId,
      bucketPolicy: policyOf(bucket),
      restrictsPublic: bucket.config.publicAccessBlock?.restrictPublicBuckets ?? false,
    }),
  })
  return effect === 'allow'
}

/** The same of another object than the request's own, whose tags are looked up where the policy asks for them. */
export async function isPermittedOnObject(
  request: LocatedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  { action, key, versionId }: { readonly action: Action; readonly key: string; readonly versionId: string | undefined },
): Promise<boolean> {
  const existingTags = await existingTagsOf(context, bucket, key, versionId)
  return isPermitted(request, { bucket, action, key, existingTags })
}

/** Undefined where the bucket's policy does not ask for them, or there is no such object. */
export async function existingTagsOf(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  versionId: string | undefined,
): Promise<Tags | undefined> {
  const { policy } = bucket.config
  if (policy === undefined || key === '' || !asksForExistingTags(policy)) return undefined
  const which = versionSelectorOf(key, versionId)
  const found = await context.metadata.findVersion(bucket.record.id, key, which, { withBody: false })
  if (found === undefined || found.version.isDeleteMarker) return undefined
  return openAttributes(bucket.metadataKey, bucket.record.id, found.version).attributes.headers.tags
}

/**
 * Whether the principal may also do what a header of its request asks for beside the operation itself, to the same object: to set
 * tags or a lock, to bypass governance retention.
 */
export function isAlsoAllowed(request: AuthorizedRequest, action: Action, key = request.parsed.key): boolean {
  const { bucket, existingTags } = request
  return isPermitted(request, { bucket, action, key, existingTags })
}

/** AccessDenied. */
export function assertAlsoAllowed(request: AuthorizedRequest, action: Action): void {
  if (!isAlsoAllowed(request, action)) throw s3Error('AccessDenied')
}
