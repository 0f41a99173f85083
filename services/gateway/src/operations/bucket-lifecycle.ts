import {
  invalidArgument,
  type LifecycleConfiguration,
  MINIMUM_OBJECT_SIZES,
  type MinimumObjectSize,
  parseLifecycleConfiguration,
  renderLifecycleConfiguration,
  s3Error,
} from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { updateBucket } from '../bucket/update-bucket.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { storeFor } from '../object/storage-class.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { bucketOf, type Operation } from './operation.ts'

/** A thousand rules, each with a prefix of 1,024 bytes and ten tags. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024
const MINIMUM_SIZE = 'x-amz-transition-default-minimum-object-size'

/** GetBucketLifecycleConfiguration. NoSuchLifecycleConfiguration. */
export const getBucketLifecycle: Operation = async (request) => {
  const { lifecycle } = bucketOf(request).config
  if (lifecycle === undefined) {
    throw s3Error('NoSuchLifecycleConfiguration', { details: { BucketName: request.parsed.bucket } })
  }
  return xmlReply(renderLifecycleConfiguration(lifecycle), minimumSizeHeader(lifecycle))
}

/** PutBucketLifecycleConfiguration: replaces all rules. They are applied by the next pass of the rotation service. */
export const putBucketLifecycle: Operation = async (request, context) => {
  const minimumObjectSize = parseMinimumSize(request.parsed.headers[MINIMUM_SIZE])
  const { rules } = parseLifecycleConfiguration(await collectDocument(request, DOCUMENT_BYTES_MAX))
  const lifecycle: LifecycleConfiguration = { rules, ...(minimumObjectSize && { minimumObjectSize }) }
  await assertClassesConfigured(lifecycle, context)
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => ({
    versioning,
    config: { ...config, lifecycle },
  }))
  return emptyReply(200, minimumSizeHeader(lifecycle))
}

/** DeleteBucketLifecycle. */
export const deleteBucketLifecycle: Operation = async (request, context) => {
  await updateBucket(context, bucketOf(request), ({ versioning, config }) => {
    const { lifecycle: _, ...rest } = config
    return { versioning, config: rest }
  })
  return emptyReply(204)
}

/** InvalidStorageClass: nothing could ever become of a class that has no store here. */
async function assertClassesConfigured({ rules }: LifecycleConfiguration, context: GatewayContext): Promise<void> {
  for (const { transitions = [], noncurrentVersionTransitions = [] } of rules) {
    for (const transition of [...transitions, ...noncurrentVersionTransitions]) await storeFor(transition, context)
  }
}

function parseMinimumSize(text: string | undefined): MinimumObjectSize | undefined {
  if (text === undefined) return undefined
  const known = MINIMUM_OBJECT_SIZES.find((name) => name === text)
  if (known === undefined) throw invalidArgument(MINIMUM_SIZE, text, 'Invalid TransitionDefaultMinimumObjectSize.')
  return known
}

function minimumSizeHeader({ minimumObjectSize = MINIMUM_OBJECT_SIZES[0] }: LifecycleConfiguration) {
  return { [MINIMUM_SIZE]: minimumObjectSize }
}
