import { isCofferError } from '@coffer/errors'
import { sealUploadRecord } from '@coffer/object-record'
import { parseObjectHeaders, parseUploadChecksum, renderInitiateMultipartUpload } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { findSameBucket } from '../object/commit-object.ts'
import { requestedAcl } from '../object/object-acl.ts'
import { requestedLock } from '../object/object-lock.ts'
import { replicaSourceOf } from '../object/replica-request.ts'
import { dataAlgorithmOf, kmsOf, sealingFor } from '../object/sealing.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { requestedClass } from '../object/storage-class.ts'
import { newVersionId } from '../object/version-id.ts'
import { xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { assertAlsoAllowed } from '../steps/permission.ts'
import { abortHeaders } from './lifecycle-headers.ts'
import { bucketOf, type Operation } from './operation.ts'

/** CreateMultipartUpload. The object key is made here, once; its parts derive theirs from it. */
export const createMultipartUpload: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, headers } = request.parsed
  const sealing = await sealingFor(request, bucket, context.keyGuards)
  const objectHeaders = parseObjectHeaders(headers)
  const classed = await requestedClass(headers, context)
  if (objectHeaders.tags !== undefined) assertAlsoAllowed(request, 's3:PutObjectTagging')
  const lock = requestedLock(request, bucket)
  const acl = await requestedAcl(request, context, bucket)
  const replicaOf = replicaSourceOf(request)
  const checksum = parseUploadChecksum(headers)
  const uploadId = newVersionId(request.receivedAtMs)
  const algorithm = dataAlgorithmOf(sealing, context)
  await assertMayUseKey(request, context, 'kms:GenerateDataKey', { bucket, key, kms: kmsOf(sealing) })
  const issued = await context.objectKeys.issue(sealing, {
    bucketId: bucket.record.id,
    key,
    versionId: uploadId,
    algorithm,
  })
  request.trail.usedKey(issued.stored)
  issued.objectKey.wipe()
  const fields = {
    key,
    uploadId,
    initiatedAt: request.receivedAtMs,
    ownerAccountId: initiatorOf(request, bucket),
    keyRef: issued.stored.keyRef,
  }
  const attributes = {
    ...issued.held,
    algorithm,
    headers: objectHeaders,
    ...classed,
    ...(lock && { lock }),
    ...(acl && { acl }),
    ...(replicaOf && { replicaOf }),
    ...(checksum && { checksum }),
  }
  const sealed = sealUploadRecord(bucket.metadataKey, bucket.record.id, fields, attributes, issued.stored)
  const upload = { ...fields, sealed }
  const { id, revision } = bucket.record
  await context.metadata.createUpload(id, revision, upload).catch(async (error: unknown) => {
    if (!isCofferError(error, 'META_BUCKET_CHANGED')) throw error
    const now = await findSameBucket(context, bucket)
    await context.metadata.createUpload(id, now.record.revision, upload)
  })
  return xmlReply(renderInitiateMultipartUpload({ bucket: bucket.record.name, key, uploadId }), {
    ...sseHeaders(issued.held, sealing),
    ...abortHeaders(bucket, upload),
    ...(checksum && {
      'x-amz-checksum-algorithm': checksum.algorithm,
      'x-amz-checksum-type': checksum.type,
    }),
  })
}

/** An upload that nobody is known to have begun is the bucket owner's. */
function initiatorOf({ principal }: AuthorizedRequest, bucket: OpenBucket): string {
  return principal === 'anonymous' ? bucket.record.ownerAccountId : principal.accountId
}
