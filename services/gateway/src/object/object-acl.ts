import type { ObjectAcl } from '@coffer/object-record'
import { ACL_POLICY_ID } from '@coffer/policy'
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
  const { headers } = request.parsed
  if (!hasAcls(bucket)) {
    // Older rclone and others say `private` with each upload, which AWS refuses: it gives nobody anything that they do not have, so it is
    // taken where nobody asked for ACLs to be off.
    assertAclIsOwners(headers, bucket.config.ownership === undefined ? 'private' : undefined)
    return undefined
  }
  const asked = parseAclHeaders(headers)
  const handsOver = asked !== undefined && 'canned' in asked && asked.canned === 'bucket-owner-full-control'
  const { principal } = request
  const isOwners = principal === 'anonymous' || (handsOver && ownershipOf(bucket) === 'BucketOwnerPreferred')
  const ownerAccountId = isOwners ? bucket.record.ownerAccountId : principal.accountId
  const isBucketOwners = ownerAccountId === bucket.record.ownerAccountId
  if (asked === undefined && isBucketOwners) return undefined
  if (asked !== undefined && !handsOver && !mayGive(request, bucket, ownerAccountId)) throw s3Error('AccessDenied')
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

/**
 * S3 API, PutObject, "Permissions": a list needs leave for s3:PutObjectAcl, from the account whose the object will be. A list of the
 * bucket that lets in everybody to write lets them give as well: what nobody known writes is nobody's.
 */
function mayGive(request: AuthorizedRequest, bucket: OpenBucket, ownerAccountId: string): boolean {
  const { principal, decision, parsed } = request
  if (principal === 'anonymous' && decision.statement?.policyId === ACL_POLICY_ID) return true
  const isBucketOwners = ownerAccountId === bucket.record.ownerAccountId
  const existing = isBucketOwners ? undefined : { tags: undefined, acl: { ownerAccountId, grants: [] } }
  return isPermitted(request, { bucket, action: 's3:PutObjectAcl', key: parsed.key, existing })
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
