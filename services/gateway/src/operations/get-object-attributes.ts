import { openManifest } from '@coffer/object-body'
import { etagOf } from '@coffer/object-record'
import { httpDate, parseObjectAttributesRequest, parseSseRequest, renderObjectAttributes } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { type FoundObject, findObject } from '../object/find-object.ts'
import { openKeyOf } from '../object/read-object.ts'
import { xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader } from './response-headers.ts'

/** GetObjectAttributes. */
export const getObjectAttributes: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query, headers, secure } = request.parsed
  const wanted = parseObjectAttributesRequest(headers)
  const sse = parseSseRequest(headers, secure, 'read')
  const object = await findObject(context, bucket, key, query.get('versionId'), { withBody: true })
  if (sse.kind === 'SSE-C' || object.attributes.sse === 'SSE-C') await openKeyOf(context, bucket, object, sse)
  const { attributes, version } = object
  const result = renderObjectAttributes({
    ...(wanted.attributes.has('ETag') && { etag: etagOf(attributes).replaceAll('"', '') }),
    ...(wanted.attributes.has('Checksum') && attributes.checksum && { checksum: attributes.checksum }),
    ...(wanted.attributes.has('ObjectParts') && attributes.partCount && { parts: pageOf(bucket, object, wanted) }),
    ...(wanted.attributes.has('StorageClass') && { storageClass: attributes.storageClass ?? 'STANDARD' }),
    ...(wanted.attributes.has('ObjectSize') && { sizeBytes: version.sizeBytes }),
  })
  return xmlReply(result, {
    'last-modified': httpDate(version.lastModifiedAt),
    ...versionHeader(bucket, version),
  })
}

function pageOf(
  bucket: OpenBucket,
  { version, body, attributes }: FoundObject,
  wanted: { readonly maxParts: number; readonly partNumberMarker: number },
) {
  const manifest =
    body?.kind === 'blobs'
      ? openManifest(bucket.metadataKey, bucket.record.id, version.key, version.versionId, body.manifest)
      : []
  const after = manifest.filter(({ number }) => number > wanted.partNumberMarker)
  const page = after.slice(0, wanted.maxParts)
  return {
    totalPartsCount: manifest.length,
    partNumberMarker: wanted.partNumberMarker,
    nextPartNumberMarker: page.at(-1)?.number ?? 0,
    maxParts: wanted.maxParts,
    isTruncated: after.length > page.length,
    parts: page.map(({ number, sizeBytes, checksum }) => ({
      partNumber: number,
      sizeBytes,
      ...(checksum &&
        attributes.checksum && { checksum: { algorithm: attributes.checksum.algorithm, value: checksum } }),
    })),
  }
}
