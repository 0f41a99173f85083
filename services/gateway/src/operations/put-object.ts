import {
  assertHasDigest,
  DEFAULT_CHECKSUM_ALGORITHM,
  type ObjectEventName,
  parseObjectHeaders,
} from '@coffer/s3-protocol'
import type { Payload } from '../body/payload.ts'
import { storeBody } from '../body/store-body.ts'
import { uploadPayload } from '../body/upload-payload.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { commitObject } from '../object/commit-object.ts'
import { discardUncommitted } from '../object/discard-garbage.ts'
import { originOf } from '../object/event-origin.ts'
import { requestedAcl } from '../object/object-acl.ts'
import { newObjectBody } from '../object/object-body.ts'
import { requestedLock } from '../object/object-lock.ts'
import { assertRoomForObject } from '../object/quota-room.ts'
import { replicaSourceOf } from '../object/replica-request.ts'
import { dataAlgorithmOf, kmsOf, sealingFor } from '../object/sealing.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { requestedClass } from '../object/storage-class.ts'
import { newVersionId } from '../object/version-id.ts'
import { resolveCondition, writeConditionOf } from '../object/write-condition.ts'
import { emptyReply, type Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { assertAlsoAllowed } from '../steps/permission.ts'
import { appendToObject } from './append-to-object.ts'
import { expirationHeaders } from './lifecycle-headers.ts'
import { bucketOf, type Operation } from './operation.ts'
import { checksumHeaders, etagHeader, writtenVersionHeader } from './response-headers.ts'

/** PutObject. Durable when it returns: the blob is synced before its version is committed, and the commit is synced. */
export const putObject: Operation = async (request, context) => {
  const appended = await appendToObject(request, context)
  if (appended !== undefined) return appended
  return await putPayload(request, context, 's3:ObjectCreated:Put', async (options) =>
    uploadPayload(request, { ...options, checksumFallback: DEFAULT_CHECKSUM_ALGORITHM }),
  )
}

/** The same with a body that came in another way. */
export async function putPayload(
  request: AuthorizedRequest,
  context: GatewayContext,
  eventName: ObjectEventName,
  payloadOf: (options: { readonly md5: boolean }) => Promise<Payload>,
): Promise<Reply> {
  const bucket = bucketOf(request)
  const { key, headers } = request.parsed
  const sealing = await sealingFor(request, bucket, context.keyGuards)
  const objectHeaders = parseObjectHeaders(headers)
  const classed = await requestedClass(headers, context)
  if (objectHeaders.tags !== undefined) assertAlsoAllowed(request, 's3:PutObjectTagging')
  const lock = requestedLock(request, bucket)
  const acl = await requestedAcl(request, context, bucket)
  if (lock ?? bucket.config.objectLock?.defaultRetention) assertHasDigest(headers)
  const replicaOf = replicaSourceOf(request)
  const condition = writeConditionOf(headers)
  const payload = await payloadOf({ md5: sealing.kind === 'SSE-S3' })
  // A write that can't succeed is refused before its body is read; the commit evaluates the condition again.
  if (condition) await resolveCondition(context, bucket, key, condition)
  await assertRoomForObject(context, bucket, key, payload)

  const versionId = newVersionId(request.receivedAtMs)
  const algorithm = dataAlgorithmOf(sealing, context)
  await assertMayUseKey(request, context, 'kms:GenerateDataKey', { bucket, key, kms: kmsOf(sealing) })
  const issued = await context.objectKeys.issue(sealing, { bucketId: bucket.record.id, key, versionId, algorithm })
  request.trail.usedKey(issued.stored)
  const stored = await storeBody(payload, { objectKey: issued.objectKey, algorithm, partNumber: 0 }, context, {
    inlineSizeBytesMax: context.options.inlineSizeBytesMax,
    ...classed,
  })
  issued.objectKey.wipe()
  const { attributes, bodyOf, blobIds } = newObjectBody(bucket, key, stored, {
    ...issued.held,
    algorithm,
    keyContextId: versionId,
    headers: objectHeaders,
    ...classed,
    ...(lock && { lock }),
    ...(acl && { acl }),
  })
  try {
    const committed = await commitObject(context, bucket, {
      key,
      versionId,
      sizeBytes: stored.sizeBytes,
      attributes,
      objectKey: issued.stored,
      bodyOf,
      condition,
      eventName,
      origin: originOf(request),
      replicaOf,
    })
    return emptyReply(200, {
      ...etagHeader(attributes),
      ...sseHeaders(attributes, sealing),
      ...writtenVersionHeader(committed.bucket, committed),
      ...checksumHeaders(attributes.checksum),
      ...expirationHeaders(committed.bucket, { key, sizeBytes: stored.sizeBytes, ...committed }, attributes),
    })
  } catch (error) {
    discardUncommitted(context, blobIds, error)
    throw error
  }
}
