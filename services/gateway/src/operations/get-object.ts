import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { parseSseRequest, responseOverrides, type SseRequest, s3Error } from '@coffer/s3-protocol'
import { type ByteRange, openBlobs, openInline } from '../body/read-body.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type FoundObject, findObject } from '../object/find-object.ts'
import { openManifest } from '../object/manifest.ts'
import type { Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { bucketOf, type Operation } from './operation.ts'
import { assertReadConditions, type PlannedRange, planRange } from './read-plan.ts'
import { objectHeaders } from './response-headers.ts'

/** Looked up again when its blob was deleted between look-up and opening: it was overwritten just then. */
const LOOKUPS_MAX = 4

/** GetObject. Every byte that leaves was authenticated before. */
export const getObject: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const sse = parseSseRequest(request.parsed.headers, request.parsed.secure, 'read')
  for (let lookup = 1; ; lookup++) {
    const object = await findObject(context, bucket, request.parsed.key, request.parsed.query.get('versionId'), {
      withBody: true,
    })
    try {
      return await replyWith(request, context, bucket, object, sse)
    } catch (error) {
      if (!isCofferError(error, 'BLOB_NOT_FOUND') || lookup === LOOKUPS_MAX) throw error
    }
  }
}

async function replyWith(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  sse: SseRequest,
): Promise<Reply> {
  const objectKey = await openKeyOf(context, bucket, object, sse)
  assertReadConditions(request.parsed.headers, object, objectHeaders(request.parsed, bucket, object, sse))
  const planned = planRange(request.parsed, bucket, object)
  const headers = {
    ...objectHeaders(request.parsed, bucket, object, sse),
    ...responseOverrides(request.parsed.query),
    ...planned.headers,
  }
  const plain = await readRange(context, bucket, object, objectKey, planned)
  return { status: planned.status, headers, ...plain }
}

export function openKeyOf(
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  presented: SseRequest,
): Promise<Secret> {
  const { sse, algorithm, keyContextId } = object.attributes
  return context.objectKeys.open({ sse, stored: object.objectKey }, presented, {
    bucketId: bucket.record.id,
    key: object.version.key,
    versionId: keyContextId,
    algorithm,
  })
}

/** The plaintext of a range: at once where it is inline, as a stream from blobs. */
export async function readRange(
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  objectKey: Secret,
  { range }: Pick<PlannedRange, 'range'>,
): Promise<Pick<Reply, 'body' | 'stream'>> {
  const { body, version } = object
  if (body?.kind === 'inline') {
    return { body: openInline(objectKey, body.bytes, object.attributes.streamSalt ?? '', range) }
  }
  if (body?.kind !== 'blobs') throw s3Error('InternalError')
  const manifest = openManifest(bucket.metadataKey, bucket.record.id, version.key, version.versionId, body.manifest)
  if (manifest.length !== body.blobs.length) throw s3Error('InternalError')
  if (range.lengthBytes === 0) return { body: '' }
  return { stream: await openBlobs(context, objectKey, body, manifest, range) }
}

export type { ByteRange }
