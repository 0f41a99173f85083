import type { MetadataKey } from '@coffer/crypto-core'
import type { BucketRecord } from '@coffer/metadata-store'
import { type BucketRules, openBucketRecord, type SealedBucketFields, sealBucketRecord } from '@coffer/object-record'
import type { BoundPrincipals } from '@coffer/policy'
import type {
  BucketLogging,
  CorsRule,
  Grant,
  ObjectOwnership,
  PublicAccessBlock,
  Tags,
  WebsiteConfiguration,
} from '@coffer/s3-protocol'

/** A bucket's configuration that the metadata store has no need to read. Each later sub-resource gets a field here. */
export interface BucketConfig extends BucketRules {
  readonly region: string
  /** PutBucketTagging; absent: none. */
  readonly tags?: Tags
  /** PutBucketAbac; absent: policies do not see its tags. */
  readonly abac?: 'Enabled'
  /** PutBucketPolicy, as it was given; absent: none. */
  readonly policy?: string
  /** Unique ids by the names in it. Absent: it was kept before there were any, and its ARNs are of whoever has them. */
  readonly policyPrincipals?: BoundPrincipals
  /** PutPublicAccessBlock, or what the server gives to new buckets; absent: nothing is refused for being public. */
  readonly publicAccessBlock?: PublicAccessBlock
  /** Whether ACLs count, and whose new objects are; absent: BucketOwnerEnforced, which nobody asked for; none: the controls were deleted. */
  readonly ownership?: ObjectOwnership | 'none'
  /** PutBucketAcl; absent: the owner's alone. */
  readonly acl?: readonly Grant[]
  /** PutBucketWebsite; absent: none. */
  readonly website?: WebsiteConfiguration
  /** PutBucketLogging; absent: no access logs. */
  readonly logging?: BucketLogging
  /** PutBucketRequestPayment; absent: the owner. */
  readonly requestPayer?: 'Requester'
  /** PutBucketAccelerateConfiguration; absent: never said. It is never on. */
  readonly accelerate?: 'Suspended'
  /** PutBucketCors; absent: no requests across origins. */
  readonly cors?: readonly CorsRule[]
}

/** Without a word of its own a bucket is encrypted with SSE-S3. */
export const DEFAULT_ENCRYPTION = { algorithm: 'AES256', bucketKeyEnabled: true } as const

const ALL_BLOCKED: PublicAccessBlock = {
  blockPublicAcls: true,
  ignorePublicAcls: true,
  blockPublicPolicy: true,
  restrictPublicBuckets: true,
}

/** What a bucket begins with. */
export function newBucketConfig(
  region: string,
  {
    blocked,
    blocksPublicAccess,
    ownership,
  }: {
    readonly blocked: readonly 'SSE-C'[]
    readonly blocksPublicAccess: boolean
    /** Undefined: BucketOwnerEnforced, without anybody's word. */
    readonly ownership: ObjectOwnership | undefined
  },
): BucketConfig {
  return {
    region,
    ...newBucketEncryption(blocked),
    ...(blocksPublicAccess && { publicAccessBlock: ALL_BLOCKED }),
    ...(ownership && { ownership }),
  }
}

/** What its encryption comes back to when its own setting is deleted. */
export function newBucketEncryption(blocked: readonly 'SSE-C'[]): Pick<BucketConfig, 'encryption'> {
  return blocked.length > 0 ? { encryption: { ...DEFAULT_ENCRYPTION, blocked } } : {}
}

/** Seals a bucket's configuration, and with it authenticates its clear fields: owner, versioning, revision. */
export function sealBucketConfig(
  metadataKey: MetadataKey,
  bucket: SealedBucketFields,
  config: BucketConfig,
): Uint8Array {
  return sealBucketRecord(metadataKey, bucket, config)
}

export function openBucketConfig(metadataKey: MetadataKey, bucket: BucketRecord): BucketConfig {
  return openBucketRecord(metadataKey, bucket) as BucketConfig
}
