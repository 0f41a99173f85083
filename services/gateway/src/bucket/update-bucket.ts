import { isCofferError } from '@coffer/errors'
import type { VersioningState } from '@coffer/metadata-store'
import { s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import { findSameBucket } from '../object/commit-object.ts'
import type { OpenBucket } from './bucket-cache.ts'
import { type BucketConfig, sealBucketConfig } from './bucket-config.ts'

/** More than there are requests to one bucket at once that all change it. */
const ATTEMPTS_MAX = 100

/** Changes a bucket's configuration, again where somebody else changed it meanwhile: no change is lost. */
export async function updateBucket(
  context: GatewayContext,
  planned: OpenBucket,
  change: (current: { versioning: VersioningState; config: BucketConfig }) => {
    versioning: VersioningState
    config: BucketConfig
  },
): Promise<void> {
  let bucket = planned
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const { record, metadataKey } = bucket
    const { versioning, config } = change({ versioning: record.versioning, config: bucket.config })
    const sealed = sealBucketConfig(metadataKey, { ...record, versioning, revision: record.revision + 1 }, config)
    try {
      const { wrappedMetadataKey } = record
      const changed = await context.metadata.updateBucket(record.name, record.revision, {
        versioning,
        sealed,
        wrappedMetadataKey,
      })
      context.buckets.remember({ record: changed, config, metadataKey })
      return
    } catch (error) {
      if (!isCofferError(error, 'META_BUCKET_CHANGED')) throw error
      bucket = await findSameBucket(context, bucket)
    }
  }
  throw s3Error('OperationAborted')
}
