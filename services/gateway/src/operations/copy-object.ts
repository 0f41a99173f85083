import type { ByteRange } from '@coffer/object-body'
import { etagOf } from '@coffer/object-record'
import {
  type ChecksumAlgorithm,
  hasChecksum,
  parseChecksumAlgorithm,
  parseCopiedHeaders,
  renderCopyObjectResult,
  s3Error,
} from '@coffer/s3-protocol'
import { CopyPayload } from '../body/copy-payload.ts'
import { storeBody } from '../body/store-body.ts'
import { assertMayUseKey } from '../keys/assert-may-use-key.ts'
import { commitObject } from '../object/commit-object.ts'
import { type CopySource, openCopySource } from '../object/copy-source.ts'
import { discardUncommitted } from '../object/discard-garbage.ts'
import { originOf } from '../object/event-origin.ts'
import { requestedAcl } from '../object/object-acl.ts'
import { newObjectBody } from '../object/object-body.ts'
import { requestedLock } from '../object/object-lock.ts'
import { assertRoomForObject } from '../object/quota-room.ts'
import { rekeyInPlace } from '../object/rekey-in-place.ts'
import { dataAlgorithmOf, kmsOf, type Sealing, sealingFor } from '../object/sealing.ts'
import { sseHeaders } from '../object/sse-headers.ts'
import { type Classed, requestedClass } from '../object/storage-class.ts'
import { externalVersionId, newVersionId } from '../object/version-id.ts'
import { resolveCondition, writeConditionOf } from '../object/write-condition.ts'
import { xmlReply } from '../reply.ts'
import type { AuthorizedRequest } from '../requests.ts'
import { assertAlsoAllowed } from '../steps/permission.ts'
import { expirationHeaders } from './lifecycle-headers.ts'
import { bucketOf, type Operation } from './operation.ts'
import { versionHeader } from './response-headers.ts'

/** S3 API, CopyObject: larger objects are copied by UploadPartCopy. */
const COPY_BYTES_MAX = 5 * 1024 ** 3
/** A copy onto itself that names one of these changes something, whatever was there before (recorded of AWS by LocalStack). */
const CHANGING_HEADERS = [
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
]

/** CopyObject: opened with the source's key and sealed anew under a key of its own; no ciphertext is ever shared. */
export const copyObject: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const { key, headers } = request.parsed
  const sealing = await sealingFor(request, bucket, context.keyGuards)
  const lock = requestedLock(request, bucket)
  const acl = await requestedAcl(request, context, bucket)
  const rekeyed = await rekeyInPlace(request, context, bucket, sealing)
  if (rekeyed !== undefined) return rekeyedReply(rekeyed, sealing)
  const copied = parseCopiedHeaders(headers)
  const classed = await requestedClass(headers, context)
  if (copied.replacesTags) assertAlsoAllowed(request, 's3:PutObjectTagging')
  const condition = writeConditionOf(headers)
  // A copy that can't succeed is refused before data is read; the commit evaluates the condition again.
  if (condition) await resolveCondition(context, bucket, key, condition)
  const versionId = newVersionId(request.receivedAtMs)
  const algorithm = dataAlgorithmOf(sealing, context)
  await assertMayUseKey(request, context, 'kms:GenerateDataKey', { bucket, key, kms: kmsOf(sealing) })
  const issued = await context.objectKeys.issue(sealing, { bucketId: bucket.record.id, key, versionId, algorithm })
  request.trail.usedKey(issued.stored)
  const { source, range, plain } = await openCopySource(request, context, (candidate) => {
    if (!copied.replacesMetadata) assertChangesSomething(request, candidate, { ...classed, sse: sealing.kind })
    return wholeOf(candidate)
  })
  const sizeBytes = range.lengthBytes
  const payload = new CopyPayload(plain, {
    sizeBytes,
    md5: sealing.kind === 'SSE-S3',
    checksumAlgorithm: parseChecksumAlgorithm(headers) ?? usable(source.object.attributes.checksum?.algorithm),
  })
  await assertRoomForObject(context, bucket, key, payload).catch(async (error: unknown) => {
    await plain.stream?.return()
    throw error
  })
  const stored = await storeBody(payload, { objectKey: issued.objectKey, algorithm, partNumber: 0 }, context, {
    inlineSizeBytesMax: context.options.inlineSizeBytesMax,
    ...classed,
  }).finally(() => plain.stream?.return())
  const { attributes, bodyOf, blobIds } = newObjectBody(bucket, key, stored, {
    ...issued.held,
    algorithm,
    keyContextId: versionId,
    headers: copied.headersFrom(source.object.attributes.headers),
    ...classed,
    ...(lock && { lock }),
    ...(acl && { acl }),
  })
  try {
    const committed = await commitObject(context, bucket, {
      key,
      versionId,
      sizeBytes,
      attributes,
      objectKey: issued.stored,
      bodyOf,
      condition,
      eventName: 's3:ObjectCreated:Copy',
      origin: originOf(request),
    })
    const result = renderCopyObjectResult({
      etag: etagOf(attributes),
      lastModifiedAt: committed.lastModifiedAt,
      ...(attributes.checksum && { checksum: attributes.checksum }),
    })
    return xmlReply(result, {
      ...sseHeaders(attributes, sealing),
      // Unlike PutObject, CopyObject names the null version of a suspended bucket (recorded of AWS by LocalStack).
      ...versionHeader(committed.bucket, committed),
      ...sourceVersionHeader(source),
      ...expirationHeaders(committed.bucket, { key, sizeBytes, ...committed }, attributes),
    })
  } catch (error) {
    discardUncommitted(context, blobIds, error)
    throw error
  }
}

