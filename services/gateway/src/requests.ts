import type { Principal } from '@coffer/contracts'
import type { Authentication, ParsedRequest } from '@coffer/s3-protocol'
import type { RequestBody } from './body/request-body.ts'
import type { OpenBucket } from './bucket/bucket-cache.ts'

/** A request that is understood: one operation, its names and parameters within their limits. */
export interface UnderstoodRequest {
  readonly parsed: ParsedRequest
  readonly body: RequestBody
  readonly requestId: string
  readonly receivedAtMs: number
}

/** Who makes it is known, and the signature is theirs. */
export interface AuthenticatedRequest extends UnderstoodRequest {
  readonly authentication: Authentication
  readonly principal: Principal | 'anonymous'
  /** For the chunks of a signed streaming body. */
  readonly signing?: { readonly keyBytes: Uint8Array; readonly seedSignature: string }
}

/** The bucket that it names exists; `bucket` is undefined for the operations that name none or make one. */
export interface LocatedRequest extends AuthenticatedRequest {
  readonly bucket: OpenBucket | undefined
}

declare const authorized: unique symbol

/** The principal may do it. Made by `steps/authorize.ts` only; the only thing that operations accept. */
export interface AuthorizedRequest extends LocatedRequest {
  readonly principal: Principal
  readonly [authorized]: true
}
