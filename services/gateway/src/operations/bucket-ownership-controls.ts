import { parseOwnershipControls, renderOwnershipControls, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetBucketOwnershipControls. OwnershipControlsNotFoundError after they were deleted. */
export const getBucketOwnershipControls: Operation = async (request) => {
  const { ownership = 'BucketOwnerEnforced' } = bucketOf(request).config
  if (ownership === 'none') throw s3Error('OwnershipControlsNotFoundError')
  return xmlReply(renderOwnershipControls(ownership))
}

/** PutBucketOwnershipControls. BucketOwnerEnforced turns ACLs off: InvalidBucketAclWithObjectOwnership where the bucket's lets in others. */
export const putBucketOwnershipControls: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const ownership = parseOwnershipControls(await collectDocument(request, DOCUMENT_BYTES_MAX))
  const owner = await ownerOf(request, context, bucket)
  await updateBucket(context, bucket, ({ versioning, config }) => {
    const letsInOthers = config.acl?.some(({ grantee }) => !('id' in grantee) || grantee.id !== owner.id)
    if (ownership === 'BucketOwnerEnforced' && letsInOthers) throw s3Error('InvalidBucketAclWithObjectOwnership')
    return { versioning, config: { ...config, ownership } }
  })
  return emptyReply(200)
}

/** DeleteBucketOwnershipControls: ACLs count, and objects are their writers', as before there were such controls. */
export const deleteBucketOwnershipControls: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, ownership: 'none' },
  }))
  return emptyReply(204)
}
