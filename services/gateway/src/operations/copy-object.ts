import {
  type ObjectHeaders,
  parseChecksumAlgorithm,
  parseObjectHeaders,
  parseSseRequest,
  renderCopyObjectResult,
  type SseRequest,
  s3Error,
} from '@coffer/s3-protocol'
import { CopyPayload } from '../body/copy-payload.ts'
import { storeBody } from '../body/store-body.ts'
import { commitObject } from '../object/commit-object.ts'
import { type CopySource, findCopySource } from '../object/copy-source.ts'
import { discardUncommitted } from '../object/discard-garbage.ts'
import { etagOf } from '../object/object-attributes.ts'
import { newObjectBody } from '../object/object-body.ts'
import { externalVersionId, newVersionId } from '../object/version-id.ts'
import { writeConditionOf } from '../object/write-condition.ts'
import { xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { openKeyOf, readRange } from './get-object.ts'
import { bucketOf, type Operation } from './operation.ts'
import { sseHeaders, versionHeader } from './response-headers.ts'

/** S3 API, CopyObject: larger objects are copied by UploadPartCopy. */
const COPY_BYTES_MAX = 5 * 1024 ** 3

/** CopyObject: opened with the source's key and sealed anew under a key of its own; no ciphertext is ever shared. */
export const copyObject: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, headers, secure } = request.parsed
  const sse = parseSseRequest(headers, secure, 'write')
  const source = await findCopySource(request, context)
  const sizeBytes = source.object.version.sizeBytes
  if (sizeBytes > COPY_BYTES_MAX) {
    throw s3Error('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${COPY_BYTES_MAX}`,
    })
  }
  const copiedHeaders = headersOf(request, source, sse)
  const checksumAlgorithm = parseChecksumAlgorithm(headers) ?? source.object.attributes.checksum?.algorithm

  const sourceKey = await openKeyOf(context, source.bucket, source.object, source.sse)
  const versionId = newVersionId(request.receivedAtMs)
  const algorithm = context.options.dataAlgorithm
  const issued = await context.objectKeys.issue(sse, { bucketId: bucket.record.id, key, versionId, algorithm })
  const range = { offsetBytes: 0, lengthBytes: sizeBytes }
  const plain = await readRange(context, source.bucket, source.object, sourceKey, { range })
  const payload = new CopyPayload(plain, { sizeBytes, md5: sse.kind !== 'SSE-C', checksumAlgorithm })
  const stored = await storeBody(payload, { objectKey: issued.objectKey, algorithm, partNumber: 0 }, context, {
    inlineSizeBytesMax: context.options.inlineSizeBytesMax,
  })
  const { attributes, bodyOf, blobIds } = newObjectBody(bucket, key, stored, {
    sse: issued.sse,
    algorithm,
    keyContextId: versionId,
    headers: copiedHeaders,
  })
  try {
    const committed = await commitObject(context, bucket, {
      key,
      versionId,
      sizeBytes,
      attributes,
      objectKey: issued.stored,
      bodyOf,
      condition: writeConditionOf(headers),
    })
    const result = renderCopyObjectResult({
      etag: etagOf(attributes),
      lastModifiedAt: committed.lastModifiedAt,
      ...(attributes.checksum && { checksum: attributes.checksum }),
    })
    return xmlReply(result, {
      ...sseHeaders(attributes, sse),
      ...versionHeader(committed.bucket, committed),
      ...sourceVersionHeader(source),
    })
  } catch (error) {
    discardUncommitted(context, blobIds, error)
    throw error
  }
}

export function sourceVersionHeader({ bucket, object }: CopySource): Record<string, string> {
  return bucket.record.versioning === 'unversioned'
    ? {}
    : { 'x-amz-copy-source-version-id': externalVersionId(object.version) }
}

/** x-amz-metadata-directive: COPY keeps the source's headers and metadata, REPLACE takes the request's. */
function headersOf(request: AuthorizedRequest, source: CopySource, sse: SseRequest): ObjectHeaders {
  const { headers, bucket, key } = request.parsed
  const directive = headers['x-amz-metadata-directive'] ?? 'COPY'
  if (directive === 'REPLACE') return parseObjectHeaders(headers)
  if (directive !== 'COPY') {
    throw s3Error('InvalidArgument', {
      message: 'Unknown metadata directive.',
      details: { ArgumentName: 'x-amz-metadata-directive', ArgumentValue: directive },
    })
  }
  const ontoItself = source.bucket.record.name === bucket && source.object.version.key === key
  const changesEncryption = sse.kind !== 'default' || source.sse.kind === 'SSE-C'
  if (ontoItself && !changesEncryption && !source.versionNamed) {
    throw s3Error('InvalidRequest', {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    })
  }
  return source.object.attributes.headers
}
