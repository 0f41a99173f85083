import { parseObjectLockConfiguration, renderObjectLockConfiguration, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetObjectLockConfiguration. ObjectLockConfigurationNotFoundError. */
export const getObjectLockConfiguration: Operation = async (request) => {
  const { objectLock } = bucketOf(request).config
  if (objectLock === undefined) {
    throw s3Error('ObjectLockConfigurationNotFoundError', { details: { BucketName: request.parsed.bucket } })
  }
  return xmlReply(renderObjectLockConfiguration(objectLock))
}

/** PutObjectLockConfiguration: switches Object Lock on, for good, and sets or removes the default retention. InvalidBucketState. */
export const putObjectLockConfiguration: Operation = async (request, context) => {
  const objectLock = parseObjectLockConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => {
    if (versioning !== 'enabled') {
      throw s3Error('InvalidBucketState', {
        message: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
      })
    }
    return { versioning, config: { ...config, objectLock } }
  })
  return emptyReply(200)
}
