import { cryptoError, encodeFields, type MetadataKey } from '@coffer/crypto-core'
import type { ListedVersion } from '@coffer/metadata-store'
import type { ChecksumAlgorithm, ChecksumType, StorageClass } from '@coffer/s3-protocol'
import { etagOf, type ObjectAttributes } from './object-attributes.ts'

/**
 * What a listing shows of a version beside the clear fields, 53 bytes: format (1), checksum algorithm (1), checksum type
 * (1), part count (u16 BE, 0: put whole), sealed ETag (48). All but the ETag is clear but authenticated. Format 2, of what is not
 * STANDARD: the same with the storage class (1) before the ETag.
 */
const SUMMARY_FORMAT = 1
const WITH_STORAGE_CLASS = 2
const CLEAR_BYTES = 5
const STORAGE_CLASS_AT = 5
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
/** Kept by their places. */
const CLASSES: readonly (StorageClass | undefined)[] = [
  undefined,
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'INTELLIGENT_TIERING',
  'ONEZONE_IA',
  'GLACIER_IR',
]

export interface OpenedSummary {
  /** Quoted. */
  readonly etag: string
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
  /** Absent: STANDARD. */
  readonly storageClass?: StorageClass
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
  const storageClass = Math.max(0, CLASSES.indexOf(attributes?.storageClass))
  const format = storageClass === 0 ? SUMMARY_FORMAT : WITH_STORAGE_CLASS
  const clear = Buffer.alloc(clearBytes(format))
  clear.writeUInt8(format, 0)
  clear.writeUInt8(ALGORITHMS.indexOf(attributes?.checksum?.algorithm), 1)
  clear.writeUInt8(TYPES.indexOf(attributes?.checksum?.type), 2)
  clear.writeUInt16BE(attributes?.partCount ?? 0, 3)
  if (storageClass > 0) clear.writeUInt8(storageClass, STORAGE_CLASS_AT)
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
    page.map((version) => {
      const end = clearBytes(version.summary[0])
      return {
        sealed: version.summary.subarray(end),
        additionalData: summaryFields(bucketId, version, version.summary.subarray(0, end)),
      }
    }),
  )
  return page.map((version, index) => {
    const etag = opened[index]
    if (etag === undefined) return cryptoError('CRYPTO_RECORD_DAMAGED', { key: version.key })
    return describe(etag, version.summary)
  })
}

/** What a listing says before its entry is authenticated: good to pass over what needs nothing. Undefined: STANDARD. */
export function listedStorageClass({ summary }: Pick<ListedVersion, 'summary'>): StorageClass | undefined {
  return summary[0] === WITH_STORAGE_CLASS ? CLASSES[summary[STORAGE_CLASS_AT] ?? 0] : undefined
}

function clearBytes(format: number | undefined): number {
  return format === WITH_STORAGE_CLASS ? CLEAR_BYTES + 1 : CLEAR_BYTES
}

function describe(etag: Uint8Array, summary: Uint8Array): OpenedSummary {
  const checksumAlgorithm = ALGORITHMS[summary[1] ?? 0]
  const checksumType = TYPES[summary[2] ?? 0]
  const storageClass = listedStorageClass({ summary })
  const partCount = ((summary[3] ?? 0) << 8) + (summary[4] ?? 0)
  return {
    etag: etagOf({ etagHex: Buffer.from(etag).toString('hex'), ...(partCount > 0 && { partCount }) }),
    ...(checksumAlgorithm && { checksumAlgorithm }),
    ...(checksumType && { checksumType }),
    ...(storageClass && { storageClass }),
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
