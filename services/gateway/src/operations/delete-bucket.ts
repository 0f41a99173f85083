import { isCofferError } from '@coffer/errors'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { discardGarbage } from '../object/discard-garbage.ts'
import { emptyReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const PAGE_UPLOADS = 100

/**
 * DeleteBucket: only one without versions and delete markers. Uploads in progress do not keep a bucket (S3 API, DeleteBucket:
 * only objects do): they are aborted, once it holds nothing else.
 */
export const deleteBucket: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { name, id } = bucket.record
  for (;;) {
    try {
      await context.metadata.deleteBucket(name, id)
      break
    } catch (error) {
      const onlyUploads = isCofferError(error, 'META_BUCKET_NOT_EMPTY') && error.details.holds === 'uploads'
      if (!onlyUploads) throw error
      await abortUploads(context, bucket)
    }
  }
  context.buckets.expire(name)
  context.options.mesh
    .use('crypto')
    .removeBucketKeys(id)
    .catch((error: unknown) => context.options.logger.warn({ err: error }, 'bucket keys left to the housekeeping'))
  return emptyReply(204)
}

/** Aborts a page of the bucket's uploads. */
async function abortUploads(context: GatewayContext, { record }: OpenBucket): Promise<void> {
  const { uploads } = await context.metadata.listUploads({
    bucketId: record.id,
    prefix: '',
    delimiter: '',
    afterKey: '',
    afterUploadId: '',
    limit: PAGE_UPLOADS,
  })
  for (const { key, uploadId } of uploads) {
    try {
      const { garbage } = await context.metadata.abortUpload(record.id, key, uploadId)
      discardGarbage(context, garbage)
    } catch (error) {
      // Completed or aborted by its client just now.
      if (!isCofferError(error, 'META_UPLOAD_NOT_FOUND')) throw error
    }
  }
}
