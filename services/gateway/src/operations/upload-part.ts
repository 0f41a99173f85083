import { DEFAULT_CHECKSUM_ALGORITHM, parseSseRequest, type SseRequest, s3Error } from '@coffer/s3-protocol'
import type { Payload } from '../body/payload.ts'
import { storeBody } from '../body/store-body.ts'
import { uploadPayload } from '../body/upload-payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { discardGarbage, discardUncommitted } from '../object/discard-garbage.ts'
import { etagHexOf } from '../object/object-body.ts'
import { assertRoomForPart } from '../object/quota-room.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { type FoundUpload, findUpload, openUploadKey, type PartAttributes, sealPart } from '../object/upload.ts'
import { emptyReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { bucketOf, type Operation } from './operation.ts'
import { etagHeader } from './response-headers.ts'

/** S3 User Guide, "Multipart upload limits". */
const PART_NUMBER_MAX = 10_000

/** UploadPart. An attempt never shares a nonce with another: each has its own salt, and so its own key. */
export const uploadPart: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers, secure } = request.parsed
  const sse = parseSseRequest(headers, secure, 'read')
  const partNumber = partNumberOf(request)
  const upload = await findUpload(context, bucket, key, query.get('uploadId'))
  await assertMayUseKey(request, context, 'kms:Decrypt', { bucket, key, kms: upload.attributes.kms })
  const payload = uploadPayload(request, {
    md5: upload.attributes.sse === 'SSE-S3',
    checksumAlgorithm: upload.attributes.checksum?.algorithm,
    checksumFallback: DEFAULT_CHECKSUM_ALGORITHM,
    // S3 User Guide, "Checking object integrity": what the object gets where its upload was begun without an algorithm.
    ...(!upload.attributes.checksum && { checksumBesides: DEFAULT_CHECKSUM_ALGORITHM }),
  })
  request.trail.usedKey(upload.objectKey)
  const stored = await storePart(context, bucket, upload, { partNumber, payload, sse })
  const checksum = stored.attributes.checksum
  const algorithm = stored.attributes.checksumAlgorithm
  return emptyReply(200, {
    ...etagHeader(stored.attributes),
    ...sseHeaders(upload.attributes, sse),
    ...(checksum && algorithm && { [`x-amz-checksum-${algorithm.toLowerCase()}`]: checksum }),
  })
}

export function partNumberOf(request: AuthorizedRequest): number {
  const text = request.parsed.query.get('partNumber') ?? ''
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number < 1 || number > PART_NUMBER_MAX) {
    throw s3Error('InvalidArgument', {
      message: `Part number must be an integer between 1 and ${PART_NUMBER_MAX}, inclusive`,
      details: { ArgumentName: 'partNumber', ArgumentValue: text },
    })
  }
  return number
}

/** Seals and stores one attempt of a part and makes it the upload's part of that number. */
export async function storePart(
  context: GatewayContext,
  bucket: OpenBucket,
  upload: FoundUpload,
  part: { readonly partNumber: number; readonly payload: Payload; readonly sse: SseRequest },
): Promise<{ attributes: PartAttributes; lastModifiedAt: number }> {
  const { partNumber, payload } = part
  await assertRoomForPart(context, bucket, upload, part)
  const objectKey = await openUploadKey(context, bucket, upload, part.sse)
  const stream = { objectKey, algorithm: upload.attributes.algorithm, partNumber }
  // Parts are blobs whatever their size: an object's parts are read one way.
  const stored = await storeBody(payload, stream, context, { ...upload.attributes, inlineSizeBytesMax: -1 })
  objectKey.wipe()
  if (stored.kind !== 'blob') throw s3Error('InternalError')
  const { md5, checksum, besides } = stored.verified
  const attributes: PartAttributes = {
    etagHex: etagHexOf(md5),
    salt: stored.salt,
    ...(checksum && { checksum: checksum.value, checksumAlgorithm: checksum.algorithm }),
    ...(besides && { defaultChecksum: besides }),
  }
  const { key, uploadId } = upload.record
  const lastModifiedAt = Date.now()
  const clear = { partNumber, lastModifiedAt, sizeBytes: stored.sizeBytes, blob: stored.blob }
  try {
    const record = sealPart(bucket, upload.record, clear, attributes)
    const { garbage } = await context.metadata.putPart(bucket.record.id, key, uploadId, record)
    discardGarbage(context, garbage)
  } catch (error) {
    discardUncommitted(context, [stored.blob.blobId], error)
    throw error
  }
  return { attributes, lastModifiedAt }
}
