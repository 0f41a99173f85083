import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { s3Error } from '../errors.ts'
import type { FormSignature, SignedAuthentication } from './authentication.ts'
import { canonicalRequest, type SignedRequest } from './canonical-request.ts'

/** S3 API: requests may be 15 minutes off. */
const SKEW_MS_MAX = 15 * 60 * 1000

/** The day's signing key of an access key (AWS General Reference, "Derive a signing key"). 32 bytes. */
export function deriveSigningKey(secretAccessKey: Uint8Array, date: string, region: string, service: string): Buffer {
  const first = Buffer.concat([Buffer.from('AWS4'), secretAccessKey])
  const signingKey = [date, region, service, 'aws4_request'].reduce<Buffer>(
    (key, text) => createHmac('sha256', key).update(text).digest(),
    first,
  )
  first.fill(0)
  return signingKey
}

/**
 * Verifies the signature of a request and that it is timely. SignatureDoesNotMatch, RequestTimeTooSkewed, AccessDenied
 * (expired, or headers that had to be signed and are not). `seedSignature` begins the chain of a signed chunked body.
 */
export function verifySignature(
  request: SignedRequest,
  authentication: SignedAuthentication,
  signingKey: Uint8Array,
  nowMs: number,
): { seedSignature: string } {
  assertTimely(authentication, nowMs)
  assertHeadersSigned(request, authentication)
  const { signedHeaders, payloadText, timestamp, date, region, service } = authentication
  const presigned = authentication.kind === 'presigned'
  const canonical = canonicalRequest(request, signedHeaders, payloadText, { presigned })
  const scope = `${date}/${region}/${service}/aws4_request`
  // A character of a header is a byte as it came, and those bytes are what the client signed: UTF-8 metadata too.
  const digest = hash('sha256', Buffer.from(canonical, 'latin1'))
  const stringToSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${digest}`
  const expected = createHmac('sha256', signingKey).update(stringToSign).digest()
  if (!timingSafeEqual(expected, Buffer.from(authentication.signature, 'hex'))) {
    throw s3Error('SignatureDoesNotMatch', { details: { AWSAccessKeyId: authentication.accessKeyId } })
  }
  return { seedSignature: authentication.signature }
}

/** Verifies the signature of a form's policy, which is signed as it was sent: in base64. SignatureDoesNotMatch. */
export function verifyFormSignature(
  policy: string,
  { accessKeyId, signature }: FormSignature,
  signingKey: Uint8Array,
): void {
  const expected = createHmac('sha256', signingKey).update(policy).digest()
  if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) {
    throw s3Error('SignatureDoesNotMatch', { details: { AWSAccessKeyId: accessKeyId } })
  }
}

function assertTimely({ kind, signedAtMs, expiresSeconds }: SignedAuthentication, nowMs: number): void {
  const ageMs = nowMs - signedAtMs
  if (kind === 'presigned') {
    if (ageMs > (expiresSeconds ?? 0) * 1000) throw s3Error('AccessDenied', { message: 'Request has expired' })
    if (-ageMs > SKEW_MS_MAX) throw s3Error('AccessDenied', { message: 'Request is not yet valid' })
  } else if (Math.abs(ageMs) > SKEW_MS_MAX) {
    throw s3Error('RequestTimeTooSkewed', {
      details: {
        RequestTime: new Date(signedAtMs).toISOString(),
        ServerTime: new Date(nowMs).toISOString(),
        MaxAllowedSkewMilliseconds: String(SKEW_MS_MAX),
      },
    })
  }
}

/** What is not signed could be changed on the way: host and every x-amz- header must be. */
function assertHeadersSigned(request: SignedRequest, { kind, signedHeaders }: SignedAuthentication): void {
  const unsigned: string[] = []
  if (!signedHeaders.includes('host')) unsigned.push('host')
  for (const name in request.headers) {
    if (!name.startsWith('x-amz-') || signedHeaders.includes(name)) continue
    // In the query form the payload's hash has a parameter of its own; the header is then only a repetition.
    if (kind === 'presigned' && name === 'x-amz-content-sha256') continue
    unsigned.push(name)
  }
  if (unsigned.length > 0) {
    throw s3Error('AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      details: { HeadersNotSigned: unsigned.join(', ') },
    })
  }
}
