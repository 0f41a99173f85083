import {
  assertTagCount,
  parseTagResource,
  queryValues,
  renderTagsOfResource,
  s3Error,
  type Tags,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { changeBucketTags, TAG_KEYS, TAGS_BYTES_MAX } from '../bucket/bucket-tags.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { bucketOf, type Operation } from './operation.ts'

/* S3 Control API: the tags of a bucket, one by one. They are the same that PutBucketTagging replaces as a whole. */

/** ListTagsForResource: an empty list for a bucket without tags. */
export const listTagsForResource: Operation = async (request) => {
  return xmlReply(renderTagsOfResource(ownBucketOf(request).config.tags ?? {}))
}

/** TagResource: adds tags, and changes those whose key is there already. */
export const tagResource: Operation = async (request, context) => {
  const bucket = ownBucketOf(request)
  const added = parseTagResource(await collectDocument(request, TAGS_BYTES_MAX))
  await changeBucketTags(context, bucket, (current) => {
    const tags = { ...current, ...added }
    assertTagCount(Object.keys(tags).length, 'bucket')
    return tags
  })
  return emptyReply(204)
}

/** UntagResource: keys that are not there are none to remove. */
export const untagResource: Operation = async (request, context) => {
  const bucket = ownBucketOf(request)
  const keys = queryValues(request.parsed, TAG_KEYS)
  if (keys.length === 0) throw s3Error('InvalidRequest', { message: 'You must specify at least one tag key.' })
  assertTagCount(keys.length, 'bucket')
  await changeBucketTags(context, bucket, (current) => without(current, keys))
  return emptyReply(204)
}

function without(tags: Tags, keys: readonly string[]): Tags {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.includes(key)))
}

/** x-amz-account-id is whose the bucket is. AccessDenied. */
function ownBucketOf(request: AuthorizedRequest): OpenBucket {
  const bucket = bucketOf(request)
  if (request.parsed.headers['x-amz-account-id'] !== bucket.record.ownerAccountId) throw s3Error('AccessDenied')
  return bucket
}
