import {
  parseReplicationConfiguration,
  type ReplicationRule,
  renderReplicationConfiguration,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import type { GatewayOptions } from '../gateway-options.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** S3 API, PutBucketReplication: 2 MB. */
const DOCUMENT_BYTES_MAX = 2 * 1024 * 1024

/** GetBucketReplication. ReplicationConfigurationNotFoundError. */
export const getBucketReplication: Operation = async (request) => {
  const { replication } = bucketOf(request).config
  if (replication === undefined) throw s3Error('ReplicationConfigurationNotFoundError')
  return xmlReply(renderReplicationConfiguration(replication))
}

/** PutBucketReplication: replaces all rules; they hold for what is written from then on. InvalidRequest. */
export const putBucketReplication: Operation = async (request, context) => {
  const bucket = bucketOf(request)
  const replication = parseReplicationConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  for (const rule of replication.rules) {
    assertOpen(context.options.replicationDestinations, rule, bucket.record.name)
  }
  await updateBucket(context, bucket, ({ versioning, config }) => {
    if (versioning !== 'enabled') {
      throw s3Error('InvalidRequest', {
        message: "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
      })
    }
    return { versioning, config: { ...config, replication } }
  })
  return emptyReply(200)
}

/** DeleteBucketReplication. What waits is replicated all the same. */
export const deleteBucketReplication: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => {
    const { replication: _, ...rest } = config
    return { versioning, config: rest }
  })
  return emptyReply(204)
}

/**
 * Which buckets may go where is the operator's, and whether what master keys encrypt may: nobody is told of a destination that is
 * for others.
 */
function assertOpen(
  destinations: GatewayOptions['replicationDestinations'],
  { destination: { bucket: arn }, kmsObjects }: ReplicationRule,
  bucket: string,
): void {
  const known = destinations.find((one) => one.arn === arn && one.isFor(bucket))
  if (known === undefined) {
    throw s3Error('InvalidRequest', {
      message: `Destination bucket must exist: the operator of this server has configured no destination ${arn} for this bucket.`,
    })
  }
  if (kmsObjects && !known.takesKmsObjects) {
    throw s3Error('InvalidRequest', {
      message: `The operator of this server does not let objects with SSE-KMS be replicated to ${arn}.`,
    })
  }
}
