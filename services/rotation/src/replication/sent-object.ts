import type { BlobStore } from '@coffer/blob-store'
import type { MetadataKey } from '@coffer/crypto-core'
import { invariant } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import type { VersionBody, VersionRecord } from '@coffer/metadata-store'
import { type ManifestPart, openBlobs, openInline, openManifest } from '@coffer/object-body'
import { type OpenedVersion, type ReplicationTask, sealContextOf } from '@coffer/object-record'
import { type ObjectLock, objectLockHeaders, objectResponseHeaders, type Tags } from '@coffer/s3-protocol'
import type { SentObject } from './destination.ts'

const MIB = 1024 ** 2
/** What is sent at once, and so held in memory: an object, or a part of one. */
export const SENT_BYTES_MAX = 32 * MIB
const PART_BYTES_MIN = 16 * MIB
/** S3 User Guide, "Multipart upload limits". */
const PARTS_MAX = 10_000

export interface ReplicatedVersion extends OpenedVersion {
  readonly bucketId: string
  readonly metadataKey: MetadataKey
  readonly version: VersionRecord
  readonly isLatest: boolean
  readonly body: VersionBody
}

/** A version on its way: opened with its own key, and all that is told of it. The key is wiped when the body has been read. */
export async function sentObjectOf(
  { mesh, blobs }: { readonly mesh: Mesh; readonly blobs: BlobStore },
  bucket: string,
  found: ReplicatedVersion,
  task: ReplicationTask,
): Promise<SentObject> {
  const { bucketId, version, attributes, objectKey: stored } = found
  const context = sealContextOf(bucketId, version.key, attributes)
  const parcel = await mesh.use('crypto').openObjectKey(stored, context, mesh.recipient())
  const manifest = manifestOf(found)
  const partSizes = partSizesOf(version.sizeBytes, attributes.partCount === undefined ? undefined : manifest)
  async function* body() {
    const objectKey = mesh.unparcel(parcel, 'object-key', context)
    try {
      const whole = { offsetBytes: 0, lengthBytes: version.sizeBytes }
      if (found.body.kind === 'inline') {
        yield [openInline(objectKey, found.body.bytes, attributes.streamSalt ?? '', whole)]
      } else if (found.body.kind === 'blobs') {
        yield* await openBlobs(blobs, { objectKey, blobs: found.body.blobs, manifest }, whole)
      }
    } finally {
      objectKey.wipe()
    }
  }
  const { key, versionId, isNull } = version
  const headers = {
    ...headersOf(found, task, partSizes === undefined),
    'x-coffer-replica-of': `${bucket}/${isNull ? 'null' : versionId}`,
  }
  const { account } = task
  return { key, ...(account !== undefined && { account }), headers, partSizes, body: body() }
}

function manifestOf({ bucketId, metadataKey, version, body }: ReplicatedVersion): readonly ManifestPart[] {
  invariant(body.kind !== 'none', 'an object has a body')
  if (body.kind === 'inline') return []
  return openManifest(metadataKey, bucketId, version.key, version.versionId, body.manifest)
}

/** The parts that it was uploaded in, so that its ETag stays; others where these are too large to be held, or it was put whole. */
function partSizesOf(sizeBytes: number, uploaded: readonly ManifestPart[] | undefined): readonly number[] | undefined {
  const sizes = uploaded?.map((part) => part.sizeBytes)
  if (sizes && sizes.length > 0 && sizes.every((size) => size <= SENT_BYTES_MAX)) return sizes
  if (sizeBytes <= SENT_BYTES_MAX) return undefined
  const partBytes = Math.max(PART_BYTES_MIN, Math.ceil(sizeBytes / PARTS_MAX / MIB) * MIB)
  const count = Math.ceil(sizeBytes / partBytes)
  return Array.from({ length: count }, (_, index) => Math.min(partBytes, sizeBytes - index * partBytes))
}

function headersOf({ attributes }: ReplicatedVersion, task: ReplicationTask, isWhole: boolean): Record<string, string> {
  const { 'x-amz-tagging-count': _, ...headers } = objectResponseHeaders(attributes.headers)
  const { tags } = attributes.headers
  const { checksum, sse } = attributes
  const isKms = sse === 'SSE-KMS' || sse === 'DSSE-KMS'
  return {
    ...headers,
    ...(tags && { 'x-amz-tagging': taggingOf(tags) }),
    ...objectLockHeaders(stillHeld(attributes.lock)),
    ...(task.overridesOwner && { 'x-amz-acl': 'bucket-owner-full-control' }),
    ...(task.storageClass !== undefined && { 'x-amz-storage-class': task.storageClass }),
    ...(isKms && {
      'x-amz-server-side-encryption': sse === 'SSE-KMS' ? 'aws:kms' : 'aws:kms:dsse',
      'x-amz-server-side-encryption-aws-kms-key-id': task.replicaKmsKeyId ?? '',
    }),
    ...(isWhole &&
      checksum?.type === 'FULL_OBJECT' && {
        [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`]: checksum.value,
      }),
  }
}

/** A date that has passed can't be given to a new object. */
function stillHeld({ retention, ...hold }: ObjectLock = {}): ObjectLock {
  return { ...hold, ...(retention && retention.retainUntilAt > Date.now() && { retention }) }
}

function taggingOf(tags: Tags): string {
  return Object.entries(tags)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join('&')
}
