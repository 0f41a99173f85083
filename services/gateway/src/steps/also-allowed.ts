import { decide } from '@coffer/policy'
import { s3Error } from '@coffer/s3-protocol'
import type { AuthorizedRequest } from '../requests.ts'

/**
 * Whether the principal may also do what a header of its request asks for beside the operation itself, in the same bucket: to set
 * tags or a lock, to bypass governance retention.
 */
export function isAlsoAllowed({ principal, bucket }: AuthorizedRequest, action: `s3:${string}`): boolean {
  const { effect } = decide({
    principal: { accountId: principal.accountId },
    action,
    ...(bucket && { bucketOwnerAccountId: bucket.record.ownerAccountId }),
  })
  return effect === 'allow'
}

/** AccessDenied. */
export function assertAlsoAllowed(request: AuthorizedRequest, action: `s3:${string}`): void {
  if (!isAlsoAllowed(request, action)) throw s3Error('AccessDenied')
}
