import { isCofferError } from '@coffer/errors'
import { parseSseRequest, responseOverrides, type SseRequest } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { type FoundObject, findObject } from '../object/find-object.ts'
import { openKeyOf, readRange } from '../object/read-object.ts'
import type { Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { bucketOf, type Operation } from './operation.ts'
import { assertReadConditions, planRange } from './read-plan.ts'
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
      known: lookup === 1 ? request.existing?.found : undefined,
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
  request.trail.usedKey(object.objectKey)
  await assertMayUseKey(request, context, 'kms:Decrypt', {
    bucket,
    key: object.version.key,
    kms: object.attributes.kms,
  })
  const objectKey = await openKeyOf(context, bucket, object, sse)
  const described = objectHeaders(request.parsed, bucket, object, sse)
  assertReadConditions(request.parsed.headers, object, described)
  const planned = planRange(request.parsed, bucket, object)
  const headers = {
    ...described,
    ...responseOverrides(request.parsed.query),
    ...planned.headers,
  }
  const plain = await readRange(context, bucket, object, objectKey, sse, planned.range)
  return { status: planned.status, headers, ...plain }
}
