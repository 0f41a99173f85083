import { blobError } from '@coffer/blob-store'
import type { Secret } from '@coffer/crypto-core'
import type { VersionBody, VersionRecord } from '@coffer/metadata-store'
import { type ByteRange, type OpenedBody, openBlobs, openInline, openManifest } from '@coffer/object-body'
import { openAttributes, sealContextOf } from '@coffer/object-record'
import { type SseRequest, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { Reply } from '../reply.ts'
import type { FoundObject } from './find-object.ts'

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
  presented: SseRequest,
  range: ByteRange,
): Promise<Pick<Reply, 'body' | 'stream'>> {
  const { body, version } = object
  if (body?.kind === 'inline') {
    return { body: openInline(objectKey, body.bytes, object.attributes.streamSalt ?? '', range) }
  }
  if (body?.kind !== 'blobs') throw s3Error('InternalError')
  const opened = openBody(bucket, version, body, objectKey)
  if (range.lengthBytes === 0) return { body: '' }
  const again = () => openAgain(context, bucket, version, presented)
  return { stream: await openBlobs(context.options.blobs, opened, range, again) }
}

/** The same version as it is now. BLOB_NOT_FOUND where it is gone, or has other data: this read can't go on then. */
async function openAgain(
  context: GatewayContext,
  bucket: OpenBucket,
  { key, versionId }: VersionRecord,
  presented: SseRequest,
): Promise<OpenedBody> {
  const found = await context.metadata.findVersion(bucket.record.id, key, { versionId }, { withBody: true })
  if (found?.body?.kind !== 'blobs') throw blobError('BLOB_NOT_FOUND', { versionId })
  const object = { ...found, ...openAttributes(bucket.metadataKey, bucket.record.id, found.version) }
  const objectKey = await openKeyOf(context, bucket, object, presented)
  return openBody(bucket, found.version, found.body, objectKey)
}

function openBody(
  bucket: OpenBucket,
  { key, versionId }: VersionRecord,
  { blobs, manifest: sealed }: Extract<VersionBody, { kind: 'blobs' }>,
  objectKey: Secret,
): OpenedBody {
  const manifest = openManifest(bucket.metadataKey, bucket.record.id, key, versionId, sealed)
  if (manifest.length !== blobs.length) throw s3Error('InternalError')
  return { objectKey, blobs, manifest }
}
