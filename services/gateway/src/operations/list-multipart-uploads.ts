import { renderListMultipartUploads } from '@coffer/s3-protocol'
import { hasAcls } from '../bucket/bucket-acl.ts'
import { accountAsOwner, ownerOf } from '../bucket/bucket-owner.ts'
import { xmlReply } from '../reply.ts'
import { encodingTypeOf, pageLimitOf } from './list-parameters.ts'
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
  const maxUploads = pageLimitOf(request.parsed, 'max-uploads')
  const encodingType = encodingTypeOf(request.parsed)
  const page = await context.metadata.listUploads({
    bucketId: bucket.record.id,
    prefix,
    delimiter,
    afterKey: keyMarker,
    afterUploadId: uploadIdMarker,
    limit: maxUploads,
  })
  const owner = await ownerOf(request, context, bucket)
  const result = renderListMultipartUploads({
    bucket: bucket.record.name,
    prefix,
    delimiter,
    keyMarker,
    uploadIdMarker,
    nextKeyMarker: page.next?.afterKey,
    nextUploadIdMarker: page.next?.afterUploadId,
    maxUploads,
    encodingType,
    isTruncated: page.next !== undefined,
    uploads: await Promise.all(
      page.uploads.map(async ({ key, uploadId, initiatedAt, ownerAccountId }) => {
        const initiator = await accountAsOwner(request, context, ownerAccountId)
        return { key, uploadId, initiatedAt, owner: hasAcls(bucket) ? initiator : owner, initiator }
      }),
    ),
    commonPrefixes: page.commonPrefixes,
  })
  return xmlReply(result)
}
