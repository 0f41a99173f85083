import {
  assertAclIsOwners,
  GROUPS,
  type Grant,
  grantsOfCanned,
  invalidArgument,
  isPublicGrant,
  type ObjectOwnership,
  type Owner,
  parseAccessControlPolicy,
  parseAclHeaders,
  s3Error,
  type WantedGrantee,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { AuthorizedRequest } from '../requests.ts'
import type { OpenBucket } from './bucket-cache.ts'
import { isBlocked } from './public-access.ts'

const DOCUMENT_BYTES_MAX = 64 * 1024
const KNOWN_GROUPS: readonly string[] = Object.values(GROUPS)

/** S3 User Guide, "Controlling ownership of objects": without a word of its own a bucket is BucketOwnerEnforced, as all new ones of AWS. */
export function ownershipOf({ config }: Pick<OpenBucket, 'config'>): ObjectOwnership {
  const { ownership = 'BucketOwnerEnforced' } = config
  // Without ownership controls ACLs are enabled, as they were before there were any.
  return ownership === 'none' ? 'ObjectWriter' : ownership
}

export function hasAcls(bucket: Pick<OpenBucket, 'config'>): boolean {
  return bucket.config.ownership !== undefined && ownershipOf(bucket) !== 'BucketOwnerEnforced'
}

/** What a bucket's list gives; the owner's own grant where nothing was set. */
export function bucketGrants({ config }: OpenBucket, owner: Owner): readonly Grant[] {
  return config.acl ?? [{ grantee: owner, permission: 'FULL_CONTROL' }]
}

/**
 * PutBucketAcl, PutObjectAcl: what the request sets, by a canned ACL, by grants in headers, or by a document. MissingSecurityHeader,
 * UnexpectedContent, MalformedACLError, AccessDenied (another owner), and the refusals of `resolveGrants`.
 */
export async function readAcl(
  request: AuthorizedRequest,
  context: GatewayContext,
  { owner, bucketOwner }: { readonly owner: Owner; readonly bucketOwner: Owner },
): Promise<readonly Grant[]> {
  const asked = parseAclHeaders(request.parsed.headers)
  const document = await collectDocument(request, DOCUMENT_BYTES_MAX)
  if (asked !== undefined && document.length > 0) throw s3Error('UnexpectedContent')
  if (asked !== undefined) {
    return 'canned' in asked
      ? grantsOfCanned(asked.canned, { owner, bucketOwner })
      : resolveGrants(context, asked.grants)
  }
  if (document.length === 0) throw s3Error('MissingSecurityHeader')
  const { ownerId, grants } = parseAccessControlPolicy(document)
  if (ownerId !== undefined && ownerId !== owner.id) throw s3Error('AccessDenied')
  return resolveGrants(context, grants)
}

/** The same where ACLs are off: only what changes nothing. AccessControlListNotSupported. */
export async function refuseAcl(request: AuthorizedRequest): Promise<void> {
  const document = await collectDocument(request, DOCUMENT_BYTES_MAX)
  if (document.length > 0 || request.parsed.headers['x-amz-acl'] === undefined) {
    throw s3Error('AccessControlListNotSupported')
  }
  assertAclIsOwners(request.parsed.headers)
}

/** Names who is meant. InvalidArgument for an account or group that there is not; accounts have no e-mail addresses. */
export async function resolveGrants(
  context: GatewayContext,
  wanted: readonly Grant<WantedGrantee>[],
): Promise<readonly Grant[]> {
  if (wanted.some(({ grantee }) => 'emailAddress' in grantee)) throw s3Error('UnresolvableGrantByEmailAddress')
  const named = wanted.some(({ grantee }) => 'id' in grantee)
  const accounts = named ? await context.options.mesh.use('iam').listAccounts() : []
  const names = new Map(accounts.map(({ canonicalId, name }) => [canonicalId, name]))
  return wanted.map(({ grantee, permission }): Grant => {
    if ('uri' in grantee) {
      if (!KNOWN_GROUPS.includes(grantee.uri))
        throw invalidArgument('Group/URI', grantee.uri.slice(0, 100), 'Invalid group uri')
      return { grantee, permission }
    }
    const id = 'id' in grantee ? grantee.id : ''
    const displayName = names.get(id)
    if (displayName === undefined) throw invalidArgument('CanonicalUser/ID', id.slice(0, 100), 'Invalid id')
    return { grantee: { id, displayName }, permission }
  })
}

/** BlockPublicAcls. AccessDenied. */
export function assertMayBePublic(bucket: Pick<OpenBucket, 'config' | 'accountBlock'>, grants: readonly Grant[]): void {
  if (isBlocked(bucket, 'blockPublicAcls') && grants.some(isPublicGrant)) {
    throw s3Error('AccessDenied', {
      message:
        'Public access control lists are blocked by the BlockPublicAcls block public access setting of this bucket or of its account.',
    })
  }
}
