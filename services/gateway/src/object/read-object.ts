import type { Secret } from '@coffer/crypto-core'
import { sealContextOf } from '@coffer/object-record'
import { type SseRequest, s3Error } from '@coffer/s3-protocol'
import { type ByteRange, openBlobs, openInline } from '../body/read-body.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { Reply } from '../reply.ts'
import type { FoundObject } from './find-object.ts'
import { openManifest } from './manifest.ts'

/** Opens the object key of a stored object. `presented`: what the request says of SSE-C. */
export function openKeyOf(
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  presented: SseRequest,
): Promise<Secret> {
  const { attributes, objectKey, version } = object
  const sealContext = sealContextOf(bucket.record.id, version.key, attributes)
  return context.objectKeys.open({ sse: attributes.sse, stored: objectKey }, presented, sealContext)
}

/** The plaintext of a range: at once where it is inline, as a stream from blobs. */
export async function readRange(
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  objectKey: Secret,
  range: ByteRange,
): Promise<Pick<Reply, 'body' | 'stream'>> {
  const { body, version } = object
  if (body?.kind === 'inline') {
    return { body: openInline(objectKey, body.bytes, object.attributes.streamSalt ?? '', range) }
  }
  if (body?.kind !== 'blobs') throw s3Error('InternalError')
  const manifest = openManifest(bucket.metadataKey, bucket.record.id, version.key, version.versionId, body.manifest)
  if (manifest.length !== body.blobs.length) throw s3Error('InternalError')
  if (range.lengthBytes === 0) return { body: '' }
  return { stream: await openBlobs(context, objectKey, body, manifest, range) }
}
