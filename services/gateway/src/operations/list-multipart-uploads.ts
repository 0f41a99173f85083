import type { UploadRecord } from '@coffer/metadata-store'
import { openUploadRecord } from '@coffer/object-record'
import { type ChecksumAlgorithm, type ChecksumType, renderListMultipartUploads } from '@coffer/s3-protocol'
import { hasAcls } from '../bucket/bucket-acl.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { accountAsOwner, ownerOf } from '../bucket/bucket-owner.ts'
import type { Classed } from '../object/storage-class.ts'
import { xmlReply } from '../reply.ts'
import { encodingTypeOf, pageLimitOf, passedMarker } from './list-parameters.ts'
import { bucketOf, type Operation } from './operation.ts'

/** ListMultipartUploads. */
export const listMultipartUploads: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { query } = request.parsed
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const keyMarker = query.get('key-marker') ?? ''
  // S3 API: without a key-marker the upload-id-marker is ignored.
  const uploadIdMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '')
  const afterKey = passedMarker(keyMarker, prefix, delimiter)
  const maxUploads = pageLimitOf(request.parsed, 'max-uploads')
  const encodingType = encodingTypeOf(request.parsed)
  const page = await context.metadata.listUploads({
    bucketId: bucket.record.id,
    prefix,
    delimiter,
    afterKey,
    afterUploadId: afterKey === keyMarker ? uploadIdMarker : '',
    limit: maxUploads,
  })
  const last = page.uploads.at(-1)
  const owner = await ownerOf(request, context, bucket)
  const result = renderListMultipartUploads({
    bucket: bucket.record.name,
    prefix,
    delimiter,
    keyMarker,
    uploadIdMarker,
    // AWS names the last upload of every page, and says so where there is none.
    nextKeyMarker: page.next?.afterKey ?? last?.key ?? '',
    nextUploadIdMarker: page.next?.afterUploadId ?? last?.uploadId ?? '',
    maxUploads,
    encodingType,
    isTruncated: page.next !== undefined,
    uploads: await Promise.all(
      page.uploads.map(async (upload) => {
        const { key, uploadId, initiatedAt, ownerAccountId } = upload
        const initiator = await accountAsOwner(request, context, ownerAccountId)
        const by = { owner: hasAcls(bucket) ? initiator : owner, initiator }
        return { key, uploadId, initiatedAt, ...by, ...saidOf(bucket, upload) }
      }),
    ),
    commonPrefixes: page.commonPrefixes,
  })
  return xmlReply(result)
}

type Said = Classed & { readonly checksumAlgorithm?: ChecksumAlgorithm; readonly checksumType?: ChecksumType }

/** One damaged record never fails a page. */
function saidOf({ metadataKey, record }: OpenBucket, upload: UploadRecord): Said {
  try {
    const { storageClass, checksum } = openUploadRecord(metadataKey, record.id, upload).attributes
    return {
      ...(storageClass && { storageClass }),
      ...(checksum && { checksumAlgorithm: checksum.algorithm, checksumType: checksum.type }),
    }
  } catch {
    return {}
  }
}
