import { createHmac, hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { parseRequest } from '../request.ts'
import { parseAuthentication } from './authentication.ts'
import { canonicalRequest } from './canonical-request.ts'
import { deriveSigningKey, verifySignature } from './verify.ts'

const SECRET = Buffer.from('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')
const NOW_MS = Date.UTC(2026, 0, 2, 0, 5)
const TIMESTAMP = '20260102T000500Z'
const MINUTE_MS = 60_000
const DEFAULT_HEADERS = ['host', 'x-amz-content-sha256', 'x-amz-date']

interface Signing {
  readonly signedHeaders?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  readonly timestamp?: string
  readonly date?: string
  readonly service?: string
}

function requestOf(headers: Readonly<Record<string, string>>) {
  const raw = { method: 'PUT', url: '/bucket/key?acl', headers: { host: 'localhost', ...headers }, secure: true }
  return parseRequest(raw, { virtualHosts: [] })
}

/** A request with a right signature over what it says it is over, as the holder of the secret makes it. */
function signed({
  signedHeaders = DEFAULT_HEADERS,
  headers = {},
  timestamp = TIMESTAMP,
  date = timestamp.slice(0, 8),
  service = 's3',
}: Signing = {}) {
  const unsigned = { 'x-amz-date': timestamp, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...headers }
  const canonical = canonicalRequest(requestOf(unsigned), signedHeaders, 'UNSIGNED-PAYLOAD', { presigned: false })
  const scope = `${date}/us-east-1/${service}/aws4_request`
  const text = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${hash('sha256', canonical)}`
  const signature = createHmac('sha256', keyOf(date, service)).update(text).digest('hex')
  const credential = `Credential=AKIDEXAMPLE/${scope}`
  const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return requestOf({ ...unsigned, authorization })
}

function keyOf(date = '20260102', service = 's3') {
  return deriveSigningKey(SECRET, date, 'us-east-1', service)
}

function verify(request: ReturnType<typeof requestOf>, nowMs = NOW_MS, key = keyOf()) {
  const authentication = parseAuthentication(request)
  if (authentication.kind === 'anonymous') throw new Error('it is signed')
  return verifySignature(request, authentication, key, nowMs)
}

const refused = (code: string) => expect.objectContaining({ code })

describe('a request that its sender has signed rightly', () => {
  it('is let in', () => {
    expect(verify(signed()).seedSignature).toMatch(/^[0-9a-f]{64}$/)
    expect(() =>
      verify(signed({ headers: { 'x-amz-acl': 'private' }, signedHeaders: [...DEFAULT_HEADERS, 'x-amz-acl'] })),
    ).not.toThrow()
  })

  it('is refused where the host is not signed: it could be sent to another server', () => {
    const request = signed({ signedHeaders: DEFAULT_HEADERS.filter((name) => name !== 'host') })
    expect(() => verify(request)).toThrow(refused('AccessDenied'))
  })

  it.each(['x-amz-acl', 'x-amz-security-token', 'x-amz-copy-source'])(
    'is refused where %s is not signed: somebody on the way could have added it',
    (name) => {
      expect(() => verify(signed({ headers: { [name]: 'value' } }))).toThrow(refused('AccessDenied'))
    },
  )

  it.each(['x-amz-date', 'x-amz-content-sha256'])('is refused where %s is not signed', (name) => {
    const request = signed({ signedHeaders: DEFAULT_HEADERS.filter((one) => one !== name) })
    expect(() => verify(request)).toThrow(refused('AccessDenied'))
  })

  it.each([
    [-15 * MINUTE_MS - 1, false],
    [-15 * MINUTE_MS, true],
    [15 * MINUTE_MS, true],
    [15 * MINUTE_MS + 1, false],
  ])('is let in within 15 minutes only (%d ms off: %s)', (offMs, isLetIn) => {
    const attempt = expect(() => verify(signed(), NOW_MS + offMs))
    if (isLetIn) attempt.not.toThrow()
    else attempt.toThrow(refused('RequestTimeTooSkewed'))
  })

  it('is refused where its key is of another day than its time: a key of the day is good for no other', () => {
    const malformed = refused('AuthorizationHeaderMalformed')
    expect(() => parseAuthentication(signed({ date: '20260101' }))).toThrow(malformed)
    expect(() => verify(signed(), NOW_MS, keyOf('20260101'))).toThrow(refused('SignatureDoesNotMatch'))
  })

  it('is refused where it is signed in two ways: which of them counts, others may see otherwise', () => {
    const twice = signed()
    const query = new Map([...twice.query, ['X-Amz-Signature', '0'.repeat(64)]])
    expect(() => parseAuthentication({ ...twice, query })).toThrow(refused('InvalidArgument'))
  })

  it('is refused where its key is of another service, or of another secret', () => {
    expect(() => parseAuthentication(signed({ service: 'kms' }))).toThrow(refused('AuthorizationHeaderMalformed'))
    const wrong = refused('SignatureDoesNotMatch')
    expect(() => verify(signed(), NOW_MS, keyOf('20260102', 'kms'))).toThrow(wrong)
    const other = deriveSigningKey(Buffer.from('another secret'), '20260102', 'us-east-1', 's3')
    expect(() => verify(signed(), NOW_MS, other)).toThrow(wrong)
  })

  it.each([
    ['method', { method: 'DELETE' }],
    ['path', { rawPath: '/bucket/other' }],
    ['query', { rawQuery: 'policy' }],
    ['added query', { rawQuery: 'acl&versionId=1' }],
    ['no query', { rawQuery: '' }],
    ['host', { headers: { ...signed().headers, host: 'elsewhere' } }],
    ['time', { headers: { ...signed().headers, 'x-amz-date': '20260102T000501Z' } }],
  ])('is refused with another %s', (_what, change) => {
    expect(() => verify({ ...signed(), ...change })).toThrow(refused('SignatureDoesNotMatch'))
  })
})
