import { s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest, LocatedRequest } from '../requests.ts'
import { existingTagsOf, isPermitted } from './permission.ts'
import { actionOf } from './s3-actions.ts'

/** Each of its keys is asked about for itself, by the operation, where a policy may tell one from another. */
const ASKED_BY_KEY = 'DeleteObjects'

/** Whether the principal may do it: the one place that makes an AuthorizedRequest. */
export async function authorize(request: LocatedRequest, context: GatewayContext): Promise<AuthorizedRequest> {
  const { bucket, parsed } = request
  const { key, query, operation } = parsed
  const existingTags = bucket && (await existingTagsOf(context, bucket, key, query.get('versionId')))
  const asked = { bucket, action: actionOf(parsed), key, existingTags }
  const isAskedLater = operation === ASKED_BY_KEY && bucket?.config.policy !== undefined
  if (!isAskedLater && !isPermitted(request, asked)) throw s3Error('AccessDenied')
  assertExpectedOwner(request, bucket?.record.ownerAccountId)
  return { ...request, existingTags } as AuthorizedRequest
}

/** x-amz-expected-bucket-owner (S3 API, common request headers): another owner is 403. */
function assertExpectedOwner(request: LocatedRequest, ownerAccountId: string | undefined): void {
  const expected = request.parsed.headers['x-amz-expected-bucket-owner']
  if (expected !== undefined && ownerAccountId !== undefined && expected !== ownerAccountId) {
    throw s3Error('AccessDenied')
  }
}
