import type { Secret } from '@coffer/crypto-core'
import type { BlobRef, VersionBody, VersionId } from '@coffer/metadata-store'
import { type ManifestPart, openInline, openManifest, sealManifest, sealToBlob } from '@coffer/object-body'
import type { ObjectAttributes, StoredChecksum } from '@coffer/object-record'
import { combineCrc, compositeChecksum, createEtagHash, s3Error } from '@coffer/s3-protocol'
import type { Payload } from '../body/payload.ts'
import { storeBody } from '../body/store-body.ts'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { discardUncommitted } from './discard-garbage.ts'
import type { FoundObject } from './find-object.ts'
import { etagHexOf } from './object-body.ts'
import { storeFor } from './storage-class.ts'

/** S3 User Guide, "Appending data to objects in directory buckets"; and of an object in all. */
export const OBJECT_PARTS_MAX = 10_000
const OBJECT_BYTES_MAX = 5 * 1024 ** 4

/** What an append has stored, ready to be committed. */
export interface Appended {
  readonly sizeBytes: number
  readonly blobIds: readonly string[]
  /** Out of those that the object has at that time. */
  attributesOf(object: FoundObject): ObjectAttributes
  bodyOf(versionId: VersionId): VersionBody
}

/** The parts of a stored object: of one that was put whole, one. */
export function partsOf(
  { metadataKey, record }: OpenBucket,
  { version, body, attributes }: FoundObject,
): ManifestPart[] {
  const { key, versionId, sizeBytes } = version
  if (body?.kind !== 'blobs') return [{ number: 0, sizeBytes, salt: attributes.streamSalt ?? '' }]
  return openManifest(metadataKey, record.id, key, versionId, body.manifest)
}

/**
 * Seals the payload as the next part of an object: its key is derived of the object key, the number of the part and a fresh salt, as that
 * of each part of an upload. What is kept in the record is sealed again as the first part.
 */
export async function appendPart(
  context: GatewayContext,
  bucket: OpenBucket,
  object: FoundObject,
  objectKey: Secret,
  payload: Payload,
): Promise<Appended> {
  const { attributes, version } = object
  const { algorithm } = attributes
  const before = partsOf(bucket, object)
  const partNumber = (before.at(-1)?.number ?? 0) + 1
  const first = await firstBlobs(context, object, objectKey)
  const sealedAgain = first.salt === undefined ? [] : first.blobs.map(({ blobId }) => blobId)
  const stored = await storeBody(payload, { objectKey, algorithm, partNumber }, context, {
    inlineSizeBytesMax: -1,
    ...(attributes.storageClass && { storageClass: attributes.storageClass }),
  }).catch((error: unknown) => {
    discardUncommitted(context, sealedAgain, error)
    throw error
  })
  if (stored.kind !== 'blob') throw s3Error('InternalError')
  const blobIds = [...sealedAgain, stored.blob.blobId]
  if (version.sizeBytes + stored.sizeBytes > OBJECT_BYTES_MAX) {
    const tooLarge = s3Error('EntityTooLarge')
    discardUncommitted(context, blobIds, tooLarge)
    throw tooLarge
  }
  const { checksum, besides } = stored.verified
  const isObjects = attributes.checksum === undefined || checksum?.algorithm === attributes.checksum.algorithm
  const value = isObjects ? checksum?.value : besides
  const kept = first.salt === undefined ? before : [{ number: 0, sizeBytes: version.sizeBytes, salt: first.salt }]
  const added = { number: partNumber, sizeBytes: stored.sizeBytes, salt: stored.salt }
  const parts = [...withChecksum(kept, attributes), { ...added, ...(value !== undefined && { checksum: value }) }]
  const whole = await checksumOf(attributes, parts, version.sizeBytes)
  const etagHex = nextEtagHex(attributes, stored.verified.md5)
  return {
    sizeBytes: stored.sizeBytes,
    blobIds,
    attributesOf({ attributes: now, version: { lastModifiedAt } }) {
      const { streamSalt: _, checksum: __, renamed: ___, ...kept } = now
      return {
        ...kept,
        etagHex,
        partCount: parts.length,
        // The object's date is another from now on, its key's is not.
        objectKeyAt: now.objectKeyAt ?? lastModifiedAt,
        ...(whole && { checksum: whole }),
      }
    },
    bodyOf: (versionId) => ({
      kind: 'blobs',
      blobs: [...first.blobs, stored.blob],
      manifest: sealManifest(bucket.metadataKey, bucket.record.id, version.key, versionId, parts),
    }),
  }
}

/** The blobs that are there; what is in the record becomes one, with a salt and so a key of its own. */
async function firstBlobs(
  context: GatewayContext,
  { attributes, version, body }: FoundObject,
  objectKey: Secret,
): Promise<{ readonly blobs: readonly BlobRef[]; readonly salt?: string }> {
  if (body?.kind === 'blobs') return { blobs: body.blobs }
  if (body?.kind !== 'inline') throw s3Error('InternalError')
  const range = { offsetBytes: 0, lengthBytes: version.sizeBytes }
  const plain = openInline(objectKey, body.bytes, attributes.streamSalt ?? '', range)
  async function* pieces() {
    yield [plain]
  }
  const stream = { objectKey, algorithm: attributes.algorithm, partNumber: 0 }
  const { blob, salt } = await sealToBlob(pieces(), version.sizeBytes, stream, {
    ...context.options,
    store: await storeFor(attributes, context),
  })
  return { blobs: [blob], salt }
}

/** An object put whole has its checksum in its record, not with its one part. */
function withChecksum(parts: readonly ManifestPart[], { checksum, partCount }: ObjectAttributes): ManifestPart[] {
  if (partCount !== undefined || checksum === undefined) return [...parts]
  return parts.map((part) => ({ ...part, checksum: checksum.value }))
}

/** Of the whole object where it is a CRC of the whole; else of the parts' checksums, where all have one. */
async function checksumOf(
  { checksum }: ObjectAttributes,
  parts: readonly ManifestPart[],
  beforeSizeBytes: number,
): Promise<StoredChecksum | undefined> {
  const added = parts.at(-1)
  if (checksum === undefined || added?.checksum === undefined) return undefined
  const { algorithm, type } = checksum
  const bytesOf = (value: string) => Buffer.from(value, 'base64')
  if (type === 'FULL_OBJECT' && algorithm.startsWith('CRC')) {
    const sums = [
      { value: bytesOf(checksum.value), sizeBytes: beforeSizeBytes },
      { value: bytesOf(added.checksum), sizeBytes: added.sizeBytes },
    ]
    return { algorithm, type, value: combineCrc(algorithm, sums) }
  }
  const sums = parts.flatMap((part) => (part.checksum === undefined ? [] : [bytesOf(part.checksum)]))
  if (sums.length !== parts.length) return undefined
  return { algorithm, type: 'COMPOSITE', value: await compositeChecksum(algorithm, sums) }
}

/** Of the ETag that it had and of what is added, with SSE-S3; else random, as the ETags of such objects are. */
function nextEtagHex({ sse, etagHex }: ObjectAttributes, md5: Uint8Array | undefined): string {
  if (sse !== 'SSE-S3' || md5 === undefined) return etagHexOf(undefined)
  const hash = createEtagHash()
  hash.update(Buffer.from(etagHex, 'hex'))
  hash.update(md5)
  return hash.digest().toString('hex')
}
