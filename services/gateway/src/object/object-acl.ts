import type { ObjectAcl } from '@coffer/object-record'
import {
  assertAclIsOwners,
  type Grant,
  grantsOfCanned,
  type Owner,
  parseAclHeaders,
  s3Error,
} from '@coffer/s3-protocol'
import { assertMayBePublic, hasAcls, ownershipOf, resolveGrants } from '../bucket/bucket-acl.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { accountAsOwner, ownerOf } from '../bucket/bucket-owner.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { isPermitted } from '../steps/permission.ts'

/**
 * Whose a new object is and what its list gives, as the request's headers and the bucket's ownership setting say. Undefined: it is
 * the bucket owner's alone. AccessControlListNotSupported where lists are off; AccessDenied where they may not be public, or
 * the requester may not set one.
 */
export async function requestedAcl(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
): Promise<ObjectAcl | undefined> {
  const { headers, key } = request.parsed
  if (!hasAcls(bucket)) {
    assertAclIsOwners(headers)
    return undefined
  }
  const asked = parseAclHeaders(headers)
  const handsOver = asked !== undefined && 'canned' in asked && asked.canned === 'bucket-owner-full-control'
  const { principal } = request
  const isOwners = principal === 'anonymous' || (handsOver && ownershipOf(bucket) === 'BucketOwnerPreferred')
  const ownerAccountId = isOwners ? bucket.record.ownerAccountId : principal.accountId
  const isBucketOwners = ownerAccountId === bucket.record.ownerAccountId
  if (asked === undefined && isBucketOwners) return undefined
  // Whose the object will be may give it to whom they like, and what nobody known writes is nobody's; else that is to be allowed.
  const mayGive =
    !isBucketOwners ||
    principal === 'anonymous' ||
    isPermitted(request, { bucket, action: 's3:PutObjectAcl', key, existing: undefined })
  if (asked !== undefined && !handsOver && !mayGive) throw s3Error('AccessDenied')
  const owner = await accountAsOwner(request, context, ownerAccountId)
  if (asked === undefined) return { ownerAccountId, owner }
  const bucketOwner = await ownerOf(request, context, bucket)
  const grants =
    'canned' in asked
      ? grantsOfCanned(asked.canned, { owner, bucketOwner })
      : await resolveGrants(context, asked.grants)
  assertMayBePublic(bucket, grants)
  return { ownerAccountId, owner, grants }
}

/** The owner of an object and what its list gives: where lists are off, all is the bucket owner's. */
export function effectiveAcl(
  bucket: OpenBucket,
  acl: ObjectAcl | undefined,
  bucketOwner: Owner,
): { readonly owner: Owner; readonly grants: readonly Grant[] } {
  const { owner = bucketOwner, grants } = (hasAcls(bucket) ? acl : undefined) ?? {}
  return { owner, grants: grants ?? [{ grantee: owner, permission: 'FULL_CONTROL' }] }
}
