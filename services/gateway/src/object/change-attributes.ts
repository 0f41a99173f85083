import { isCofferError } from '@coffer/errors'
import { etagOf, type ObjectAttributes, objectEvents, replaceObjectKey, tagReplication } from '@coffer/object-record'
import { type ObjectEventName, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type EventOrigin, eventOf } from './event-origin.ts'
import { type FoundObject, findObject } from './find-object.ts'

/** Of changes by others to the same version at the same time. */
const ATTEMPTS_MAX = 16

/**
 * Changes what a version's sealed record says of it (tags, retention) in place: its data, key, order and dates stay. Where
 * another changed it meanwhile, `change` is asked again about what it is now. NoSuchKey, NoSuchVersion, MethodNotAllowed.
 */
export async function changeAttributes(
  context: GatewayContext,
  bucket: OpenBucket,
  name: { readonly key: string; readonly versionId: string | undefined },
  change: (attributes: ObjectAttributes) => ObjectAttributes,
  event?: { readonly name: ObjectEventName; readonly origin: EventOrigin; readonly changesTags?: boolean },
): Promise<FoundObject> {
  const { record, metadataKey } = bucket
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const object = await findObject(context, bucket, name.key, name.versionId, { withBody: false })
    const { version, objectKey } = object
    const replication = event?.changesTags ? tagReplication(bucket, version, object.attributes.replication) : []
    const notifications =
      event &&
      objectEvents(bucket, bucket.config, () =>
        eventOf(bucket, event.origin, event.name, {
          key: version.key,
          version,
          sizeBytes: version.sizeBytes,
          etag: etagOf(object.attributes).slice(1, -1),
        }),
      )
    try {
      await context.metadata.replaceObjectKey({
        bucketId: record.id,
        key: version.key,
        versionId: version.versionId,
        expectedSealed: version.sealed,
        keyRef: version.keyRef,
        sealed: replaceObjectKey(metadataKey, record.id, version, change(object.attributes), objectKey),
        ...((notifications || replication.length > 0) && { events: [...(notifications ?? []), ...replication] }),
      })
      return object
    } catch (error) {
      if (!isCofferError(error, 'META_VERSION_CHANGED')) throw error
    }
  }
  throw s3Error('OperationAborted')
}
