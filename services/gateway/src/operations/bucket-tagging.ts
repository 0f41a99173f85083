import { parseTaggingDocument, renderTagging, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { changeBucketTags } from '../bucket/bucket-tags.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 256 * 1024

/** GetBucketTagging. NoSuchTagSet for a bucket without tags. */
export const getBucketTagging: Operation = async (request) => {
  const { tags } = bucketOf(request).config
  if (tags === undefined) throw s3Error('NoSuchTagSet', { details: { BucketName: request.parsed.bucket } })
  return xmlReply(renderTagging(tags))
}

/** PutBucketTagging: replaces all tags; an empty set removes them. */
export const putBucketTagging: Operation = async (request, context) => {
  const tags = parseTaggingDocument(await collectDocument(request, DOCUMENT_BYTES_MAX), 'bucket')
  await changeBucketTags(context, bucketOf(request), () => tags)
  return emptyReply(204)
}

/** DeleteBucketTagging. */
export const deleteBucketTagging: Operation = async (request, context) => {
  await changeBucketTags(context, bucketOf(request), () => ({}))
  return emptyReply(204)
}
