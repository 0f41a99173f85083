import { sealBucketMessage } from '@coffer/object-record'
import { parseNotificationConfiguration, renderNotificationConfiguration } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

const DOCUMENT_BYTES_MAX = 256 * 1024
const NONE = { rules: [], eventBridge: false }

/** GetBucketNotificationConfiguration: without one, an empty document. */
export const getBucketNotification: Operation = async (request) =>
  xmlReply(renderNotificationConfiguration(bucketOf(request).config.notifications ?? NONE))

/**
 * PutBucketNotificationConfiguration: replaces the configuration; an empty one turns it off. Each destination gets a test
 * message (S3 User Guide, "Event message structure").
 */
export const putBucketNotification: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  // One that the account may not use is answered like one that is not there.
  const targets = context.options.eventTargetsOpenTo(bucket.record.ownerAccountId)
  const notifications = parseNotificationConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX), targets)
  const isEmpty = notifications.rules.length === 0 && !notifications.eventBridge
  await updateBucket(context, bucket, ({ versioning, config: { notifications: _, ...config } }) => ({
    versioning,
    config: { ...config, ...(!isEmpty && { notifications }) },
  }))
  const { record, metadataKey } = bucket
  const message = { kind: 'test', bucket: record.name, at: Date.now(), requestId: request.requestId } as const
  const named = new Set(notifications.rules.map(({ target }) => target))
  if (named.size > 0) {
    await context.metadata.appendEvents(
      [...named].map((target) => sealBucketMessage(metadataKey, record, target, message)),
    )
  }
  return emptyReply(200)
}
