import { discardGarbage } from '../object/discard-garbage.ts'
import { findUpload } from '../object/upload.ts'
import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** AbortMultipartUpload: the upload and its parts are gone at once; their blobs right after. */
export const abortMultipartUpload: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, query } = request.parsed
  const upload = await findUpload(context, bucket, key, query.get('uploadId'))
  const { garbage } = await context.metadata.abortUpload(bucket.record.id, key, upload.record.uploadId)
  discardGarbage(context, garbage)
  return emptyReply(204)
}
