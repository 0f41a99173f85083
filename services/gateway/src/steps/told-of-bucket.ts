import type { RequestPrincipal } from '@coffer/policy'
import type { OpenBucket } from '../bucket/bucket-cache.ts'

/** x-amz-expected-bucket-owner (S3 API, common request headers): another owner is 403. */
export function isOtherOwner(bucket: OpenBucket | undefined, expected: string | undefined): boolean {
  return expected !== undefined && bucket !== undefined && expected !== bucket.record.ownerAccountId
}

/** S3 User Guide, "Using Requester Pays general purpose buckets": who is not of the owner's account has to say so. */
export function isUnpaid(
  bucket: OpenBucket | undefined,
  principal: RequestPrincipal,
  said: string | undefined,
): boolean {
  if (bucket?.config.requestPayer !== 'Requester') return false
  const accountId = typeof principal === 'object' && 'accountId' in principal ? principal.accountId : undefined
  if (accountId === bucket.record.ownerAccountId) return false
  return accountId === undefined || said?.toLowerCase() !== 'requester'
}
