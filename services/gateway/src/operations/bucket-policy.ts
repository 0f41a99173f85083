import { type BoundPrincipals, isPublicPolicy, POLICY_BYTES_MAX, type Policy } from '@coffer/policy'
import { isPublicGrant, renderPolicyStatus, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { hasAcls } from '../bucket/bucket-acl.ts'
import { parseBucketPolicy, policyOf } from '../bucket/bucket-policy.ts'
import { isBlocked } from '../bucket/public-access.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { bindPrincipals, PrincipalUnknown, shownPolicy } from '../policy-principals.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** GetBucketPolicy: as it was given, but whoever is gone by their unique id. NoSuchBucketPolicy. */
export const getBucketPolicy: Operation = async (request, { options }) => {
  const { policy, policyPrincipals } = bucketOf(request).config
  if (policy === undefined) throw noPolicy(request)
  const body = await shownPolicy(policy, policyPrincipals, options.mesh.use('iam'))
  return { status: 200, headers: { 'content-type': 'application/json' }, body }
}

/** PutBucketPolicy. MalformedPolicy says what is wrong with which statement; AccessDenied for a public one where the bucket blocks them. */
export const putBucketPolicy: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const policy = Buffer.from(await collectDocument(request, POLICY_BYTES_MAX)).toString('utf8')
  const parsed = parseBucketPolicy(bucket.record.name, policy)
  const policyPrincipals = await bound(parsed, context)
  // A bucket without a policy had no need for its account's word yet.
  const accountBlock = await context.buckets.accountBlocks.find(bucket.record.ownerAccountId)
  const blocksPolicy = isBlocked({ ...bucket, ...(accountBlock && { accountBlock }) }, 'blockPublicPolicy')
  if (blocksPolicy && isPublicPolicy(parsed)) {
    throw s3Error('AccessDenied', {
      message:
        'Public policies are blocked by the BlockPublicPolicy block public access setting of this bucket or of its account.',
    })
  }
  await updateBucket(context, bucket, ({ versioning, config }) => ({
    versioning,
    config: { ...config, policy, policyPrincipals },
  }))
  return emptyReply(204)
}

/** MalformedPolicy for a policy that names nobody. */
async function bound(policy: Policy, { options }: GatewayContext): Promise<BoundPrincipals> {
  try {
    return await bindPrincipals(policy, options.mesh.use('iam'))
  } catch (error) {
    if (!(error instanceof PrincipalUnknown)) throw error
    throw s3Error('MalformedPolicy', { message: error.message, details: { Detail: `"AWS" : "${error.principal}"` } })
  }
}

/** DeleteBucketPolicy. */
export const deleteBucketPolicy: Operation = async (request, context) => {
  await updateBucket(
    context,
    bucketOf(request),
    ({ versioning, config: { policy: _, policyPrincipals: __, ...config } }) => ({
      versioning,
      config,
    }),
  )
  return emptyReply(204)
}

/**
 * GetBucketPolicyStatus: whether the policy lets in everybody (S3 User Guide, "The meaning of public"); in a bucket with ACLs, whether
 * its own does.
 */
export const getBucketPolicyStatus: Operation = async (request) => {
  const bucket = bucketOf(request)
  const policy = policyOf(bucket)
  if (policy === undefined && !hasAcls(bucket)) throw noPolicy(request)
  const { acl = [] } = bucket.config
  const isPublicByAcl = hasAcls(bucket) && !isBlocked(bucket, 'ignorePublicAcls') && acl.some(isPublicGrant)
  return xmlReply(renderPolicyStatus(isPublicByAcl || (policy !== undefined && isPublicPolicy(policy))))
}

function noPolicy(request: Parameters<Operation>[0]) {
  return s3Error('NoSuchBucketPolicy', { details: { BucketName: request.parsed.bucket } })
}
