import { invariant } from '@coffer/errors'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'

/** One S3 operation: from a request that may be done to what is answered. One file each in this folder. */
export type Operation = (request: AuthorizedRequest, context: GatewayContext) => Promise<Reply>

/** The bucket that the request names: found by the step before authorization. */
export function bucketOf(request: AuthorizedRequest): OpenBucket {
  invariant(request.bucket !== undefined, `${request.parsed.operation} names a bucket`)
  return request.bucket
}
