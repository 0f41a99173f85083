import { invalidArgument, s3Error } from '../errors.ts'
import type { ParsedRequest } from '../request.ts'

/** What the client says of its body before it comes (S3 API, "Signature calculations", x-amz-content-sha256). */
export type PayloadDeclaration =
  | { readonly kind: 'signed'; readonly sha256Hex: string }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'chunked'; readonly signed: boolean; readonly trailer: boolean }

export interface SignedAuthentication {
  readonly kind: 'header' | 'presigned'
  readonly accessKeyId: string
  /** YYYYMMDD. */
  readonly date: string
  readonly region: string
  readonly service: string
  /** Lower-case, in the client's order. */
  readonly signedHeaders: readonly string[]
  /** 64 hex characters. */
  readonly signature: string
  /** YYYYMMDDTHHMMSSZ. */
  readonly timestamp: string
  readonly signedAtMs: number
  /** Presigned only. */
  readonly expiresSeconds?: number
  readonly payload: PayloadDeclaration
  /** What stands for the body in the canonical request. */
  readonly payloadText: string
}

interface AnonymousAuthentication {
  readonly kind: 'anonymous'
  readonly payload: PayloadDeclaration
}

/** `form`: in the fields of its body, by {@link FormSignature}; `v2`: with Signature Version 2. */
export type Authentication =
  | AnonymousAuthentication
  | { readonly kind: 'form'; readonly payload: PayloadDeclaration }
  | { readonly kind: 'v2'; readonly via: 'header' | 'presigned'; readonly payload: PayloadDeclaration }
  | SignedAuthentication

/** The signature of a form's policy (S3 API, "Authenticating requests in browser-based uploads using POST"). */
export interface FormSignature {
  readonly accessKeyId: string
  readonly date: string
  readonly region: string
  readonly service: string
  /** 64 hex characters. */
  readonly signature: string
}

const ALGORITHM = 'AWS4-HMAC-SHA256'
const TERMINATOR = 'aws4_request'
const SIGNATURE = /^[0-9a-f]{64}$/
/** S3 API, "Authenticating requests: using query parameters": seven days. */
const EXPIRES_SECONDS_MAX = 604_800
const SIGNED_HEADERS_MAX = 100
const STREAMING: ReadonlyMap<string, PayloadDeclaration> = new Map([
  ['UNSIGNED-PAYLOAD', { kind: 'unsigned' }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'chunked', signed: false, trailer: true }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'chunked', signed: true, trailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'chunked', signed: true, trailer: true }],
])

/** Reads the Signature Version 4 of a request, by header or in the query. Nothing is verified yet. */
export function parseAuthentication(request: ParsedRequest): AnonymousAuthentication | SignedAuthentication {
  const { authorization } = request.headers
  const presigned = request.query.has('X-Amz-Algorithm') || request.query.has('X-Amz-Signature')
  if (authorization !== undefined && presigned) {
    throw s3Error('InvalidArgument', { message: 'Only one auth mechanism allowed' })
  }
  if (authorization !== undefined) {
    const said = parseAuthorizationHeader(request.headers, authorization, 's3')
    const payloadText = request.headers['x-amz-content-sha256']
    if (payloadText === undefined) {
      throw s3Error('InvalidRequest', { message: 'Missing required header for this request: x-amz-content-sha256' })
    }
    return { ...said, payload: declarationOf(payloadText), payloadText }
  }
  if (presigned) return parsePresigned(request)
  if (request.query.has('AWSAccessKeyId')) throw oldSignature()
  const text = request.headers['x-amz-content-sha256']
  return { kind: 'anonymous', payload: text === undefined ? { kind: 'unsigned' } : declarationOf(text) }
}

/** What an Authorization header says, before it is told what stands for the body. */
export type HeaderAuthentication = Omit<SignedAuthentication, 'payload' | 'payloadText'>

/** Reads the Authorization header of a request to a service of AWS, `s3` or `kms` (AWS General Reference, "Signing requests"). */
export function parseAuthorizationHeader(
  headers: ParsedRequest['headers'],
  authorization: string,
  service: string,
): HeaderAuthentication {
  if (authorization.startsWith('AWS ')) throw oldSignature()
  const rest = authorization.startsWith(ALGORITHM) ? authorization.slice(ALGORITHM.length).trim() : undefined
  if (rest === undefined) throw s3Error('InvalidArgument', { message: 'Unsupported Authorization Type' })
  const fields = new Map<string, string>()
  for (const field of rest.split(',')) {
    const equalsAt = field.indexOf('=')
    fields.set(field.slice(0, equalsAt).trim(), field.slice(equalsAt + 1).trim())
  }
  const malformed = (message: string) => s3Error('AuthorizationHeaderMalformed', { message })
  const timestamp = timestampOf(headers, malformed)
  return {
    kind: 'header',
    ...parseScope(fields.get('Credential'), timestamp, service, malformed),
    ...parseSigned(fields.get('SignedHeaders'), fields.get('Signature'), malformed),
    timestamp,
    signedAtMs: timeOf(timestamp, malformed),
  }
}

