import { sealManifest } from '@coffer/object-body'
import { etagOf, type ObjectAttributes, type StoredChecksum } from '@coffer/object-record'
import {
  isS3Error,
  parseChecksumHeader,
  parseCompleteMultipartUpload,
  parseSseRequest,
  renderCompleteMultipartUpload,
  type SseRequest,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { commitObject } from '../object/commit-object.ts'
import {
  type ChosenPart,
  chooseParts,
  multipartChecksum,
  multipartEtagHex,
  objectsChecksum,
  totalSizeOf,
} from '../object/complete-upload.ts'
import { originOf } from '../object/event-origin.ts'
import { findCurrentObject } from '../object/find-object.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { type FoundUpload, findUpload, openUploadKey } from '../object/upload.ts'
import { newVersionId } from '../object/version-id.ts'
import { uploadConditionOf } from '../object/write-condition.ts'
import { type Reply, xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { expirationHeaders } from './lifecycle-headers.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader, writtenVersionHeader } from './response-headers.ts'

/** Ten thousand parts, each with its number, ETag and checksum. */
const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024

/** CompleteMultipartUpload: the parts become a version and the upload ends, in one commit; no byte is moved. */
export const completeMultipartUpload: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers } = request.parsed
  const listed = parseCompleteMultipartUpload(await collectDocument(aboutDocument(request), DOCUMENT_BYTES_MAX))
  const uploadId = query.get('uploadId')
  const upload = await findUpload(context, bucket, key, uploadId).catch((error: unknown) => {
    if (isS3Error(error, 'NoSuchUpload')) return undefined
    throw error
  })
  if (upload === undefined) return replyAgain(request, context, bucket, uploadId)

  const sse = parseSseRequest(headers, request.parsed.secure, 'read')
  await assertKeyFits(context, bucket, upload, sse)
  assertDeclaredType(headers['x-amz-checksum-type'], upload)
  const parts = await chooseParts(context, bucket, upload, listed)
  const sizeBytes = totalSizeOf(parts)
  assertDeclaredSize(headers['x-amz-mp-object-size'], sizeBytes)
  const checksum = await multipartChecksum(upload, parts)
  assertDeclaredChecksum(headers, checksum)
  const attributes = attributesOf(upload, parts, checksum)
  const committed = await commitObject(context, bucket, {
    key,
    versionId: newVersionId(request.receivedAtMs),
    sizeBytes,
    attributes,
    objectKey: upload.objectKey,
    bodyOf: (versionId) => ({
      kind: 'blobs',
      blobs: parts.map(({ record }) => record.blob),
      manifest: sealManifest(
        bucket.metadataKey,
        bucket.record.id,
        key,
        versionId,
        parts.map((part) => manifestPartOf(upload, part)),
      ),
    }),
    condition: uploadConditionOf(headers, upload.record.initiatedAt),
    eventName: 's3:ObjectCreated:CompleteMultipartUpload',
    origin: originOf(request),
    replicaOf: upload.attributes.replicaOf ?? (upload.attributes.isReplica && 'unknown'),
    completesUpload: {
      uploadId: upload.record.uploadId,
      parts: parts.map(({ record }) => ({ partNumber: record.partNumber, blobId: record.blob.blobId })),
    },
  })
  return reply(request, attributes, {
    ...sseHeaders(attributes, sse),
    ...writtenVersionHeader(committed.bucket, committed),
    ...expirationHeaders(committed.bucket, { key, sizeBytes, ...committed }, attributes),
  })
}

/**
 * S3 API, CompleteMultipartUpload: the customer's key is needed where the upload has checksums; a key that is given has to be the
 * upload's. InvalidRequest.
 */
async function assertKeyFits(
  context: GatewayContext,
  bucket: OpenBucket,
  upload: FoundUpload,
  sse: SseRequest,
): Promise<void> {
  const { attributes } = upload
  const isNeeded = attributes.sse === 'SSE-C' && attributes.checksum !== undefined
  if (sse.kind !== 'SSE-C' && !isNeeded) return
  const objectKey = await openUploadKey(context, bucket, upload, sse)
  objectKey.wipe()
}

