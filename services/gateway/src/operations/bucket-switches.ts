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

/* Features of AWS that a bucket turns on or off, and that are always off here: to say so is taken, to turn them on is refused. */

const DOCUMENT_BYTES_MAX = 4 * 1024

/** GetBucketAccelerateConfiguration. */
export const getBucketAccelerate: Operation = async (request) =>
  xmlReply(renderAccelerateStatus(bucketOf(request).config.accelerate))

/** PutBucketAccelerateConfiguration. NotImplemented for Enabled. */
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
export const getBucketAbac: Operation = async () => xmlReply(renderAbacStatus('Disabled'))

/** PutBucketAbac. NotImplemented for Enabled: policies do not see a bucket's tags. */
export const putBucketAbac: Operation = async (request) => {
  if (parseAbacStatus(await collectDocument(request, DOCUMENT_BYTES_MAX)) === 'Enabled') {
    throw s3Error('NotImplemented', {
      message: 'Attribute-based access control by the tags of buckets is not implemented: policies do not see them.',
    })
  }
  return emptyReply(200)
}
