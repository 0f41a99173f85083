import {
  masterKeyNameOf,
  parseServerSideEncryptionConfiguration,
  renderServerSideEncryptionConfiguration,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { DEFAULT_ENCRYPTION, newBucketEncryption } from '../bucket/bucket-config.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetBucketEncryption: every bucket is encrypted; without a setting of its own the default is shown. */
export const getBucketEncryption: Operation = async (request) =>
  xmlReply(renderServerSideEncryptionConfiguration(bucketOf(request).config.encryption ?? DEFAULT_ENCRYPTION))

/** PutBucketEncryption. KMS.NotFoundException for a key that is not there: found out now, not at the first write. */
export const putBucketEncryption: Operation = async (request, context) => {
  const encryption = parseServerSideEncryptionConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  if (encryption.kmsKeyId !== undefined) {
    await context.options.mesh.use('kms').describeKey(masterKeyNameOf(encryption.kmsKeyId))
  }
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => {
    const blocked = encryption.blocked ?? config.encryption?.blocked
    return { versioning, config: { ...config, encryption: { ...encryption, ...(blocked && { blocked }) } } }
  })
  return emptyReply(200)
}

/** DeleteBucketEncryption: back to what a new bucket has, which is SSE-S3: a bucket is never without encryption. */
export const deleteBucketEncryption: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => {
    const { encryption: _, ...rest } = config
    return {
      versioning,
      config: { ...rest, ...newBucketEncryption(context.options.blockedEncryptionTypes) },
    }
  })
  return emptyReply(204)
}
