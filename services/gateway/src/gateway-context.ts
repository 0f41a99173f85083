import type { MetadataService } from '@coffer/contracts'
import type { AccessLog } from './access-log/access-log.ts'
import type { KmsKeys } from './audit/kms-keys.ts'
import type { BucketCache } from './bucket/bucket-cache.ts'
import type { GatewayAudit, GatewayOptions } from './gateway-options.ts'
import type { KeyGuards } from './keys/key-guards.ts'
import type { RateLimits } from './limits/rate-limits.ts'
import type { ObjectKeys } from './object/object-keys.ts'
import type { SigningKeys } from './signing-keys.ts'

/** What every step and operation may use. One per gateway; holds no state of a request. */
export interface GatewayContext {
  readonly options: GatewayOptions
  readonly metadata: MetadataService
  readonly buckets: BucketCache
  readonly objectKeys: ObjectKeys
  readonly keyGuards: KeyGuards
  readonly signingKeys: SigningKeys
  readonly accessLog: AccessLog
  readonly limits: RateLimits
  readonly auditing: { readonly audit: GatewayAudit | undefined; readonly kmsKeys: KmsKeys }
  /** Answers that have no end of their own end then: the server stops. */
  readonly stopping: AbortSignal
}
