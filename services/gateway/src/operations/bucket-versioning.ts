import { parseVersioningConfiguration, renderVersioningConfiguration, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetBucketVersioning: no status while versioning was never enabled. */
export const getBucketVersioning: Operation = async (request) => {
  const { versioning } = bucketOf(request).record
  return xmlReply(renderVersioningConfiguration({ status: versioning === 'unversioned' ? undefined : versioning }))
}

/** PutBucketVersioning: Enabled or Suspended; never back to unversioned. InvalidBucketState: not with Object Lock or replication. */
export const putBucketVersioning: Operation = async (request, context) => {
  const { status } = parseVersioningConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await updateBucket(context, bucketOf(request), ({ config }) => {
    if (config.objectLock !== undefined && status !== 'enabled') {
      throw s3Error('InvalidBucketState', {
        message: 'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
      })
    }
    if (config.replication !== undefined && status !== 'enabled') {
      throw s3Error('InvalidBucketState', {
        message: 'A replication configuration is present on this bucket, so the versioning state cannot be changed.',
      })
    }
    return { versioning: status, config }
  })
  return emptyReply(200)
}
