import { cryptoError, encodeFields, type MetadataKey } from '@coffer/crypto-core'
import type { ListedVersion } from '@coffer/metadata-store'
import type { ChecksumAlgorithm, ChecksumType } from '@coffer/s3-protocol'
import { etagOf, type ObjectAttributes } from './object-attributes.ts'

/**
 * What a listing shows of a version beside the clear fields, 53 bytes: format (1), checksum algorithm (1), checksum type
 * (1), part count (u16 BE, 0: put whole), sealed ETag (48). All but the ETag is clear but authenticated.
 */
const SUMMARY_FORMAT = 1
const CLEAR_BYTES = 5
const ALGORITHMS: readonly (ChecksumAlgorithm | undefined)[] = [
  undefined,
  'CRC32',
  'CRC32C',
  'CRC64NVME',
  'SHA1',
  'SHA256',
  'SHA512',
  'MD5',
  'XXHASH64',
  'XXHASH3',
  'XXHASH128',
]
const TYPES: readonly (ChecksumType | undefined)[] = [undefined, 'FULL_OBJECT', 'COMPOSITE']

export interface OpenedSummary {
  /** Quoted. */
  readonly etag: string
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
}

type SummaryFields = Pick<
  ListedVersion,
  'key' | 'versionId' | 'isNull' | 'isDeleteMarker' | 'lastModifiedAt' | 'sizeBytes'
>

export function sealSummary(
  metadataKey: MetadataKey,
  bucketId: string,
  version: SummaryFields,
  attributes: ObjectAttributes | undefined,
): Uint8Array {
  const clear = Buffer.alloc(CLEAR_BYTES)
  clear.writeUInt8(SUMMARY_FORMAT, 0)
  clear.writeUInt8(ALGORITHMS.indexOf(attributes?.checksum?.algorithm), 1)
  clear.writeUInt8(TYPES.indexOf(attributes?.checksum?.type), 2)
  clear.writeUInt16BE(attributes?.partCount ?? 0, 3)
  const etag = attributes === undefined ? Buffer.alloc(16) : Buffer.from(attributes.etagHex, 'hex')
  return Buffer.concat([clear, metadataKey.sealSummary(etag, summaryFields(bucketId, version, clear))])
}

/** Opens a page with one cipher call. A damaged entry fails alone: its place holds an error. */
export function openSummaries(
  metadataKey: MetadataKey,
  bucketId: string,
  page: readonly ListedVersion[],
): (OpenedSummary | Error)[] {
  const opened = metadataKey.openSummaries(
    page.map((version) => ({
      sealed: version.summary.subarray(CLEAR_BYTES),
      additionalData: summaryFields(bucketId, version, version.summary.subarray(0, CLEAR_BYTES)),
    })),
  )
  return page.map((version, index) => {
    const etag = opened[index]
    if (etag === undefined) return cryptoError('CRYPTO_RECORD_DAMAGED', { key: version.key })
    return describe(etag, version.summary)
  })
}

function describe(etag: Uint8Array, summary: Uint8Array): OpenedSummary {
  const checksumAlgorithm = ALGORITHMS[summary[1] ?? 0]
  const checksumType = TYPES[summary[2] ?? 0]
  const partCount = ((summary[3] ?? 0) << 8) + (summary[4] ?? 0)
  return {
    etag: etagOf({ etagHex: Buffer.from(etag).toString('hex'), ...(partCount > 0 && { partCount }) }),
    ...(checksumAlgorithm && { checksumAlgorithm }),
    ...(checksumType && { checksumType }),
  }
}

function summaryFields(bucketId: string, version: SummaryFields, clear: Uint8Array): Uint8Array {
  return encodeFields(
    'summary',
    bucketId,
    version.key,
    version.versionId,
    version.isNull,
    version.isDeleteMarker,
    version.lastModifiedAt,
    version.sizeBytes,
    clear,
  )
}
