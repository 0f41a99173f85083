import {
  type ContextValues,
  type Decision,
  type DecisionRequest,
  decide,
  decideWithAcls,
  type PrincipalPolicies,
  type RequestPrincipal,
} from '@coffer/policy'
import { hasAcls } from '../bucket/bucket-acl.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { policyOf } from '../bucket/bucket-policy.ts'
import { isBlocked } from '../bucket/public-access.ts'
import type { ExistingObject } from '../requests.ts'
import { resourceOf } from './s3-actions.ts'

/** What is to be done with a bucket or with an object in it, and by whom. */
export interface BucketUseAsked {
  readonly principal: RequestPrincipal
  readonly policies: PrincipalPolicies | undefined
  /** `s3:GetObject`. */
  readonly action: string
  /** Absent: it is about an account, or about what is not there. */
  readonly bucket: OpenBucket | undefined
  /** Of a bucket that is not there yet; '' where none is named. */
  readonly name: string
  /** '' where it is about the bucket. */
  readonly key: string
  readonly existing: ExistingObject | undefined
  /** The account that it is about where there is no bucket. Absent: nobody's. */
  readonly accountId: string | undefined
  readonly values: ContextValues
}

/**
 * Whether the bucket's policy, its access control lists and public access block, and the principal's own policies let it be done:
 * what requests are decided by, and what `coffer iam explain` says of them.
 */
export function decideOnBucket(asked: BucketUseAsked): Decision {
  const { principal, policies, action, bucket, key, existing, accountId, values } = asked
  const name = bucket?.record.name ?? asked.name
  const bucketPolicy = bucket && policyOf(bucket)
  const request: DecisionRequest = {
    principal,
    policies,
    action,
    resource: resourceOf(name, key),
    values,
    resourceAccountId: bucket?.record.ownerAccountId ?? accountId,
    ...(bucketPolicy && { resourcePolicy: { id: `bucket/${name}`, policy: bucketPolicy } }),
    restrictsPublic: bucket !== undefined && isBlocked(bucket, 'restrictPublicBuckets'),
  }
  if (bucket === undefined || !hasAcls(bucket)) return decide(request)
  const { record, config } = bucket
  return decideWithAcls(request, {
    bucketAcl: { ownerAccountId: record.ownerAccountId, grants: config.acl ?? [] },
    objectAcl: existing?.acl,
    ignoresPublic: isBlocked(bucket, 'ignorePublicAcls'),
  })
}
