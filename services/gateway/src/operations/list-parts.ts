import { renderListParts, s3Error } from '@coffer/s3-protocol'
import { ownerOf } from '../bucket/bucket-owner.ts'
import { effectiveAcl } from '../object/object-acl.ts'
import { findUpload, openPart } from '../object/upload.ts'
import { xmlReply } from '../reply.ts'
import { abortHeaders } from './lifecycle-headers.ts'
import { pageLimitOf } from './list-parameters.ts'
import { bucketOf, type Operation } from './operation.ts'

/** ListParts. */
export const listParts: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const upload = await findUpload(context, bucket, key, query.get('uploadId'))
  const maxParts = pageLimitOf(request.parsed, 'max-parts')
  const partNumberMarker = markerOf(query.get('part-number-marker'))
  const page = await context.metadata.listParts({
    bucketId: bucket.record.id,
    key,
    uploadId: upload.record.uploadId,
    afterPartNumber: partNumberMarker,
    limit: maxParts,
  })
  // As AWS: where the upload was begun without an algorithm, its parts are shown without checksums.
  const algorithm = upload.attributes.checksum?.algorithm
  const { owner } = effectiveAcl(bucket, upload.attributes.acl, await ownerOf(request, context, bucket))
  const result = renderListParts({
    bucket: bucket.record.name,
    key,
    uploadId: upload.record.uploadId,
    owner,
    storageClass: upload.attributes.storageClass ?? 'STANDARD',
    partNumberMarker,
    nextPartNumberMarker: page.parts.at(-1)?.partNumber ?? 0,
    maxParts,
    isTruncated: page.more,
    checksumAlgorithm: algorithm,
    checksumType: upload.attributes.checksum?.type,
    parts: page.parts.map((part) => {
      const { etagHex, checksum: value } = openPart(bucket, upload.record, part)
      return {
        partNumber: part.partNumber,
        lastModifiedAt: part.lastModifiedAt,
        etag: `"${etagHex}"`,
        sizeBytes: part.sizeBytes,
        ...(value && algorithm && { checksum: { algorithm, value } }),
      }
    }),
  })
  return xmlReply(result, abortHeaders(bucket, upload.record))
}

function markerOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw s3Error('InvalidArgument', {
    message: 'Provided part-number-marker not an integer or within integer range',
    details: { ArgumentName: 'part-number-marker', ArgumentValue: text },
  })
}
