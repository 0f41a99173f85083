import { decide } from '@coffer/policy'
import { s3Error } from '@coffer/s3-protocol'
import type { AuthorizedRequest, LocatedRequest } from '../requests.ts'

/** Whether the principal may do it: the one place that makes an AuthorizedRequest. */
export function authorize(request: LocatedRequest): AuthorizedRequest {
  const { principal, bucket } = request
  const decision = decide({
    principal: principal === 'anonymous' ? 'anonymous' : { accountId: principal.accountId },
    action: `s3:${request.parsed.operation}`,
    ...(bucket && { bucketOwnerAccountId: bucket.record.ownerAccountId }),
  })
  if (decision.effect !== 'allow' || principal === 'anonymous') throw s3Error('AccessDenied')
  assertExpectedOwner(request, bucket?.record.ownerAccountId)
  return request as AuthorizedRequest
}

/** x-amz-expected-bucket-owner (S3 API, common request headers): another owner is 403. */
function assertExpectedOwner(request: LocatedRequest, ownerAccountId: string | undefined): void {
  const expected = request.parsed.headers['x-amz-expected-bucket-owner']
  if (expected !== undefined && ownerAccountId !== undefined && expected !== ownerAccountId) {
    throw s3Error('AccessDenied')
  }
}
