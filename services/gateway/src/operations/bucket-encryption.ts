import {
  parseServerSideEncryptionConfiguration,
  renderServerSideEncryptionConfiguration,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { DEFAULT_ENCRYPTION, newBucketEncryption } from '../bucket/bucket-config.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertKeyOfRegion, findNamedKey } from '../keys/named-in-s3.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetBucketEncryption: every bucket is encrypted; without a setting of its own the default is shown. */
export const getBucketEncryption: Operation = async (request) =>
  xmlReply(renderServerSideEncryptionConfiguration(bucketOf(request).config.encryption ?? DEFAULT_ENCRYPTION))

/**
 * PutBucketEncryption. KMS.NotFoundException for a key of the bucket's owner that is not there: found out now, not at the first write. Whether one of
 * another account is there, only a write tells, to who may use it.
 */
export const putBucketEncryption: Operation = async (request, context) => {
  const encryption = parseServerSideEncryptionConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  if (encryption.kmsKeyId !== undefined) await assertOwnKeyIsThere(encryption.kmsKeyId, request, context)
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

async function assertOwnKeyIsThere(keyId: string, request: AuthorizedRequest, context: GatewayContext): Promise<void> {
  const { ownerAccountId } = bucketOf(request).record
  assertKeyOfRegion(keyId, context.keyGuards)
  const { guard, isThere } = await findNamedKey(keyId, ownerAccountId, context.keyGuards)
  if (isThere) await context.options.mesh.use('kms').describeKey(guard.name)
  else if (guard.ownerAccountId === ownerAccountId) {
    throw s3Error('KMS.NotFoundException', { message: `'${guard.arn}' does not exist` })
  }
}
