import { createHash, createHmac } from 'node:crypto'

/**
 * A second, independent reading of AWS Signature Version 4 for requests that no SDK would send. Source: AWS "Signature
 * Calculations for the Authorization Header" and "...Transferring Payload in Multiple Chunks (Chunked Upload)".
 */

export interface SigningKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface Unsigned {
  readonly method: string
  /** Already percent-encoded, as it is sent. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Lower-case names; every one of them is signed. */
  readonly headers: Readonly<Record<string, string>>
  /** The hex SHA-256 of the payload, or one of the special words. */
  readonly payloadHash: string
}

export interface Seed {
  readonly signature: string
  readonly signingKey: Buffer
  readonly timestamp: string
  readonly scope: string
}

export const EMPTY_SHA256 = sha256Hex('')

export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest()
}

/** AWS UriEncode: everything but unreserved characters. */
export function uriEncode(text: string, keepSlash = false): string {
  const encoded = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return keepSlash ? encoded.replaceAll('%2F', '/') : encoded
}

export function queryString(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

export function timestampOf(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
}

export function signingKeyOf(secret: string, day: string, region: string, service = 's3'): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), 'aws4_request')
}

function canonicalRequest(request: Unsigned, names: readonly string[]): string {
  const headers = names.map((name) => `${name}:${(request.headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}\n`)
  return [
    request.method,
    request.path,
    queryString(request.query),
    headers.join(''),
    names.join(';'),
    request.payloadHash,
  ].join('\n')
}

function sign(canonical: string, keys: SigningKeys, timestamp: string, region: string, service = 's3'): Seed {
  const day = timestamp.slice(0, 8)
  const scope = `${day}/${region}/${service}/aws4_request`
  const signingKey = signingKeyOf(keys.secretAccessKey, day, region, service)
  const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256Hex(canonical)}`
  return { signature: hmac(signingKey, toSign).toString('hex'), signingKey, timestamp, scope }
}

/** The headers to send, with `authorization`, and the seed for chunk signatures. */
export function signHeaders(
  request: Unsigned,
  keys: SigningKeys,
  options: { date?: Date; region?: string; service?: string; unsignedHeaders?: readonly string[] } = {},
): { headers: Record<string, string>; seed: Seed } {
  const timestamp = timestampOf(options.date ?? new Date())
  const headers = { ...request.headers, 'x-amz-date': timestamp, 'x-amz-content-sha256': request.payloadHash }
  const names = Object.keys(headers)
    .filter((name) => !options.unsignedHeaders?.includes(name))
    .sort()
  const canonical = canonicalRequest({ ...request, headers }, names)
  const seed = sign(canonical, keys, timestamp, options.region ?? 'us-east-1', options.service)
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${seed.scope}, ` +
    `SignedHeaders=${names.join(';')}, Signature=${seed.signature}`
  return { headers: { ...headers, authorization }, seed }
}

/** The query of a presigned URL, signature included. */
export function presignQuery(
  request: Unsigned,
  keys: SigningKeys,
  options: { date?: Date; region?: string; expiresSeconds?: number } = {},
): Record<string, string> {
  const timestamp = timestampOf(options.date ?? new Date())
  const region = options.region ?? 'us-east-1'
  const names = Object.keys(request.headers).sort()
  const query = {
    ...request.query,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': `${keys.accessKeyId}/${timestamp.slice(0, 8)}/${region}/s3/aws4_request`,
    'X-Amz-Date': timestamp,
    'X-Amz-Expires': String(options.expiresSeconds ?? 300),
    'X-Amz-SignedHeaders': names.join(';'),
  }
  const { signature } = sign(canonicalRequest({ ...request, query }, names), keys, timestamp, region)
  return { ...query, 'X-Amz-Signature': signature }
}

/** An aws-chunked body with a signature for each chunk, and for the trailer where there is one. */
export function signedChunks(
  payload: Uint8Array,
  chunkSizeBytes: number,
  seed: Seed,
  trailer?: { name: string; value: string },
): Buffer {
  const pieces: Buffer[] = []
  let previous = seed.signature
  const next = (algorithm: string, ...rest: string[]): string => {
    const toSign = [algorithm, seed.timestamp, seed.scope, previous, ...rest].join('\n')
    previous = hmac(seed.signingKey, toSign).toString('hex')
    return previous
  }
  for (let offset = 0; offset <= payload.length; offset += chunkSizeBytes) {
    const chunk = payload.subarray(offset, offset + chunkSizeBytes)
    if (chunk.length === 0) break
    const signature = next('AWS4-HMAC-SHA256-PAYLOAD', EMPTY_SHA256, sha256Hex(chunk))
    pieces.push(
      Buffer.from(`${chunk.length.toString(16)};chunk-signature=${signature}\r\n`),
      Buffer.from(chunk),
      Buffer.from('\r\n'),
    )
  }
  const last = next('AWS4-HMAC-SHA256-PAYLOAD', EMPTY_SHA256, EMPTY_SHA256)
  pieces.push(Buffer.from(`0;chunk-signature=${last}\r\n`))
  if (trailer !== undefined) {
    const line = `${trailer.name}:${trailer.value}`
    const signature = next('AWS4-HMAC-SHA256-TRAILER', sha256Hex(`${line}\n`))
    pieces.push(Buffer.from(`${line}\r\nx-amz-trailer-signature:${signature}\r\n`))
  }
  pieces.push(Buffer.from('\r\n'))
  return Buffer.concat(pieces)
}

/** An aws-chunked body without signatures, with a trailer (STREAMING-UNSIGNED-PAYLOAD-TRAILER). */
export function unsignedChunks(
  payload: Uint8Array,
  chunkSizeBytes: number,
  trailer: { name: string; value: string },
): Buffer {
  const pieces: Buffer[] = []
  for (let offset = 0; offset < payload.length; offset += chunkSizeBytes) {
    const chunk = payload.subarray(offset, offset + chunkSizeBytes)
    pieces.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), Buffer.from(chunk), Buffer.from('\r\n'))
  }
  pieces.push(Buffer.from(`0\r\n${trailer.name}:${trailer.value}\r\n\r\n`))
  return Buffer.concat(pieces)
}
