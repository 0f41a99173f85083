import type { ByteRange } from '@coffer/object-body'
import { openManifest } from '@coffer/object-body'
import { etagOf, type StoredChecksum } from '@coffer/object-record'
import {
  failedCondition,
  type ParsedRequest,
  parseConditions,
  parseRange,
  rangeCounts,
  s3Error,
} from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import type { FoundObject } from '../object/find-object.ts'
import { checksumHeaders, wantsChecksum } from './response-headers.ts'

type Headers = Readonly<Record<string, string | number>>

export interface PlannedRange {
  readonly status: 200 | 206
  readonly range: ByteRange
  readonly headers: Headers
}

/** Headers that a 304 must carry if a 200 had them (RFC 9110, section 15.4.5). */
const NOT_MODIFIED_HEADERS = ['etag', 'last-modified', 'cache-control', 'expires', 'x-amz-version-id']

/** If-Match and its kin on GetObject and HeadObject: 412, or 304 with the validators. */
export function assertReadConditions(
  headers: Readonly<Record<string, string | undefined>>,
  object: FoundObject,
  responseHeaders: Headers,
): void {
  const failed = failedCondition(parseConditions(headers, ''), {
    etag: etagOf(object.attributes),
    lastModifiedAt: object.version.lastModifiedAt,
  })
  if (failed === 'If-Match' || failed === 'If-Unmodified-Since') {
    throw s3Error('PreconditionFailed', { details: { Condition: failed } })
  }
  if (failed !== undefined) {
    const kept = NOT_MODIFIED_HEADERS.flatMap((name) => {
      const value = responseHeaders[name]
      return value === undefined ? [] : [[name, String(value)] as const]
    })
    throw s3Error('NotModified', { headers: Object.fromEntries(kept) })
  }
}

/** What a read is to return: the whole object, a Range, or one part (`partNumber`). InvalidRange, InvalidPartNumber. */
export function planRange(request: ParsedRequest, bucket: OpenBucket, object: FoundObject): PlannedRange {
  const totalBytes = object.version.sizeBytes
  const partNumber = request.query.get('partNumber')
  const part = partNumber === undefined ? undefined : findPart(partNumber, request, bucket, object)
  const range = part === undefined ? rangeOf(request, object) : part.range
  // A checksum of the whole object goes with all of it, by whatever range (S3 API, GetObject).
  const isWhole = range === undefined || range.lengthBytes === totalBytes
  const wholeChecksum = isWhole && !part && wantsChecksum(request) ? checksumHeaders(object.attributes.checksum) : {}
  if (range === undefined) {
    return {
      status: 200,
      range: { offsetBytes: 0, lengthBytes: totalBytes },
      headers: { 'content-length': totalBytes, ...wholeChecksum },
    }
  }
  const lastByte = range.offsetBytes + range.lengthBytes - 1
  const contentRange = { 'content-range': `bytes ${range.offsetBytes}-${lastByte}/${totalBytes}` }
  return {
    status: 206,
    range,
    headers: {
      'content-length': range.lengthBytes,
      ...(range.lengthBytes > 0 && contentRange),
      ...wholeChecksum,
      ...(part && wantsChecksum(request) && checksumHeaders(part.checksum)),
    },
  }
}

function rangeOf({ headers }: ParsedRequest, { attributes, version }: FoundObject): ByteRange | undefined {
  const state = { etag: etagOf(attributes), lastModifiedAt: version.lastModifiedAt }
  return rangeCounts(headers['if-range'], state) ? parseRange(headers.range, version.sizeBytes) : undefined
}

interface FoundPart {
  readonly range: ByteRange
  /** Of the part alone, of the object's algorithm and type (S3 API, GetObject, partNumber). */
  readonly checksum: StoredChecksum | undefined
}

function findPart(partNumber: string, request: ParsedRequest, bucket: OpenBucket, object: FoundObject): FoundPart {
  if (request.headers.range !== undefined) {
    throw s3Error('InvalidRequest', { message: 'Cannot specify both Range header and partNumber query parameter' })
  }
  const number = /^\d{1,5}$/.test(partNumber) ? Number(partNumber) : 0
  if (number < 1 || number > 10_000) {
    throw s3Error('InvalidArgument', { message: 'Part number must be an integer between 1 and 10000, inclusive' })
  }
  const { version, body, attributes } = object
  // An object put whole has one part.
  const parts =
    attributes.partCount === undefined || body?.kind !== 'blobs'
      ? [{ sizeBytes: version.sizeBytes, checksum: attributes.checksum?.value }]
      : openManifest(bucket.metadataKey, bucket.record.id, version.key, version.versionId, body.manifest)
  const part = parts[number - 1]
  if (part === undefined) {
    throw s3Error('InvalidPartNumber', {
      details: { PartNumberRequested: partNumber, ActualPartCount: String(parts.length) },
    })
  }
  const offsetBytes = parts.slice(0, number - 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return {
    range: { offsetBytes, lengthBytes: part.sizeBytes },
    checksum: attributes.checksum && part.checksum ? { ...attributes.checksum, value: part.checksum } : undefined,
  }
}
