import { parseTaggingDocument, renderTagging, s3Error, type Tags } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import type { BucketConfig } from '../bucket/bucket-config.ts'
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

/** PutBucketTagging: replaces all tags; an empty set removes them. InvalidRequest where they decide on access. */
export const putBucketTagging: Operation = async (request, context) => {
  const tags = parseTaggingDocument(await collectDocument(request, DOCUMENT_BYTES_MAX), 'bucket')
  await changeBucketTags(context, bucketOf(request), (_, config) => allOf(config, tags))
  return emptyReply(204)
}

/** DeleteBucketTagging. Likewise. */
export const deleteBucketTagging: Operation = async (request, context) => {
  await changeBucketTags(context, bucketOf(request), (_, config) => allOf(config, {}))
  return emptyReply(204)
}

/** S3 API, PutBucketTagging: no more of a bucket with attribute-based access control. What AWS answers is not documented. */
function allOf({ abac }: BucketConfig, tags: Tags): Tags {
  if (abac !== 'Enabled') return tags
  throw s3Error('InvalidRequest', {
    message: 'The bucket has attribute-based access control: use TagResource and UntagResource to change its tags.',
  })
}
