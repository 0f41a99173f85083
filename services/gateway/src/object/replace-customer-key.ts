import { Secret, sealObjectKeyForCustomer } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { replaceObjectKey, sealContextOf } from '@coffer/object-record'
import type { SseRequest } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { FoundObject } from './find-object.ts'
import { openKeyOf } from './read-object.ts'

export type CustomerKey = Extract<SseRequest, { kind: 'SSE-C' }>

/**
 * Seals the object key of an SSE-C object, opened with the key that `old` is, under another client's key. No data moves. False:
 * the object's record was replaced meanwhile. AccessDenied: not the object's key.
 */
export async function replaceCustomerKey(
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  old: SseRequest,
  { key: newKey }: CustomerKey,
): Promise<boolean> {
  const { attributes, version } = object
  const { key, versionId } = version
  const bucketId = bucket.record.id
  const sealContext = sealContextOf(bucketId, key, attributes)
  const objectKey = await openKeyOf(context, bucket, object, old)
  const sealed = sealObjectKeyForCustomer(objectKey, Secret.copyOf(newKey), sealContext)
  objectKey.wipe()
  const stored = { keyRef: '', sealed }
  try {
    await context.metadata.replaceObjectKey({
      bucketId,
      key,
      versionId,
      expectedSealed: version.sealed,
      keyRef: stored.keyRef,
      sealed: replaceObjectKey(bucket.metadataKey, bucketId, version, attributes, stored),
    })
    return true
  } catch (error) {
    if (!isCofferError(error, 'META_VERSION_CHANGED')) throw error
    return false
  }
}