function parsePresigned(request: ParsedRequest): SignedAuthentication {
  const malformed = (message: string) => s3Error('AuthorizationQueryParametersError', { message })
  const { query } = request
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) {
    throw malformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
  }
  const timestamp = query.get('X-Amz-Date') ?? ''
  const expires = query.get('X-Amz-Expires') ?? ''
  const expiresSeconds = /^\d{1,9}$/.test(expires) ? Number(expires) : Number.NaN
  if (Number.isNaN(expiresSeconds)) throw malformed('X-Amz-Expires should be a number')
  if (expiresSeconds > EXPIRES_SECONDS_MAX) {
    throw malformed(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  }
  const payloadText = request.headers['x-amz-content-sha256'] ?? query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD'
  return {
    kind: 'presigned',
    ...parseScope(query.get('X-Amz-Credential'), timestamp, 's3', malformed),
    ...parseSigned(query.get('X-Amz-SignedHeaders'), query.get('X-Amz-Signature'), malformed),
    timestamp,
    signedAtMs: timeOf(timestamp, malformed),
    expiresSeconds,
    payload: declarationOf(payloadText),
    payloadText,
  }
}

/** Reads who signed a form's policy; undefined where nobody did. Nothing is verified yet. InvalidArgument. */
export function parseFormSignature(fields: ReadonlyMap<string, string>): FormSignature | undefined {
  if (fields.has('awsaccesskeyid') || fields.has('signature')) throw oldSignature()
  const names = ['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature']
  if (!names.some((name) => fields.has(name))) return undefined
  for (const name of names) {
    if (fields.get(name)) continue
    throw invalidArgument(name, '', `Bucket POST must contain a field named '${name}'.`)
  }
  const malformed = (message: string) => s3Error('InvalidArgument', { message })
  if (fields.get('x-amz-algorithm') !== ALGORITHM) throw malformed(`x-amz-algorithm only supports "${ALGORITHM}"`)
  const timestamp = fields.get('x-amz-date') ?? ''
  timeOf(timestamp, malformed)
  const signature = fields.get('x-amz-signature') ?? ''
  if (!SIGNATURE.test(signature)) throw malformed('Signature is malformed.')
  return { ...parseScope(fields.get('x-amz-credential'), timestamp, 's3', malformed), signature }
}

type Malformed = (message: string) => Error

function parseScope(credential: string | undefined, timestamp: string, expectedService: string, malformed: Malformed) {
  const parts = (credential ?? '').split('/')
  const [accessKeyId = '', date = '', region = '', service = '', terminator] = parts
  if (parts.length !== 5 || accessKeyId === '' || terminator !== TERMINATOR) {
    throw malformed('The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
  }
  if (service !== expectedService) {
    throw malformed(
      `The authorization is malformed; incorrect service "${service}". This endpoint belongs to "${expectedService}".`,
    )
  }
  if (date !== timestamp.slice(0, 8)) {
    throw malformed(
      `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${timestamp.slice(0, 8)}".`,
    )
  }
  return { accessKeyId, date, region, service }
}

function parseSigned(signedHeaders: string | undefined, signature: string | undefined, malformed: Malformed) {
  const names = (signedHeaders ?? '').split(';')
  if (signedHeaders === undefined || signedHeaders === '' || names.length > SIGNED_HEADERS_MAX) {
    throw malformed('SignedHeaders is missing or too long.')
  }
  if (signature === undefined || !SIGNATURE.test(signature)) throw malformed('Signature is missing or malformed.')
  return { signedHeaders: names, signature }
}

function timestampOf(headers: ParsedRequest['headers'], malformed: Malformed): string {
  const amzDate = headers['x-amz-date']
  if (amzDate !== undefined) return amzDate
  const at = Date.parse(headers.date ?? '')
  if (Number.isNaN(at)) {
    throw s3Error('AccessDenied', { message: 'AWS authentication requires a valid Date or x-amz-date header' })
  }
  const timestamp = `${new Date(at).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')}`
  timeOf(timestamp, malformed)
  return timestamp
}

/** Milliseconds of a YYYYMMDDTHHMMSSZ timestamp. */
function timeOf(timestamp: string, malformed: Malformed): number {
  const fits = /^\d{8}T\d{6}Z$/.test(timestamp)
  const at = fits
    ? Date.UTC(
        Number(timestamp.slice(0, 4)),
        Number(timestamp.slice(4, 6)) - 1,
        Number(timestamp.slice(6, 8)),
        Number(timestamp.slice(9, 11)),
        Number(timestamp.slice(11, 13)),
        Number(timestamp.slice(13, 15)),
      )
    : Number.NaN
  if (Number.isNaN(at)) throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
  return at
}

function declarationOf(text: string): PayloadDeclaration {
  const streaming = STREAMING.get(text)
  if (streaming !== undefined) return streaming
  if (/^[0-9a-f]{64}$/.test(text)) return { kind: 'signed', sha256Hex: text }
  throw s3Error('InvalidArgument', {
    message:
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    details: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: text.slice(0, 128) },
  })
}

function oldSignature(): Error {
  return s3Error('InvalidRequest', {
    message: 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  })
}
