import { parseCopySourceRange, parseSseRequest, renderCopyPartResult, s3Error } from '@coffer/s3-protocol'
import { CopyPayload } from '../body/copy-payload.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { openCopySource } from '../object/copy-source.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { findUpload } from '../object/upload.ts'
import { xmlReply } from '../reply.ts'
import { sourceVersionHeader } from './copy-object.ts'
import { bucketOf, type Operation } from './operation.ts'
import { partNumberOf, storePart } from './upload-part.ts'

const PART_BYTES_MAX = 5 * 1024 ** 3

/** UploadPartCopy: a part that is (a range of) another object. */
export const uploadPartCopy: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers, secure } = request.parsed
  const sse = parseSseRequest(headers, secure, 'read')
  const partNumber = partNumberOf(request)
  const upload = await findUpload(context, bucket, key, query.get('uploadId'))
  await assertMayUseKey(request, context, 'kms:Decrypt', { bucket, key, kms: upload.attributes.kms })
  const { source, range, plain } = await openCopySource(request, context, ({ object }) => {
    const wanted = parseCopySourceRange(headers['x-amz-copy-source-range'], object.version.sizeBytes)
    if (wanted.lengthBytes > PART_BYTES_MAX) throw s3Error('EntityTooLarge')
    return wanted
  })
  const payload = new CopyPayload(plain, {
    sizeBytes: range.lengthBytes,
    md5: upload.attributes.sse === 'SSE-S3',
    checksumAlgorithm: upload.attributes.checksum?.algorithm,
  })
  request.trail.usedKey(upload.objectKey)
  const stored = storePart(context, bucket, upload, { partNumber, payload, sse })
  const { attributes, lastModifiedAt } = await stored.finally(() => plain.stream?.return())
  const { checksum, checksumAlgorithm } = attributes
  const result = renderCopyPartResult({
    etag: `"${attributes.etagHex}"`,
    lastModifiedAt,
    ...(checksum && checksumAlgorithm && { checksum: { algorithm: checksumAlgorithm, value: checksum } }),
  })
  return xmlReply(result, { ...sseHeaders(upload.attributes, sse), ...sourceVersionHeader(source) })
}
