import { encodeFields, type MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord } from '@coffer/metadata-store'
import type {
  BucketEncryption,
  LifecycleConfiguration,
  NotificationConfiguration,
  ObjectLockConfiguration,
  ReplicationConfiguration,
} from '@coffer/s3-protocol'
import type { BucketListener } from './object-event.ts'

/** What of a bucket's configuration background work goes by, too. */
export interface BucketRules {
  readonly region?: string
  /** What PutBucketEncryption set; or what the server gives to new buckets; absent: SSE-S3. */
  readonly encryption?: BucketEncryption
  /** Once there, it stays: only the default retention in it changes. Versioning is enabled then, and stays so. */
  readonly objectLock?: ObjectLockConfiguration
  readonly lifecycle?: LifecycleConfiguration
  /** PutBucketNotificationConfiguration; absent: none. */
  readonly notifications?: NotificationConfiguration
  /** PutBucketReplication; absent: none. Versioning is enabled while it is there. */
  readonly replication?: ReplicationConfiguration
  /** Those of them that have not run out; absent: nobody has listened lately. */
  readonly listeners?: readonly BucketListener[]
}

export type SealedBucketFields = Pick<
  BucketRecord,
  'name' | 'id' | 'ownerAccountId' | 'createdAt' | 'versioning' | 'revision'
>

/** Seals a bucket's configuration, and with it authenticates its clear fields: owner, versioning, revision. */
export function sealBucketRecord(
  metadataKey: MetadataKey,
  bucket: SealedBucketFields,
  config: BucketRules,
): Uint8Array {
  return metadataKey.sealRecord(Buffer.from(JSON.stringify(config)), bucketFields(bucket))
}

/** CRYPTO_RECORD_DAMAGED. What it says beyond the rules is the gateway's. */
export function openBucketRecord(metadataKey: MetadataKey, bucket: BucketRecord): BucketRules {
  return JSON.parse(metadataKey.openRecord(bucket.sealed, bucketFields(bucket)).toString()) as BucketRules
}

function bucketFields(bucket: SealedBucketFields): Uint8Array {
  return encodeFields(
    'bucket',
    bucket.name,
    bucket.id,
    bucket.ownerAccountId,
    bucket.createdAt,
    bucket.versioning,
    bucket.revision,
  )
}