/** A source's MD5 can't be kept up in FIPS mode: the copy has the default then. */
function usable(algorithm: ChecksumAlgorithm | undefined): ChecksumAlgorithm | undefined {
  return algorithm !== undefined && hasChecksum(algorithm) ? algorithm : undefined
}

function rekeyedReply(source: CopySource, sealing: Sealing) {
  const { attributes, version } = source.object
  const result = renderCopyObjectResult({
    etag: etagOf(attributes),
    lastModifiedAt: version.lastModifiedAt,
    ...(attributes.checksum && { checksum: attributes.checksum }),
  })
  return xmlReply(result, { ...sseHeaders(attributes, sealing), ...versionHeader(source.bucket, version) })
}

function wholeOf({ object }: CopySource): ByteRange {
  const { sizeBytes } = object.version
  if (sizeBytes > COPY_BYTES_MAX) {
    throw s3Error('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${COPY_BYTES_MAX}`,
    })
  }
  return { offsetBytes: 0, lengthBytes: sizeBytes }
}

export function sourceVersionHeader({ bucket, object }: CopySource): Record<string, string> {
  return bucket.record.versioning === 'unversioned'
    ? {}
    : { 'x-amz-copy-source-version-id': externalVersionId(object.version) }
}

/** A copy of the current version onto itself must replace metadata or change encryption or storage class (S3 API, CopyObject). */
function assertChangesSomething(
  request: AuthorizedRequest,
  source: CopySource,
  copy: Classed & { readonly sse: Sealing['kind'] },
): void {
  const { bucket, key } = request.parsed
  const ontoItself = source.bucket.record.name === bucket && source.object.version.key === key
  const namesChange = CHANGING_HEADERS.some((name) => request.parsed.headers[name] !== undefined)
  const { sse, storageClass } = source.object.attributes
  // With SSE-KMS and SSE-C the copy has another key in any case; so has one in a bucket whose encryption was set.
  const changesEncryption = sse !== 'SSE-S3' || copy.sse !== 'SSE-S3' || source.bucket.config.encryption !== undefined
  const changesClass = copy.storageClass !== storageClass
  if (!ontoItself || namesChange || changesEncryption || changesClass || source.versionNamed) return
  throw s3Error('InvalidRequest', {
    message:
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  })
}
