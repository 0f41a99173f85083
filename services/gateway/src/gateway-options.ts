import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AuditLog } from '@coffer/audit'
import type { PlacedBlobStore } from '@coffer/blob-store'
import type { DataAlgorithm } from '@coffer/crypto-core'
import type { Logger, Mesh } from '@coffer/mesh'
import type { ObjectOwnership } from '@coffer/s3-protocol'
import type { RateLimitSettings } from './limits/rate-limits.ts'

/** `changes`: requests that change buckets, keys or identities; `all`: every request. */
export interface GatewayAudit {
  readonly mode: 'changes' | 'all'
  readonly log: Pick<AuditLog, 'admit' | 'record'>
}

/** A request whose response is closed. */
export interface ObservedRequest {
  readonly api: 's3' | 'kms' | 'iam' | 'sts'
  /** Of the API's own list of operations, else `unknown`: never a text of the client's. */
  readonly operation: string
  readonly status: number
  readonly errorCode: string | undefined
  /** Where its trace is kept. */
  readonly traceId: string | undefined
  readonly seconds: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Told of each request when it comes, and when its response is closed. */
export interface RequestObserver {
  began(): void
  ended(request: ObservedRequest): void
}

export interface GatewayOptions {
  readonly mesh: Mesh
  readonly blobs: PlacedBlobStore
  /** This process's id in the names of the blobs it writes; registered with the metadata store. */
  readonly writerId: string
  /** Region of buckets made without a location constraint. */
  readonly region: string
  /** Base domains of virtual-host style requests (`<bucket>.<domain>`). */
  readonly domains: readonly string[]
  /** Base domains of websites (`<bucket>.<domain>`). */
  readonly websiteDomains: readonly string[]
  /** What new objects are sealed with. */
  readonly dataAlgorithm: DataAlgorithm
  /** What buckets refuse that have no word of their own on it (S3 API, BlockedEncryptionTypes). */
  readonly blockedEncryptionTypes: readonly 'SSE-C'[]
  /** Whether new buckets refuse public policies. */
  readonly blocksPublicAccess: boolean
  /** Whose objects in new buckets are, and whether ACLs count there. */
  readonly objectOwnership: ObjectOwnership
  /** How often access logs are delivered. */
  readonly accessLogSeconds: number
  /** Signature Version 2, which AWS refuses in its newer regions. */
  readonly allowsSignatureVersion2: boolean
  /** Objects up to this size live beside their metadata; larger ones are blobs. */
  readonly inlineSizeBytesMax: number
  /** How long a bucket's record may be used without asking again; 0 where asking costs nothing (metadata in this process). */
  readonly bucketLeaseMs: number
  readonly rateLimits: RateLimitSettings
  /** Absent: no trail is kept. */
  readonly audit?: GatewayAudit | undefined
  /** Names of the event targets that notification configurations of an account's buckets may name. */
  readonly eventTargetsOpenTo: (accountId: string) => readonly string[]
  /** What a replication configuration may name, and for which buckets. */
  readonly replicationDestinations: readonly {
    readonly arn: string
    /** Whether the operator lets SSE-KMS objects be decrypted for it. */
    readonly takesKmsObjects: boolean
    isFor(bucket: string): boolean
  }[]
  readonly logger: Logger
  readonly observer?: RequestObserver | undefined
}

export interface Gateway {
  /** For the server's `request` and `checkContinue` events alike: `100 Continue` is sent when the body is wanted. */
  handler(request: IncomingMessage, response: ServerResponse): void
  /** Ends the answers that would go on for ever (live tails of events): the server is about to stop. */
  endStreams(): void
  /** Resolves when the requests in flight have ended. */
  close(): Promise<void>
}
