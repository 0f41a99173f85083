import { parseCopySourceRange, parseSseRequest, renderCopyPartResult, s3Error } from '@coffer/s3-protocol'
import { CopyPayload } from '../body/copy-payload.ts'
import { findCopySource } from '../object/copy-source.ts'
import { findUpload } from '../object/upload.ts'
import { xmlReply } from '../reply.ts'
import { sourceVersionHeader } from './copy-object.ts'
import { openKeyOf, readRange } from './get-object.ts'
import { bucketOf, type Operation } from './operation.ts'
import { sseHeaders } from './response-headers.ts'
import { partNumberOf, storePart } from './upload-part.ts'

const PART_BYTES_MAX = 5 * 1024 ** 3

/** UploadPartCopy: a part that is (a range of) another object. */
export const uploadPartCopy: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers, secure } = request.parsed
  const sse = parseSseRequest(headers, secure, 'read')
  const partNumber = partNumberOf(request)
  const upload = await findUpload(context, bucket, key, query.get('uploadId'))
  const source = await findCopySource(request, context)
  const totalBytes = source.object.version.sizeBytes
  const range = parseCopySourceRange(headers['x-amz-copy-source-range'], totalBytes)
  if (range.lengthBytes > PART_BYTES_MAX) throw s3Error('EntityTooLarge')
  const sourceKey = await openKeyOf(context, source.bucket, source.object, source.sse)
  const plain = await readRange(context, source.bucket, source.object, sourceKey, { range })
  const payload = new CopyPayload(plain, {
    sizeBytes: range.lengthBytes,
    md5: upload.attributes.sse !== 'SSE-C',
    checksumAlgorithm: upload.attributes.checksum?.algorithm,
  })
  const { attributes, lastModifiedAt } = await storePart(context, bucket, upload, { partNumber, payload, sse })
  const { checksum, checksumAlgorithm } = attributes
  const result = renderCopyPartResult({
    etag: `"${attributes.etagHex}"`,
    lastModifiedAt,
    ...(checksum && checksumAlgorithm && { checksum: { algorithm: checksumAlgorithm, value: checksum } }),
  })
  return xmlReply(result, { ...sseHeaders(upload.attributes, sse), ...sourceVersionHeader(source) })
}
