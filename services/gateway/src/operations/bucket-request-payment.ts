import { parseRequestPayment, renderRequestPayment } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 4 * 1024

/** GetBucketRequestPayment. */
export const getBucketRequestPayment: Operation = async (request) =>
  xmlReply(renderRequestPayment(bucketOf(request).config.requestPayer ?? 'BucketOwner'))

/** PutBucketRequestPayment: with Requester, other accounts have to say that they pay (x-amz-request-payer), and nobody unknown comes in. */
export const putBucketRequestPayment: Operation = async (request, context) => {
  const payer = parseRequestPayment(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config: { requestPayer: _, ...config } }) => ({
    versioning,
    config: { ...config, ...(payer === 'Requester' && { requestPayer: payer }) },
  }))
  return emptyReply(200)
}
