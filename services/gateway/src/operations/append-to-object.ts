import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import {
  assertAppendsOnly,
  DEFAULT_CHECKSUM_ALGORITHM,
  type ParsedRequest,
  parseSseRequest,
  parseWriteOffset,
  s3Error,
} from '@coffer/s3-protocol'
import { uploadPayload } from '../body/upload-payload.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { type Appended, appendPart, OBJECT_PARTS_MAX, partsOf } from '../object/append-part.ts'
import { assertUnversioned, commitObject } from '../object/commit-object.ts'
import { discardUncommitted } from '../object/discard-garbage.ts'
import { originOf } from '../object/event-origin.ts'
import { type FoundObject, findCurrentObject, findObject } from '../object/find-object.ts'
import { openKeyOf } from '../object/read-object.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { newVersionId } from '../object/version-id.ts'
import { resolveCondition, writeConditionOf } from '../object/write-condition.ts'
import { emptyReply, type Reply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { bucketOf } from './operation.ts'
import { checksumHeaders, etagHeader } from './response-headers.ts'

/** Of others that change what is said of the object at the same time. */
const ATTEMPTS_MAX = 8
const SSE_NAMES = ['x-amz-server-side-encryption', 'x-amz-server-side-encryption-aws-kms-key-id']

/**
 * PutObject with x-amz-write-offset-bytes, as S3 Express has it: what is sent becomes one more part of the object that is there, under a
 * key of its own; nothing that is stored is read or written again. Undefined: it asks for no append, or begins an object that is not
 * there. InvalidWriteOffset, TooManyParts, EncryptionTypeMismatch, InvalidRequest.
 */
export async function appendToObject(request: AuthorizedRequest, context: GatewayContext): Promise<Reply | undefined> {
  const { key, headers, secure } = request.parsed
  const offsetBytes = parseWriteOffset(headers)
  if (offsetBytes === undefined) return undefined
  const bucket = bucketOf(request)
  assertUnversioned(bucket)
  const condition = writeConditionOf(headers)
  if (condition) await resolveCondition(context, bucket, key, condition)
  if ((await findCurrentObject(context, bucket, key)) === undefined) {
    if (offsetBytes === 0) return undefined
    throw s3Error('InvalidWriteOffset')
  }
  const object = await findAt(context, bucket, key, offsetBytes)
  assertAppendsOnly(headers)
  assertSameEncryption(request.parsed, object)
  if (partsOf(bucket, object).length >= OBJECT_PARTS_MAX) throw s3Error('TooManyParts')
  await assertMayUseKey(request, context, 'kms:Decrypt', { bucket, key, kms: object.attributes.kms })
  const presented = parseSseRequest(headers, secure, 'read')
  const objectKey = await openKeyOf(context, bucket, object, presented)
  request.trail.usedKey(object.objectKey)
  const appended = await appendTo(request, context, bucket, object, objectKey).finally(() => objectKey.wipe())
  const { attributes, sizeBytes } = await commit(request, context, bucket, object, appended)
  return emptyReply(200, {
    ...etagHeader(attributes),
    ...sseHeaders(attributes, presented),
    ...checksumHeaders(attributes.checksum),
    'x-amz-object-size': sizeBytes,
  })
}

/** InvalidWriteOffset. */
async function findAt(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  offsetBytes: number,
): Promise<FoundObject> {
  const object = await findObject(context, bucket, key, undefined, { withBody: true })
  if (object.version.sizeBytes !== offsetBytes) {
    throw s3Error('InvalidWriteOffset', { details: { ObjectSize: String(object.version.sizeBytes) } })
  }
  return object
}

/** The client's own key is compared where it is used. EncryptionTypeMismatch. */
function assertSameEncryption({ headers }: Pick<ParsedRequest, 'headers'>, { attributes }: FoundObject): void {
  const is = sseHeaders(attributes, { kind: attributes.sse })
  if (SSE_NAMES.some((name) => headers[name] !== undefined && headers[name] !== is[name])) {
    throw s3Error('EncryptionTypeMismatch')
  }
}

async function appendTo(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  objectKey: Secret,
): Promise<Appended> {
  const { attributes } = object
  const payload = uploadPayload(request, {
    md5: attributes.sse === 'SSE-S3',
    ...checksumsFor(attributes),
  })
  if (payload.sizeBytes === 0) {
    throw s3Error('InvalidRequest', { message: "Request body cannot be empty when 'write offset' is specified." })
  }
  return await appendPart(context, bucket, object, objectKey, payload)
}

/** What has the checksum that objects get by themselves takes any from its client, and that one is computed besides. */
function checksumsFor({ checksum }: FoundObject['attributes']) {
  if (checksum?.algorithm !== DEFAULT_CHECKSUM_ALGORITHM) return { checksumAlgorithm: checksum?.algorithm }
  return { checksumFallback: DEFAULT_CHECKSUM_ALGORITHM, checksumBesides: DEFAULT_CHECKSUM_ALGORITHM } as const
}

/** Again where only what is said of the object changed; where its data did, the append has no place any more. */
async function commit(
  request: AuthorizedRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  planned: FoundObject,
  appended: Appended,
) {
  const { key, headers } = request.parsed
  let object = planned
  try {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const attributes = appended.attributesOf(object)
      const sizeBytes = planned.version.sizeBytes + appended.sizeBytes
      try {
        await commitObject(context, bucket, {
          key,
          versionId: newVersionId(request.receivedAtMs),
          sizeBytes,
          attributes,
          objectKey: object.objectKey,
          bodyOf: appended.bodyOf,
          condition: writeConditionOf(headers),
          appendsTo: { versionId: object.version.versionId, expectedSealed: object.version.sealed },
          eventName: 's3:ObjectCreated:Put',
          origin: originOf(request),
        })
        return { attributes, sizeBytes }
      } catch (error) {
        if (!isCofferError(error, 'META_VERSION_CHANGED')) throw error
        object = await findAt(context, bucket, key, planned.version.sizeBytes)
        if (!isSameData(object, planned)) throw s3Error('OperationAborted', { cause: error })
      }
    }
    throw s3Error('OperationAborted')
  } catch (error) {
    discardUncommitted(context, appended.blobIds, error)
    throw error
  }
}

/** The same ciphertext, and so the same object key. */
function isSameData(a: FoundObject, b: FoundObject): boolean {
  if (a.version.versionId !== b.version.versionId || a.body?.kind !== b.body?.kind) return false
  if (a.body?.kind === 'blobs' && b.body?.kind === 'blobs') {
    return a.body.blobs.map(({ blobId }) => blobId).join() === b.body.blobs.map(({ blobId }) => blobId).join()
  }
  return a.attributes.streamSalt === b.attributes.streamSalt
}
