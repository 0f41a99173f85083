import { parseCorsConfiguration, renderCorsConfiguration, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** S3 User Guide, "CORS configuration". */
const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetBucketCors. NoSuchCORSConfiguration. */
export const getBucketCors: Operation = async (request) => {
  const { cors } = bucketOf(request).config
  if (cors === undefined) throw s3Error('NoSuchCORSConfiguration')
  return xmlReply(renderCorsConfiguration(cors))
}

/** PutBucketCors: replaces all rules. */
export const putBucketCors: Operation = async (request, context) => {
  const cors = parseCorsConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, cors },
  }))
  return emptyReply(200)
}

/** DeleteBucketCors. */
export const deleteBucketCors: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config: { cors: _, ...config } }) => ({
    versioning,
    config,
  }))
  return emptyReply(204)
}
