import type { PartRecord } from '@coffer/metadata-store'
import type { StoredChecksum } from '@coffer/object-record'
import {
  type CompletedPart,
  combineCrc,
  compositeChecksum,
  createEtagHash,
  DEFAULT_CHECKSUM_ALGORITHM,
  s3Error,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { etagHexOf } from './object-body.ts'
import { type FoundUpload, openPart, type PartAttributes } from './upload.ts'

/** S3 User Guide, "Multipart upload limits". */
const PART_BYTES_MIN = 5 * 1024 ** 2
const OBJECT_BYTES_MAX = 5 * 1024 ** 4
const PAGE_PARTS = 1000

export interface ChosenPart {
  readonly record: PartRecord
  readonly attributes: PartAttributes
}

/**
 * The stored parts that the client's list names, in its order. InvalidPartOrder, InvalidPart (unknown, or another ETag or
 * checksum), EntityTooSmall (a part but the last under 5 MiB), EntityTooLarge (over 5 TiB in all).
 */
export async function chooseParts(
  context: GatewayContext,
  bucket: OpenBucket,
  upload: FoundUpload,
  listed: readonly CompletedPart[],
): Promise<ChosenPart[]> {
  assertAscending(listed)
  const stored = await readParts(context, bucket, upload)
  const chosen = listed.map((part) => choose(part, stored.get(part.partNumber), bucket, upload))
  for (const { record } of chosen.slice(0, -1)) {
    if (record.sizeBytes < PART_BYTES_MIN) {
      throw s3Error('EntityTooSmall', {
        details: {
          ProposedSize: String(record.sizeBytes),
          MinSizeAllowed: String(PART_BYTES_MIN),
          PartNumber: String(record.partNumber),
        },
      })
    }
  }
  if (totalSizeOf(chosen) > OBJECT_BYTES_MAX) throw s3Error('EntityTooLarge')
  return chosen
}

export function totalSizeOf(parts: readonly ChosenPart[]): number {
  return parts.reduce((sum, { record }) => sum + record.sizeBytes, 0)
}

/** S3's ETag of a multipart object: the MD5 of its parts' MD5s (its `-N` is the part count); random where they are. */
export function multipartEtagHex(upload: FoundUpload, parts: readonly ChosenPart[]): string {
  if (upload.attributes.sse !== 'SSE-S3') return etagHexOf(undefined)
  const hash = createEtagHash()
  for (const { attributes } of parts) hash.update(Buffer.from(attributes.etagHex, 'hex'))
  return hash.digest().toString('hex')
}

/** The object's checksum out of its parts': composite, or (CRCs) that of the whole object (S3 User Guide, "Checking object integrity"). */
export async function multipartChecksum(
  upload: FoundUpload,
  parts: readonly ChosenPart[],
): Promise<StoredChecksum | undefined> {
  const wanted = upload.attributes.checksum ?? defaultChecksum(parts)
  if (wanted === undefined) return undefined
  const sums = parts.map(({ attributes, record }) => ({
    value: Buffer.from(objectsChecksum(upload, attributes) ?? '', 'base64'),
    sizeBytes: record.sizeBytes,
  }))
  const value =
    wanted.type === 'FULL_OBJECT'
      ? combineCrc(wanted.algorithm, sums)
      : await compositeChecksum(
          wanted.algorithm,
          sums.map((sum) => sum.value),
        )
  return { ...wanted, value }
}

/** An upload for which the client named no checksum. A part that an older Coffer stored may lack this one. */
function defaultChecksum(parts: readonly ChosenPart[]): Omit<StoredChecksum, 'value'> | undefined {
  const haveIt = parts.every(({ attributes }) => defaultChecksumOf(attributes) !== undefined)
  return haveIt ? { algorithm: DEFAULT_CHECKSUM_ALGORITHM, type: 'FULL_OBJECT' } : undefined
}

function defaultChecksumOf({ checksum, checksumAlgorithm, defaultChecksum: besides }: PartAttributes) {
  return checksumAlgorithm === DEFAULT_CHECKSUM_ALGORITHM ? checksum : besides
}

/** A part's checksum of the algorithm that the object's is of, in base64. */
export function objectsChecksum(upload: FoundUpload, part: PartAttributes): string | undefined {
  return upload.attributes.checksum === undefined ? defaultChecksumOf(part) : part.checksum
}

function assertAscending(listed: readonly CompletedPart[]): void {
  let last = 0
  for (const { partNumber } of listed) {
    if (partNumber <= last) throw s3Error('InvalidPartOrder')
    last = partNumber
  }
}

async function readParts(
  context: GatewayContext,
  bucket: OpenBucket,
  upload: FoundUpload,
): Promise<Map<number, PartRecord>> {
  const parts = new Map<number, PartRecord>()
  let afterPartNumber = 0
  for (;;) {
    const { key, uploadId } = upload.record
    const query = { bucketId: bucket.record.id, key, uploadId, afterPartNumber, limit: PAGE_PARTS }
    const page = await context.metadata.listParts(query)
    for (const part of page.parts) parts.set(part.partNumber, part)
    const lastPart = page.parts.at(-1)
    if (!page.more || lastPart === undefined) return parts
    afterPartNumber = lastPart.partNumber
  }
}

function choose(
  listed: CompletedPart,
  record: PartRecord | undefined,
  bucket: OpenBucket,
  upload: FoundUpload,
): ChosenPart {
  const invalid = () =>
    s3Error('InvalidPart', {
      details: {
        UploadId: upload.record.uploadId,
        PartNumber: String(listed.partNumber),
        ETag: listed.etag.replaceAll('"', ''),
      },
    })
  if (record === undefined) throw invalid()
  const attributes = openPart(bucket, upload.record, record)
  if (listed.etag.replaceAll('"', '') !== attributes.etagHex) throw invalid()
  const { checksum } = listed
  if (checksum !== undefined) {
    const { checksum: ofUpload } = upload.attributes
    if (ofUpload !== undefined && checksum.algorithm !== ofUpload.algorithm) {
      throw s3Error('BadDigest', {
        message: `The ${checksum.algorithm.toLowerCase()} you specified for part ${listed.partNumber} did not match what we received.`,
      })
    }
    const fits = checksum.algorithm === attributes.checksumAlgorithm && checksum.value === attributes.checksum
    if (!fits) throw invalid()
  }
  return { record, attributes }
}
