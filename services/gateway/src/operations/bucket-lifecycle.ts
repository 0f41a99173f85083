import { parseLifecycleConfiguration, renderLifecycleConfiguration, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** A thousand rules, each with a prefix of 1,024 bytes and ten tags. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024

/** GetBucketLifecycleConfiguration. NoSuchLifecycleConfiguration. */
export const getBucketLifecycle: Operation = async (request) => {
  const { lifecycle } = bucketOf(request).config
  if (lifecycle === undefined) {
    throw s3Error('NoSuchLifecycleConfiguration', { details: { BucketName: request.parsed.bucket } })
  }
  return xmlReply(renderLifecycleConfiguration(lifecycle))
}

/** PutBucketLifecycleConfiguration: replaces all rules. They are applied by the next pass of the rotation service. */
export const putBucketLifecycle: Operation = async (request, context) => {
  const lifecycle = parseLifecycleConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, lifecycle },
  }))
  return emptyReply(200)
}

/** DeleteBucketLifecycle. */
export const deleteBucketLifecycle: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => {
    const { lifecycle: _, ...rest } = config
    return { versioning, config: rest }
  })
  return emptyReply(204)
}
