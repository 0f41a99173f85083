import { s3Error } from '../errors.ts'
import { SUBRESOURCES } from '../operations.ts'
import type { ParsedRequest } from '../request.ts'

/** Who signed a request with Signature Version 2, and what (S3 API, "Signing and authenticating REST requests", until 2018). */
export interface SignatureV2 {
  readonly via: 'header' | 'presigned' | 'form'
  readonly accessKeyId: string
  /** Base64 of an HMAC-SHA1 under the secret access key. */
  readonly signature: string
  /** A character is a byte as it came. Clients sign the name of a bucket with or without a slash at its end. */
  readonly stringsToSign: readonly string[]
}

/** 20 bytes in base64. */
const SIGNATURE = /^[A-Za-z0-9+/]{27}=$/
const SKEW_MS_MAX = 15 * 60 * 1000
/**
 * Query parameters that are signed: those that say what is asked. The names of operations that are younger than this version (`encryption`,
 * `attributes`, Coffer's own) too, which no client leaves out but one that would make a signature for one operation good for another.
 */
const SIGNED_QUERY: ReadonlySet<string> = SUBRESOURCES.union(
  new Set(
    (
      'accelerate acl analytics cors defaultObjectAcl delete inventory legal-hold lifecycle location logging metrics ' +
      'notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock replication requestPayment ' +
      'response-cache-control response-content-disposition response-content-encoding response-content-language ' +
      'response-content-type response-expires restore retention select select-type storageClass tagging torrent uploadId ' +
      'uploads versionId versioning versions website'
    ).split(' '),
  ),
)

export function isSignedWithV2({ headers, query }: ParsedRequest): boolean {
  return headers.authorization?.startsWith('AWS ') === true || (!headers.authorization && query.has('AWSAccessKeyId'))
}

/**
 * Reads a signature of version 2, and that it is timely. The body is not part of it. InvalidArgument, AccessDenied,
 * RequestTimeTooSkewed.
 */
export function parseSignatureV2(request: ParsedRequest, nowMs: number): SignatureV2 {
  const { headers, query } = request
  const { authorization } = headers
  if (authorization === undefined) {
    const expires = query.get('Expires') ?? ''
    assertNotExpired(expires, nowMs)
    return {
      via: 'presigned',
      ...credentialsOf(query.get('AWSAccessKeyId') ?? '', query.get('Signature') ?? ''),
      stringsToSign: stringsToSign(request, expires),
    }
  }
  const [accessKeyId = '', signature = ''] = authorization.slice('AWS '.length).trim().split(':')
  const amzDate = headers['x-amz-date']
  assertTimely(amzDate ?? headers.date ?? '', nowMs)
  return {
    via: 'header',
    ...credentialsOf(accessKeyId, signature),
    stringsToSign: stringsToSign(request, amzDate === undefined ? (headers.date ?? '') : ''),
  }
}

/** Of a form, whose policy is signed as it was sent; undefined where it is not signed so. InvalidArgument. */
export function parseFormSignatureV2(fields: ReadonlyMap<string, string>): SignatureV2 | undefined {
  const accessKeyId = fields.get('awsaccesskeyid')
  const signature = fields.get('signature')
  if (accessKeyId === undefined && signature === undefined) return undefined
  return {
    via: 'form',
    ...credentialsOf(accessKeyId ?? '', signature ?? ''),
    stringsToSign: [Buffer.from(fields.get('policy') ?? '').toString('latin1')],
  }
}

function credentialsOf(accessKeyId: string, signature: string) {
  if (accessKeyId === '' || signature === '') {
    throw s3Error('InvalidArgument', { message: 'AWS authorization header is invalid.' })
  }
  if (!SIGNATURE.test(signature)) throw s3Error('SignatureDoesNotMatch', { details: { AWSAccessKeyId: accessKeyId } })
  return { accessKeyId, signature }
}

function stringsToSign(
  { method, headers, query, rawPath, bucket, hostBucket }: ParsedRequest,
  date: string,
): readonly string[] {
  const amzHeaders = Object.entries(headers)
    .filter(([name]) => name.startsWith('x-amz-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value = '']) => `${name}:${value.trim()}\n`)
  const signed = [...query]
    .filter(([name]) => SIGNED_QUERY.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  const { 'content-md5': md5 = '', 'content-type': type = '' } = headers
  const path = `${hostBucket ? `/${bucket}` : ''}${rawPath}`
  const paths = path === `/${bucket}` ? [path, `${path}/`] : [path]
  const before = `${method}\n${md5}\n${type}\n${date}\n${amzHeaders.join('')}`
  return paths.map((one) => `${before}${one}${signed.length > 0 ? `?${signed.join('&')}` : ''}`)
}

function assertNotExpired(expires: string, nowMs: number): void {
  if (!/^\d{1,12}$/.test(expires))
    throw s3Error('AccessDenied', { message: `Invalid date (should be seconds since epoch): ${expires.slice(0, 100)}` })
  if (Number(expires) * 1000 < nowMs) throw s3Error('AccessDenied', { message: 'Request has expired' })
}

function assertTimely(date: string, nowMs: number): void {
  const at = Date.parse(date)
  if (Number.isNaN(at) || at < 0) {
    throw s3Error('AccessDenied', { message: 'AWS authentication requires a valid Date or x-amz-date header' })
  }
  if (Math.abs(nowMs - at) <= SKEW_MS_MAX) return
  throw s3Error('RequestTimeTooSkewed', {
    details: {
      RequestTime: date,
      ServerTime: new Date(nowMs).toISOString(),
      MaxAllowedSkewMilliseconds: String(SKEW_MS_MAX),
    },
  })
}
