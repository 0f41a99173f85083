import { isCofferError } from '@coffer/errors'
import type { VersionBody, VersionId } from '@coffer/metadata-store'
import { openManifest, sealManifest } from '@coffer/object-body'
import { etagOf, sealContextOf } from '@coffer/object-record'
import {
  evaluateRead,
  isS3Error,
  parseConditions,
  parseRename,
  parseSseRequest,
  type RenameRequest,
  s3Error,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { assertUnversioned, commitObject } from '../object/commit-object.ts'
import { originOf } from '../object/event-origin.ts'
import { type FoundObject, findCurrentObject, findObject } from '../object/find-object.ts'
import { newVersionId } from '../object/version-id.ts'
import { renameConditionOf, resolveCondition } from '../object/write-condition.ts'
import { emptyReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { isPermitted, isPermittedOnObject } from '../steps/permission.ts'
import { bucketOf, type Operation } from './operation.ts'

/** Of writers that replace the source at the same time. */
const ATTEMPTS_MAX = 8
/** It is read under its old name, and is not there any more. */
const ON_SOURCE = ['s3:GetObject', 's3:DeleteObject'] as const

/**
 * RenameObject, as S3 Express has it: both names change in one commit, and no data moves. The object key, which is sealed for the name,
 * is sealed for the other one; ETag, date, checksum, metadata, tags and encryption stay.
 */
export const renameObject: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, headers } = request.parsed
  const rename = parseRename(headers)
  assertUnversioned(bucket)
  if (rename.sourceKey === key) {
    throw s3Error('InvalidRequest', { message: 'The source and the destination of a rename cannot be the same.' })
  }
  // If-Match and If-None-Match speak of the destination; these of what goes.
  const said = { 's3:if-match': headers['x-amz-rename-source-if-match'], 's3:if-none-match': undefined }
  for (const action of ON_SOURCE) {
    const named = { action, key: rename.sourceKey, versionId: undefined, said }
    if (!(await isPermittedOnObject(request, context, bucket, named))) throw s3Error('AccessDenied')
  }
  if (await wasDone(context, bucket, key, rename)) return emptyReply(200)
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const source = await findSource(request, context, bucket, rename.sourceKey)
    try {
      await renameTo(request, context, bucket, source, rename)
      return emptyReply(200)
    } catch (error) {
      if (!isCofferError(error, 'META_VERSION_CHANGED')) throw error
      // By the same request, sent twice at once?
      if (await wasDone(context, bucket, key, rename)) return emptyReply(200)
    }
  }
  throw s3Error('OperationAborted')
}

/** While the object that it renamed is current. IdempotencyParameterMismatch for another request with the same token. */
async function wasDone(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  { sourceKey, clientToken }: RenameRequest,
): Promise<boolean> {
  if (clientToken === undefined) return false
  const renamed = (await findCurrentObject(context, bucket, key))?.attributes.renamed
  if (renamed?.clientToken !== clientToken) return false
  if (renamed.sourceKey !== sourceKey) throw s3Error('IdempotencyParameterMismatch')
  return true
}

/** NoSuchKey, for who may list the bucket; PreconditionFailed (x-amz-rename-source-if-*). */
async function findSource(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  sourceKey: string,
): Promise<FoundObject> {
  const source = await findObject(context, bucket, sourceKey, undefined, { withBody: true }).catch((cause: unknown) => {
    const list = {
      bucket,
      action: 's3:ListBucket',
      key: '',
      existing: undefined,
      said: { 's3:prefix': sourceKey },
    } as const
    throw isS3Error(cause, 'NoSuchKey') && !isPermitted(request, list) ? s3Error('AccessDenied', { cause }) : cause
  })
  const verdict = evaluateRead(parseConditions(request.parsed.headers, 'x-amz-rename-source-'), {
    etag: etagOf(source.attributes),
    lastModifiedAt: source.version.lastModifiedAt,
  })
  // A rename has no 304 (S3 API, RenameObject).
  if (verdict !== 'ok') throw s3Error('PreconditionFailed')
  return source
}

async function renameTo(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  source: FoundObject,
  { sourceKey, clientToken }: RenameRequest,
): Promise<void> {
  const { key, headers, secure } = request.parsed
  const { renamed: _, ...attributes } = source.attributes
  const { kms } = attributes
  await assertMayUseKey(request, context, 'kms:Decrypt', { bucket, key: sourceKey, kms })
  await assertMayUseKey(request, context, 'kms:GenerateDataKey', { bucket, key, kms })
  const condition = renameConditionOf(headers)
  // What can't succeed is refused before the KMS is asked; the commit evaluates the condition again.
  if (condition) await resolveCondition(context, bucket, key, condition)
  const versionId = newVersionId(request.receivedAtMs)
  const bucketId = bucket.record.id
  const from = sealContextOf(bucketId, sourceKey, attributes)
  const to = sealContextOf(bucketId, key, { ...attributes, keyContextId: versionId })
  const resealed = await context.objectKeys.reseal(source, parseSseRequest(headers, secure, 'read'), from, to)
  request.trail.usedKey(resealed.stored)
  const { version } = source
  await commitObject(context, bucket, {
    key,
    versionId,
    sizeBytes: version.sizeBytes,
    attributes: {
      ...attributes,
      ...(resealed.kms && { kms: resealed.kms }),
      keyContextId: versionId,
      ...(clientToken !== undefined && { renamed: { sourceKey, clientToken } }),
    },
    objectKey: resealed.stored,
    bodyOf: (newId) => bodyUnder(bucket, source, { key, versionId: newId }),
    condition,
    renames: {
      key: sourceKey,
      versionId: version.versionId,
      expectedSealed: version.sealed,
      lastModifiedAt: version.lastModifiedAt,
    },
    eventName: 's3:ObjectCreated:Copy',
    origin: originOf(request),
  })
}

/** The same ciphertext; the list of its parts is sealed for the other name. */
function bodyUnder(
  { metadataKey, record }: OpenBucket,
  { version, body }: FoundObject,
  to: { readonly key: string; readonly versionId: VersionId },
): VersionBody {
  if (body === undefined) throw s3Error('InternalError')
  if (body.kind !== 'blobs') return body
  const parts = openManifest(metadataKey, record.id, version.key, version.versionId, body.manifest)
  return { ...body, manifest: sealManifest(metadataKey, record.id, to.key, to.versionId, parts) }
}
