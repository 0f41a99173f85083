import type { Tags } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { OpenBucket } from './bucket-cache.ts'
import type { BucketConfig } from './bucket-config.ts'
import { updateBucket } from './update-bucket.ts'

/** Of a document of tags. */
export const TAGS_BYTES_MAX = 256 * 1024
/** UntagResource: the keys to remove, one parameter each. */
export const TAG_KEYS = 'tagKeys'

/** What policies see of its tags: all where attribute-based access control is on, else nothing (S3 API, PutBucketAbac). */
export function tagsForPolicies({ config }: Pick<OpenBucket, 'config'>): Tags | undefined {
  return config.abac === 'Enabled' ? (config.tags ?? {}) : undefined
}

/** Changes the tags of a bucket; without any it has no set of tags. */
export async function changeBucketTags(
  context: GatewayContext,
  bucket: OpenBucket,
  change: (current: Tags, config: BucketConfig) => Tags,
): Promise<void> {
  await updateBucket(context, bucket, ({ versioning, config }) => {
    const { tags: current = {}, ...rest } = config
    const tags = change(current, config)
    return { versioning, config: { ...rest, ...(Object.keys(tags).length > 0 && { tags }) } }
  })
}
