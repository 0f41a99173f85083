import {
  parseAbacStatus,
  parseAccelerateStatus,
  renderAbacStatus,
  renderAccelerateStatus,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/* What a bucket turns on or off. */

const DOCUMENT_BYTES_MAX = 4 * 1024

/** GetBucketAccelerateConfiguration. */
export const getBucketAccelerate: Operation = async (request) =>
  xmlReply(renderAccelerateStatus(bucketOf(request).config.accelerate))

/** PutBucketAccelerateConfiguration. It is always off: to say so is taken, NotImplemented for Enabled. */
export const putBucketAccelerate: Operation = async (request, context) => {
  const status = parseAccelerateStatus(await collectDocument(request, DOCUMENT_BYTES_MAX))
  if (status === 'Enabled') {
    throw s3Error('NotImplemented', {
      message: 'Transfer acceleration is not implemented: there are no edge locations.',
    })
  }
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, accelerate: status },
  }))
  return emptyReply(200)
}

/** GetBucketAbac. */
export const getBucketAbac: Operation = async (request) =>
  xmlReply(renderAbacStatus(bucketOf(request).config.abac ?? 'Disabled'))

/** PutBucketAbac: whether policies see the bucket's tags (`aws:ResourceTag`). */
export const putBucketAbac: Operation = async (request, context) => {
  const status = parseAbacStatus(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config: { abac: _, ...rest } }) => ({
    versioning,
    config: { ...rest, ...(status === 'Enabled' && { abac: status }) },
  }))
  return emptyReply(200)
}
