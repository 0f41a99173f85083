import { isCofferError } from '@coffer/errors'
import {
  type ChangeMade,
  changeReplication,
  etagOf,
  isReplicaOf,
  type ObjectAttributes,
  objectEvents,
  replaceObjectKey,
} from '@coffer/object-record'
import { type ObjectEventName, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type EventOrigin, eventOf } from './event-origin.ts'
import { type FoundObject, findObject } from './find-object.ts'

export interface AttributeChange extends ChangeMade {
  /** Absent: AWS has none for it. */
  readonly event?: { readonly name: ObjectEventName; readonly origin: EventOrigin }
}

/** Of changes by others to the same version at the same time. */
const ATTEMPTS_MAX = 16

/**
 * Changes what a version's sealed record says of it (tags, retention, ...) in place: its data, key, order and dates stay. Where
 * another changed it meanwhile, `change` is asked again about what it is now. AccessDenied, NoSuchKey, NoSuchVersion, MethodNotAllowed.
 */
export async function changeAttributes(
  context: GatewayContext,
  bucket: OpenBucket,
  name: { readonly key: string; readonly versionId: string | undefined },
  told: AttributeChange,
  change: (attributes: ObjectAttributes) => ObjectAttributes,
): Promise<FoundObject> {
  const { record, metadataKey, config } = bucket
  const { event } = told
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const object = await findObject(context, bucket, name.key, name.versionId, { withBody: false })
    const { version, objectKey } = object
    // Who may write there may say of what their object is a replica, but not which one was made here.
    if (told.replicaVersionId !== undefined && !isReplicaOf(object.attributes.replication, told.replicaVersionId))
      throw s3Error('AccessDenied')
    const replication = changeReplication(bucket, config.replication, version, object.attributes, told)
    const notifications =
      event &&
      objectEvents(bucket, config, () =>
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
