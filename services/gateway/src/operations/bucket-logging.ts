import { parseBucketLogging, renderBucketLogging, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetBucketLogging. */
export const getBucketLogging: Operation = async (request) =>
  xmlReply(renderBucketLogging(bucketOf(request).config.logging))

/** PutBucketLogging: into another bucket of the same account. InvalidTargetBucketForLogging. */
export const putBucketLogging: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const logging = parseBucketLogging(await collectDocument(request, DOCUMENT_BYTES_MAX))
  if (logging !== undefined) {
    const target = await context.buckets.find(logging.targetBucket)
    const { ownerAccountId } = bucket.record
    if (target === undefined) {
      throw s3Error('InvalidTargetBucketForLogging', { message: 'The target bucket for logging does not exist' })
    }
    if (target.record.ownerAccountId !== ownerAccountId || target.config.requestPayer === 'Requester') {
      throw s3Error('InvalidTargetBucketForLogging')
    }
  }
  await updateBucket(context, bucket, ({ versioning, config: { logging: _, ...config } }) => ({
    versioning,
    config: { ...config, ...(logging && { logging }) },
  }))
  return emptyReply(200)
}
