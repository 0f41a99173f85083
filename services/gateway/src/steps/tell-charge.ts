import type { Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'

/** S3 API: those with x-amz-request-charged in their response. */
const CHARGED: ReadonlySet<string> = new Set([
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'CopyObject',
  'CreateMultipartUpload',
  'DeleteObject',
  'DeleteObjects',
  'GetBucketAccelerateConfiguration',
  'GetObject',
  'GetObjectAcl',
  'GetObjectAttributes',
  'HeadObject',
  'ListMultipartUploads',
  'ListObjects',
  'ListObjectsV2',
  'ListObjectVersions',
  'ListParts',
  'PutObject',
  'PutObjectAcl',
  'PutObjectLegalHold',
  'PutObjectLockConfiguration',
  'PutObjectRetention',
  'UpdateObjectEncryption',
  'UploadPart',
  'UploadPartCopy',
])

/** In a bucket whose requesters pay, who is not of its owner's account is told that they do (S3 User Guide, "Using Requester Pays"). */
export function tellCharge({ bucket, principal, parsed }: AuthorizedRequest, reply: Reply): Reply {
  if (bucket?.config.requestPayer !== 'Requester' || principal === 'anonymous') return reply
  if (principal.accountId === bucket.record.ownerAccountId || !CHARGED.has(parsed.operation)) return reply
  return { ...reply, headers: { ...reply.headers, 'x-amz-request-charged': 'requester' } }
}
