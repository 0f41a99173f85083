import { isCofferError } from '@coffer/errors'
import type { ByteRange } from '@coffer/object-body'
import { etagOf } from '@coffer/object-record'
import {
  failedCondition,
  parseConditions,
  parseCopySource,
  parseSseRequest,
  type SseRequest,
  s3Error,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import type { Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { isPermittedOnObject } from '../steps/permission.ts'
import { versionedAction } from '../steps/s3-actions.ts'
import { type FoundObject, findObject } from './find-object.ts'
import { openKeyOf, readRange } from './read-object.ts'

export interface CopySource {
  readonly bucket: OpenBucket
  readonly object: FoundObject
  readonly sse: SseRequest
  /** Whether the request named a version. */
  readonly versionNamed: boolean
}

/** Looked up again when a blob was deleted between look-up and opening: the source was overwritten just then. */
const LOOKUPS_MAX = 4

/**
 * Finds the source and opens its plaintext for reading. `plan` says which range, and refuses what is not possible: before
 * anything is opened.
 */
export async function openCopySource(
  request: AuthorizedRequest,
  context: GatewayContext,
  plan: (source: CopySource) => ByteRange,
): Promise<{ source: CopySource; range: ByteRange; plain: Pick<Reply, 'body' | 'stream'> }> {
  for (let lookup = 1; ; lookup++) {
    const source = await findCopySource(request, context)
    const range = plan(source)
    request.trail.usedKey(source.object.objectKey)
    const { version, attributes } = source.object
    const kms = { bucket: source.bucket, key: version.key, kms: attributes.kms }
    await assertMayUseKey(request, context, 'kms:Decrypt', kms)
    const objectKey = await openKeyOf(context, source.bucket, source.object, source.sse)
    try {
      const plain = await readRange(context, source.bucket, source.object, objectKey, source.sse, range)
      return { source, range, plain }
    } catch (error) {
      if (!isCofferError(error, 'BLOB_NOT_FOUND') || lookup === LOOKUPS_MAX) throw error
    }
  }
}

/** The object that x-amz-copy-source names: found, readable by the principal, and fitting x-amz-copy-source-if-*. */
export async function findCopySource(request: AuthorizedRequest, context: GatewayContext): Promise<CopySource> {
  const { headers, secure } = request.parsed
  const source = parseCopySource(headers['x-amz-copy-source'] ?? '')
  const sse = parseSseRequest(headers, secure, 'copy-source')
  const bucket = await context.buckets.find(source.bucket)
  if (bucket === undefined) throw s3Error('NoSuchBucket', { details: { BucketName: source.bucket } })
  await assertMayRead(request, context, bucket, source)
  const object = await findObject(context, bucket, source.key, source.versionId, { withBody: true }).catch(asCopyError)
  const failed = failedCondition(parseConditions(headers, 'x-amz-copy-source-'), {
    etag: etagOf(object.attributes),
    lastModifiedAt: object.version.lastModifiedAt,
  })
  // A copy has no 304: whatever does not fit is 412 (S3 API, CopyObject).
  if (failed !== undefined) {
    throw s3Error('PreconditionFailed', { details: { Condition: `x-amz-copy-source-${failed}` } })
  }
  return { bucket, object, sse, versionNamed: source.versionId !== undefined }
}

async function assertMayRead(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  { key, versionId }: { readonly key: string; readonly versionId?: string | undefined },
): Promise<void> {
  const expectedOwner = request.parsed.headers['x-amz-source-expected-bucket-owner']
  if (expectedOwner !== undefined && expectedOwner !== bucket.record.ownerAccountId) throw s3Error('AccessDenied')
  const action = versionedAction('GetObject', versionId)
  if (!(await isPermittedOnObject(request, context, bucket, { action, key, versionId }))) throw s3Error('AccessDenied')
}

/** A delete marker as the source of a copy is a bad request, not a wrong method (S3 API, CopyObject). */
function asCopyError(error: unknown): never {
  if (error instanceof Error && 'code' in error && error.code === 'MethodNotAllowed') {
    throw s3Error('InvalidRequest', {
      message: 'The source of a copy request may not specifically refer to a delete marker by version id.',
    })
  }
  throw error
}
