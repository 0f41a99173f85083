import type { Tags } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { OpenBucket } from './bucket-cache.ts'
import { updateBucket } from './update-bucket.ts'

/** Of a document of tags. */
export const TAGS_BYTES_MAX = 256 * 1024
/** UntagResource: the keys to remove, one parameter each. */
export const TAG_KEYS = 'tagKeys'

/** Changes the tags of a bucket; without any it has no set of tags. */
export async function changeBucketTags(
  context: GatewayContext,
  bucket: OpenBucket,
  change: (current: Tags) => Tags,
): Promise<void> {
  await updateBucket(context, bucket, ({ versioning, config: { tags: current = {}, ...rest } }) => {
    const tags = change(current)
    return { versioning, config: { ...rest, ...(Object.keys(tags).length > 0 && { tags }) } }
  })
}
