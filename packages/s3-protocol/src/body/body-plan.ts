import {
  type ChecksumAlgorithm,
  checksumAlgorithmNamed,
  parseChecksumAlgorithm,
  parseChecksumHeader,
} from '../checksums.ts'
import { s3Error } from '../errors.ts'
import { hasMd5, NO_MD5 } from '../etag-hash.ts'
import type { ParsedRequest } from '../request.ts'
import type { Authentication } from '../sigv4/authentication.ts'

/** What the client has said of its body, and what has to be computed while it passes. */
export interface BodyPlan {
  /** Of the payload, framing removed. */
  readonly sizeBytes: number
  /** Present: the body is in aws-chunked framing. */
  readonly chunked?: { readonly signed: boolean; readonly trailer: boolean }
  /** Of the payload, from x-amz-content-sha256. */
  readonly sha256Hex?: string
  /** 16 bytes, from Content-MD5. */
  readonly contentMd5?: Buffer
  readonly computeMd5: boolean
  /** To be computed; `expected` (base64) to be compared with, unless the trailer brings it. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly expected?: string }
  /** To be computed beside it. */
  readonly besides?: ChecksumAlgorithm
  /** Name of the trailing header that brings the checksum. */
  readonly trailerName?: string
}

/** What is wanted of a body beside what its client says of it. */
export interface BodyDigests {
  readonly md5: boolean
  /** The one that it has to be. */
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  /** The one to compute where the client names none. */
  readonly checksumFallback?: ChecksumAlgorithm | undefined
  /** The one that is wanted in any case, beside the client's where that is another. */
  readonly checksumBesides?: ChecksumAlgorithm | undefined
}

/** S3 API, PutObject and UploadPart: 5 GiB. */
export const BODY_BYTES_MAX = 5 * 1024 ** 3
const MD5_BYTES = 16

/** MissingContentLength, EntityTooLarge, InvalidDigest, InvalidRequest, InvalidArgument. */
export function planBody(request: ParsedRequest, authentication: Authentication, options: BodyDigests): BodyPlan {
  const { headers } = request
  const { payload } = authentication
  const chunked = payload.kind === 'chunked'
  const sizeBytes = sizeOf(headers, chunked)
  const contentMd5 = parseContentMd5(headers['content-md5'])
  const trailerName = chunked && payload.trailer ? trailerNameOf(headers['x-amz-trailer']) : undefined
  const checksum = checksumOf(request, trailerName, options)
  const { checksumBesides: besides } = options
  return {
    sizeBytes,
    ...(chunked && { chunked: { signed: payload.signed, trailer: payload.trailer } }),
    ...(payload.kind === 'signed' && { sha256Hex: payload.sha256Hex }),
    ...(contentMd5 && { contentMd5 }),
    computeMd5: options.md5 || contentMd5 !== undefined,
    ...(checksum && { checksum }),
    ...(besides && besides !== checksum?.algorithm && { besides }),
    ...(trailerName !== undefined && { trailerName }),
  }
}

function sizeOf(headers: ParsedRequest['headers'], chunked: boolean): number {
  const decoded = headers['x-amz-decoded-content-length']
  const text = chunked ? decoded : (headers['content-length'] ?? emptyUnlessStreamed(headers))
  if (text === undefined) throw s3Error('MissingContentLength')
  if (!/^\d{1,15}$/.test(text)) throw s3Error('InvalidArgument', { message: 'The content length is not a number.' })
  const sizeBytes = Number(text)
  if (sizeBytes > BODY_BYTES_MAX) {
    throw s3Error('EntityTooLarge', {
      details: { ProposedSize: text, MaxSizeAllowed: String(BODY_BYTES_MAX) },
    })
  }
  return sizeBytes
}

/** RFC 9112, section 6.3: a request with neither length nor transfer coding has no body. */
function emptyUnlessStreamed(headers: ParsedRequest['headers']): string | undefined {
  return headers['transfer-encoding'] === undefined ? '0' : undefined
}

function parseContentMd5(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  // A digest that is not checked must not look as if it were.
  if (!hasMd5()) throw s3Error('InvalidRequest', { message: NO_MD5 })
  const md5 = Buffer.from(text, 'base64')
  if (md5.length !== MD5_BYTES || md5.toString('base64') !== text) throw s3Error('InvalidDigest')
  return md5
}

const TRAILER_PREFIX = 'x-amz-checksum-'

function trailerNameOf(text: string | undefined): string {
  const name = text?.trim().toLowerCase() ?? ''
  if (!name.startsWith(TRAILER_PREFIX)) {
    throw s3Error('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    })
  }
  checksumAlgorithmNamed(name.slice(TRAILER_PREFIX.length))
  return name
}

function checksumOf(
  request: ParsedRequest,
  trailerName: string | undefined,
  { checksumAlgorithm: wanted, checksumFallback }: BodyDigests,
): BodyPlan['checksum'] {
  const given = parseChecksumHeader(request.headers)
  if (given !== undefined && trailerName !== undefined) {
    throw s3Error('InvalidRequest', {
      message: 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    })
  }
  const trailing = trailerName && checksumAlgorithmNamed(trailerName.slice(TRAILER_PREFIX.length))
  const algorithm = given?.algorithm ?? (trailing || undefined)
  const declared = request.headers['x-amz-sdk-checksum-algorithm']
  if (algorithm !== undefined && declared !== undefined && declared.toUpperCase() !== algorithm) {
    throw s3Error('InvalidRequest', { message: 'Value for x-amz-sdk-checksum-algorithm header is invalid.' })
  }
  if (algorithm !== undefined && wanted !== undefined && algorithm !== wanted) {
    throw s3Error('InvalidRequest', {
      message: `Checksum Type mismatch occurred, expected checksum Type: ${wanted.toLowerCase()}, actual checksum Type: ${algorithm.toLowerCase()}`,
    })
  }
  const computed = algorithm ?? wanted ?? parseChecksumAlgorithm(request.headers) ?? checksumFallback
  if (computed === undefined) return undefined
  return { algorithm: computed, ...(given && { expected: given.value }) }
}
