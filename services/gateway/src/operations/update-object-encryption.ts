import { isCofferError } from '@coffer/errors'
import { replaceObjectKey, sealContextOf } from '@coffer/object-record'
import { masterKeyNameOf, type ObjectEncryption, parseObjectEncryption, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { assertKeyOfRegion, requestedKeyId } from '../keys/named-in-s3.ts'
import { type FoundObject, findObject } from '../object/find-object.ts'
import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader } from './response-headers.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024
/** Of replacements by others of the same object at the same time. */
const ATTEMPTS_MAX = 8

/**
 * UpdateObjectEncryption: the object key is sealed under another master key, or through a bucket key, in place. No data moves;
 * version id, order, dates, ETag, checksums and metadata stay.
 */
export const updateObjectEncryption: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const asked = parseObjectEncryption(await collectDocument(request, DOCUMENT_BYTES_MAX))
  const accountId = request.principal === 'anonymous' ? bucket.record.ownerAccountId : request.principal.accountId
  assertKeyOfRegion(asked.kmsKeyId, context.keyGuards)
  const wanted = { ...asked, kmsKeyId: await requestedKeyId(asked.kmsKeyId, accountId, context.keyGuards) }
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const object = await findObject(context, bucket, key, query.get('versionId'), { withBody: false })
    if (object.attributes.sse === 'SSE-C' || object.attributes.sse === 'DSSE-KMS') {
      throw s3Error('InvalidRequest', {
        message:
          "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported.",
      })
    }
    const before = { bucket, key, kms: object.attributes.kms }
    await assertMayUseKey(request, context, 'kms:Decrypt', before)
    const after = { keyId: wanted.kmsKeyId, bucketKeyEnabled: wanted.bucketKeyEnabled }
    await assertMayUseKey(request, context, 'kms:GenerateDataKey', { ...before, kms: { ...before.kms, ...after } })
    if (await reseal(context, bucket, object, wanted)) return emptyReply(200, versionHeader(bucket, object.version))
  }
  throw s3Error('OperationAborted')
}

/** False: the object's record was replaced meanwhile. */
async function reseal(
  context: GatewayContext,
  { record, metadataKey }: OpenBucket,
  { version, attributes, objectKey }: FoundObject,
  { kmsKeyId, bucketKeyEnabled }: ObjectEncryption,
): Promise<boolean> {
  const { key, versionId } = version
  const sealContext = sealContextOf(record.id, key, attributes)
  const stored = await context.options.mesh.use('crypto').resealObjectKey(objectKey, sealContext, sealContext, {
    keyName: masterKeyNameOf(kmsKeyId),
    bucketKeyEnabled,
  })
  const kms = { ...attributes.kms, keyId: kmsKeyId, bucketKeyEnabled }
  const changed = { ...attributes, sse: 'SSE-KMS', kms } as const
  const replacement = {
    bucketId: record.id,
    key,
    versionId,
    expectedSealed: version.sealed,
    keyRef: stored.keyRef,
    sealed: replaceObjectKey(metadataKey, record.id, version, changed, stored),
  }
  try {
    await context.metadata.replaceObjectKey(replacement)
    return true
  } catch (error) {
    if (!isCofferError(error, 'META_VERSION_CHANGED')) throw error
    return false
  }
}