/** The x-amz-checksum- headers of this operation are of the object (S3 API, CompleteMultipartUpload), not of the list of parts. */
function aboutDocument(request: AuthorizedRequest): AuthorizedRequest {
  const headers = Object.entries(request.parsed.headers).filter(([name]) => !name.startsWith('x-amz-checksum-'))
  return { ...request, parsed: { ...request.parsed, headers: Object.fromEntries(headers) } }
}

function attributesOf(
  upload: FoundUpload,
  parts: readonly ChosenPart[],
  checksum: StoredChecksum | undefined,
): ObjectAttributes {
  const { sse, kms, algorithm, headers, lock, acl, storageClass } = upload.attributes
  return {
    etagHex: multipartEtagHex(upload, parts),
    partCount: parts.length,
    sse,
    ...(kms && { kms }),
    algorithm,
    keyContextId: upload.record.uploadId,
    headers,
    ...(checksum && { checksum }),
    ...(lock && { lock }),
    ...(acl && { acl }),
    ...(storageClass && { storageClass }),
  }
}

function manifestPartOf(upload: FoundUpload, { record, attributes }: ChosenPart) {
  const checksum = objectsChecksum(upload, attributes)
  return {
    number: record.partNumber,
    sizeBytes: record.sizeBytes,
    salt: attributes.salt,
    ...(checksum && { checksum }),
  }
}

/** A client whose answer was lost asks again: while the object that it made is current, it gets the same answer. */
async function replyAgain(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  uploadId: string | undefined,
): Promise<Reply> {
  const current = await findCurrentObject(context, bucket, request.parsed.key)
  if (
    current === undefined ||
    current.attributes.partCount === undefined ||
    current.attributes.keyContextId !== uploadId
  ) {
    throw s3Error('NoSuchUpload', { details: { UploadId: uploadId ?? '' } })
  }
  return reply(request, current.attributes, {
    ...sseHeaders(current.attributes, { kind: 'default' }),
    ...versionHeader(bucket, current.version),
  })
}

function reply(request: AuthorizedRequest, attributes: ObjectAttributes, headers: Reply['headers']): Reply {
  const { bucket, key, secure } = request.parsed
  const location = `${secure ? 'https' : 'http'}://${request.parsed.headers.host ?? ''}/${bucket}/${encodeURI(key)}`
  const result = renderCompleteMultipartUpload({
    location,
    bucket,
    key,
    etag: etagOf(attributes),
    ...(attributes.checksum && { checksum: attributes.checksum }),
  })
  return xmlReply(result, headers)
}

function assertDeclaredSize(declared: string | undefined, sizeBytes: number): void {
  if (declared !== undefined && declared !== String(sizeBytes)) {
    throw s3Error('InvalidRequest', {
      message: 'The provided x-amz-mp-object-size header does not match the size of the uploaded parts.',
    })
  }
}

/** Recorded of AWS by LocalStack (test_complete_multipart_parts_checksum_full_object, ..._default): it says how the parts' checksums are to be put together. */
function assertDeclaredType(declared: string | undefined, { attributes }: FoundUpload): void {
  if (declared === undefined || declared.toUpperCase() === attributes.checksum?.type) return
  throw s3Error('InvalidRequest', {
    message: `The upload was created using the ${attributes.checksum?.type ?? 'null'} checksum mode. The complete request must use the same checksum mode.`,
  })
}

function assertDeclaredChecksum(
  headers: Readonly<Record<string, string | undefined>>,
  checksum: StoredChecksum | undefined,
): void {
  const declared = parseChecksumHeader(headers)
  if (declared === undefined || checksum === undefined) return
  const bare = (value: string) => value.split('-', 1)[0]
  const fits = declared.algorithm === checksum.algorithm && bare(declared.value) === bare(checksum.value)
  if (!fits) throw s3Error('BadDigest')
}
