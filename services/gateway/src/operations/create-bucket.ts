import { randomBytes } from 'node:crypto'
import { MetadataKey } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import {
  asksForObjectLock,
  assertBucketName,
  bucketArn,
  type Grant,
  grantsOfCanned,
  invalidArgument,
  isPublicGrant,
  type ObjectOwnership,
  parseAclHeaders,
  parseCreateBucketConfiguration,
  parseObjectOwnership,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument, DOCUMENT_BYTES_MAX } from '../body/upload-payload.ts'
import { assertMayBePublic, hasAcls, resolveGrants } from '../bucket/bucket-acl.ts'
import { newBucketConfig, sealBucketConfig } from '../bucket/bucket-config.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { emptyReply } from '../reply.ts'
import { type AuthorizedRequest, accountOf } from '../requests.ts'
import { assertAlsoAllowed } from '../steps/permission.ts'
import type { Operation } from './operation.ts'

const BUCKET_ID_BYTES = 16
const FIRST_REVISION = 1
const LEGACY_REGION = 'us-east-1'

/** CreateBucket. Each bucket gets a random id, and a metadata key of its own that the KMS wraps. */
export const createBucket: Operation = async (request, context) => {
  const name = request.parsed.bucket
  assertBucketName(name)
  assertGlobalNamespace(request.parsed.headers['x-amz-bucket-namespace'])
  const { region, blockedEncryptionTypes: blocked, blocksPublicAccess } = context.options
  const { locationConstraint: location = region, tags } = await configurationOf(request)
  if (location !== region)
    throw s3Error('IllegalLocationConstraintException', { details: { LocationConstraint: location } })
  assertMayConfigure(request, tags !== undefined)
  const { ownership, acl } = await aclOf(request, context)
  const id = randomBytes(BUCKET_ID_BYTES).toString('hex')
  const withObjectLock = asksForObjectLock(request.parsed.headers)
  const { metadataKey, wrapped } = await issueMetadataKey(context, id)
  const clear = {
    name,
    id,
    ownerAccountId: accountOf(request).accountId,
    createdAt: request.receivedAtMs,
    versioning: withObjectLock ? ('enabled' as const) : ('unversioned' as const),
  }
  const sealed = sealBucketConfig(
    metadataKey,
    { ...clear, revision: FIRST_REVISION },
    {
      ...newBucketConfig(region, { blocked, blocksPublicAccess, ownership }),
      ...(acl && { acl }),
      ...(tags && { tags }),
      ...(withObjectLock && { objectLock: {} }),
    },
  )
  await context.metadata
    .createBucket({ ...clear, wrappedMetadataKey: wrapped, sealed })
    .catch((error: unknown) => acceptOwn(error, request, context, { acl, hasTags: tags !== undefined }))
  return emptyReply(200, { location: `/${name}`, 'x-amz-bucket-arn': bucketArn(name) })
}

/** S3 API, CreateBucket, "Permissions": what is set with a new bucket needs the leave that setting it later does. AccessDenied. */
function assertMayConfigure(request: AuthorizedRequest, hasTags: boolean): void {
  const { headers } = request.parsed
  if (parseAclHeaders(headers) !== undefined) assertAlsoAllowed(request, 's3:PutBucketAcl')
  if (headers['x-amz-object-ownership'] !== undefined) assertAlsoAllowed(request, 's3:PutBucketOwnershipControls')
  if (asksForObjectLock(headers)) {
    assertAlsoAllowed(request, 's3:PutBucketObjectLockConfiguration')
    assertAlsoAllowed(request, 's3:PutBucketVersioning')
  }
  if (hasTags) assertAlsoAllowed(request, 's3:TagResource')
}

/** S3 User Guide, "Namespaces for general purpose buckets": names that are an account's own are not kept for it here. */
function assertGlobalNamespace(wanted: string | undefined): void {
  if (wanted === undefined || wanted === 'global') return
  if (wanted !== 'account-regional') throw invalidArgument('x-amz-bucket-namespace', wanted.slice(0, 64), '')
  throw s3Error('NotImplemented', { message: 'Namespaces of accounts are not available: all names are global here.' })
}

async function configurationOf(request: AuthorizedRequest): Promise<ReturnType<typeof parseCreateBucketConfiguration>> {
  const document = await collectDocument(request, DOCUMENT_BYTES_MAX)
  return document.length === 0 ? {} : parseCreateBucketConfiguration(document)
}

async function issueMetadataKey(context: GatewayContext, bucketId: string) {
  const { mesh } = context.options
  const issued = await mesh.use('crypto').issueMetadataKey(bucketId, mesh.recipient())
  return {
    metadataKey: MetadataKey.take(mesh.unparcel(issued.metadataKey, 'metadata-key', bucketId)),
    wrapped: issued.wrapped,
  }
}

/**
 * S3 API, CreateBucket, BucketAlreadyOwnedByYou: in us-east-1 making one's own bucket again succeeds and resets its access control list;
 * nothing else of it changes. Not with tags (recorded of AWS by LocalStack, test_create_bucket_with_tags_us_east_1_idempotency).
 */
async function acceptOwn(
  error: unknown,
  request: AuthorizedRequest,
  context: GatewayContext,
  { acl, hasTags }: { readonly acl: readonly Grant[] | undefined; readonly hasTags: boolean },
): Promise<void> {
  if (!isCofferError(error, 'META_BUCKET_EXISTS')) throw error
  const name = request.parsed.bucket
  const ours = error.details.ownerAccountId === accountOf(request).accountId
  if (!ours || hasTags || context.options.region !== LEGACY_REGION) {
    throw s3Error(ours ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists', { details: { BucketName: name } })
  }
  const bucket = await context.buckets.find(name)
  if (bucket === undefined || !hasAcls(bucket)) return
  assertMayBePublic(bucket, acl ?? [])
  await updateBucket(context, bucket, ({ versioning, config: { acl: _, ...config } }) => ({
    versioning,
    config: { ...config, ...(acl && { acl }) },
  }))
}

/**
 * S3 API, CreateBucket: whether ACLs count, and the bucket's own. InvalidBucketAclWithObjectOwnership for one that lets in others
 * where they do not count.
 */
async function aclOf(
  request: AuthorizedRequest,
  context: GatewayContext,
): Promise<{ readonly ownership: ObjectOwnership | undefined; readonly acl?: readonly Grant[] }> {
  const { headers } = request.parsed
  const said = headers['x-amz-object-ownership']
  const { objectOwnership: byDefault } = context.options
  const unsaid = byDefault === 'BucketOwnerEnforced' ? undefined : byDefault
  const ownership = said === undefined ? unsaid : parseObjectOwnership(said)
  const asked = parseAclHeaders(headers)
  const changesNothing = asked === undefined || ('canned' in asked && asked.canned === 'private')
  if (changesNothing) return { ownership }
  if (ownership === undefined || ownership === 'BucketOwnerEnforced')
    throw s3Error('InvalidBucketAclWithObjectOwnership')
  const { accountId, canonicalId, accountName } = accountOf(request)
  const owner = { id: canonicalId, displayName: accountName }
  const acl =
    'canned' in asked
      ? grantsOfCanned(asked.canned, { owner, bucketOwner: owner })
      : await resolveGrants(context, asked.grants)
  const accountBlock = await context.buckets.accountBlocks.find(accountId)
  const isBlocked = context.options.blocksPublicAccess || accountBlock?.blockPublicAcls
  if (isBlocked && acl.some(isPublicGrant)) throw s3Error('AccessDenied')
  return { ownership, acl }
}
