import { s3Error } from '@coffer/s3-protocol'
import { hasAcls } from '../bucket/bucket-acl.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { findCurrentObject } from '../object/find-object.ts'
import type { AuthorizedRequest, LocatedRequest } from '../requests.ts'
import { decisionOn, existingObjectOf, isPermitted, NotAllowed } from './permission.ts'
import { actionOf } from './s3-actions.ts'
import { isOtherOwner, isUnpaid } from './told-of-bucket.ts'
import { withDocument } from './with-document.ts'
import { withEncryption } from './with-encryption.ts'

/** Each of its keys is asked about for itself, by the operation, where a policy may tell one from another. */
const ASKED_BY_KEY = 'DeleteObjects'
const READS: readonly string[] = ['GetObject', 'HeadObject']

/** Whether the principal may do it: the one place that makes an AuthorizedRequest. */
export async function authorize(located: LocatedRequest, context: GatewayContext): Promise<AuthorizedRequest> {
  const request = await withDocument(await withEncryption(located, context), context)
  const { bucket, parsed } = request
  const { key, query, operation } = parsed
  const action = actionOf(parsed)
  const named = { action, key, versionId: query.get('versionId'), withBody: operation === 'GetObject' }
  const existing = bucket && (await existingObjectOf(request, context, bucket, named))
  const asked = { bucket, action, key, existing }
  const isAskedLater = operation === ASKED_BY_KEY && (!isRoot(request) || (bucket && tellsKeysApart(bucket)))
  const decision = decisionOn(request, asked)
  if (!isAskedLater) request.trail.decided(asked.action, decision)
  if (!isAskedLater && decision.effect === 'deny') {
    await tellAbsence(request, context)
    throw s3Error('AccessDenied', { cause: new NotAllowed(decision) })
  }
  assertExpectedOwner(request)
  assertRequesterPays(request)
  return { ...request, existing, decision } as AuthorizedRequest
}

function tellsKeysApart(bucket: OpenBucket): boolean {
  return bucket.config.policy !== undefined || hasAcls(bucket)
}

/** Of whom only the bucket's policy can tell one key from another. */
function isRoot({ principal }: LocatedRequest): boolean {
  return principal === 'anonymous' || principal.kind === 'account-root'
}

/** S3 API, GetObject, HeadObject: who may list a bucket is told that a key is not there, may they read objects or not. NoSuchKey. */
async function tellAbsence(request: LocatedRequest, context: GatewayContext): Promise<void> {
  const { bucket, parsed } = request
  const { key, operation, query } = parsed
  if (bucket === undefined || !READS.includes(operation) || query.has('versionId')) return
  if (
    !isPermitted(request, { bucket, action: 's3:ListBucket', key: '', existing: undefined, said: { 's3:prefix': key } })
  )
    return
  if ((await findCurrentObject(context, bucket, key)) === undefined)
    throw s3Error('NoSuchKey', { details: { Key: key } })
}

/** x-amz-expected-bucket-owner (S3 API, common request headers): another owner is 403. */
function assertExpectedOwner({ bucket, parsed }: LocatedRequest): void {
  const expected = parsed.headers['x-amz-expected-bucket-owner']
  if (isOtherOwner(bucket, expected)) throw s3Error('AccessDenied')
}

function assertRequesterPays({ bucket, principal, parsed }: LocatedRequest): void {
  const said = parsed.headers['x-amz-request-payer'] ?? parsed.query.get('x-amz-request-payer')
  if (isUnpaid(bucket, principal, said)) throw s3Error('AccessDenied')
}
