import type { StoredObjectKey } from '@coffer/contracts'
import { encodeFields, type Secret } from '@coffer/crypto-core'
import type { PartRecord, UploadRecord } from '@coffer/metadata-store'
import { openUploadRecord, sealContextOf, type UploadAttributes } from '@coffer/object-record'
import { type ChecksumAlgorithm, isS3Error, type SseRequest, s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { isVersionId } from './version-id.ts'

export interface FoundUpload {
  readonly record: UploadRecord
  readonly attributes: UploadAttributes
  readonly objectKey: StoredObjectKey
}

/** What a part's sealed record says. */
export interface PartAttributes {
  readonly etagHex: string
  /** Base64: which stream this attempt is. */
  readonly salt: string
  /** Base64, of the upload's algorithm, or where it has none of the client's. */
  readonly checksum?: string
  readonly checksumAlgorithm?: ChecksumAlgorithm
  /** Base64, of the default algorithm, where the client's is another and the upload has none. */
  readonly defaultChecksum?: string
}

/** NoSuchUpload for an id that is unknown, aborted, completed, or of another key. */
export async function findUpload(
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
  uploadId: string | undefined,
): Promise<FoundUpload> {
  const known = uploadId !== undefined && isVersionId(uploadId)
  const record = known ? await context.metadata.findUpload(bucket.record.id, key, uploadId) : undefined
  if (record === undefined) throw s3Error('NoSuchUpload', { details: { UploadId: uploadId ?? '' } })
  return { record, ...openUploadRecord(bucket.metadataKey, bucket.record.id, record) }
}

/** The object key of an upload: the same for all its parts; each attempt of a part derives its own from a fresh salt. */
export function openUploadKey(
  context: GatewayContext,
  bucket: OpenBucket,
  upload: FoundUpload,
  presented: SseRequest,
): Promise<Secret> {
  const { attributes, objectKey, record } = upload
  const sealContext = sealContextOf(bucket.record.id, record.key, { ...attributes, keyContextId: record.uploadId })
  return context.objectKeys
    .open({ sse: attributes.sse, stored: objectKey }, presented, sealContext)
    .catch((cause: unknown) => {
      if (attributes.sse !== 'SSE-C' || !isS3Error(cause, 'AccessDenied')) throw cause
      // Of a part S3 says so; whoever reads an object without its key is told nothing.
      throw s3Error('InvalidRequest', {
        message: 'The provided encryption parameters did not match the ones used originally.',
        cause,
      })
    })
}

export function sealPart(
  bucket: OpenBucket,
  upload: Pick<UploadRecord, 'key' | 'uploadId'>,
  part: Omit<PartRecord, 'sealed'>,
  attributes: PartAttributes,
): PartRecord {
  const plain = Buffer.from(JSON.stringify(attributes))
  return { ...part, sealed: bucket.metadataKey.sealRecord(plain, partFields(bucket, upload, part)) }
}

export function openPart(
  bucket: OpenBucket,
  upload: Pick<UploadRecord, 'key' | 'uploadId'>,
  part: PartRecord,
): PartAttributes {
  const plain = bucket.metadataKey.openRecord(part.sealed, partFields(bucket, upload, part))
  return JSON.parse(plain.toString()) as PartAttributes
}

function partFields(
  bucket: OpenBucket,
  upload: Pick<UploadRecord, 'key' | 'uploadId'>,
  part: Omit<PartRecord, 'sealed'>,
): Uint8Array {
  return encodeFields(
    'part',
    bucket.record.id,
    upload.key,
    upload.uploadId,
    part.partNumber,
    part.lastModifiedAt,
    part.sizeBytes,
    part.blob.blobId,
    part.blob.storedSizeBytes,
  )
}
