import { renderAcl } from '@coffer/s3-protocol'
import { assertMayBePublic, bucketGrants, hasAcls, readAcl, refuseAcl } from '../bucket/bucket-acl.ts'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** GetBucketAcl: where ACLs are off, everything is the owner's. */
export const getBucketAcl: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const owner = await ownerOf(request, context, bucket)
  return xmlReply(
    renderAcl(owner, hasAcls(bucket) ? bucketGrants(bucket, owner) : bucketGrants(withoutAcl(bucket), owner)),
  )
}

/** PutBucketAcl. AccessControlListNotSupported where ACLs are off; AccessDenied for a public one where the bucket blocks them. */
export const putBucketAcl: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  if (!hasAcls(bucket)) {
    await refuseAcl(request)
    return emptyReply(200)
  }
  const owner = await ownerOf(request, context, bucket)
  const acl = await readAcl(request, context, { owner, bucketOwner: owner })
  assertMayBePublic(bucket, acl)
  await updateBucket(context, bucket, ({ versioning, config }) => ({ versioning, config: { ...config, acl } }))
  return emptyReply(200)
}

function withoutAcl(bucket: ReturnType<typeof bucketOf>): ReturnType<typeof bucketOf> {
  const { acl: _, ...config } = bucket.config
  return { ...bucket, config }
}
