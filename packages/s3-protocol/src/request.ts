import { controlTargetOf } from './control-request.ts'
import { s3Error } from './errors.ts'
import { type OperationName, operationOf } from './operations.ts'

/** A request as it came: lower-cased header names; `url` is the request target, undecoded. */
export interface RawRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly secure: boolean
}

/** A request that is understood. Names are decoded and within their limits. */
export interface ParsedRequest {
  readonly operation: OperationName
  readonly method: string
  /** '' where none is named. */
  readonly bucket: string
  readonly key: string
  /** Decoded; of a repeated name the first. */
  readonly query: ReadonlyMap<string, string>
  /** As on the wire: what is signed. */
  readonly rawPath: string
  readonly rawQuery: string
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The bucket came in the host name. */
  readonly hostBucket: boolean
  readonly secure: boolean
}

/** S3 User Guide, "Object key naming": 1,024 bytes of UTF-8. */
export const KEY_BYTES_MAX = 1024
/** The longest that S3 ever had; what a new name may be is stricter. */
const BUCKET_CHARS_MAX = 255
export const QUERY_PARAMETERS_MAX = 100

/**
 * Parses the request line and headers: path or virtual-host style, operation, bucket, key, query.
 * InvalidURI, KeyTooLongError, MethodNotAllowed.
 */
export function parseRequest(raw: RawRequest, options: { readonly virtualHosts: readonly string[] }): ParsedRequest {
  const { rawPath, rawQuery } = splitTarget(raw.url)
  const headers = singleValues(raw.headers)
  const control = controlTargetOf({ rawPath, headers })
  const hostBucket = control ? undefined : bucketOfHost(headers.host, options.virtualHosts)
  const { bucket, key } = control ? { bucket: control.bucket, key: '' } : namesIn(rawPath, hostBucket)
  const query = parseQuery(rawQuery)
  const target = control?.target ?? (bucket === '' ? 'service' : key === '' ? 'bucket' : 'object')
  return {
    operation: operationOf(raw.method, target, query, headers),
    method: raw.method,
    bucket,
    key,
    query,
    rawPath,
    rawQuery,
    headers,
    hostBucket: hostBucket !== undefined,
    secure: raw.secure,
  }
}

function splitTarget(url: string): { rawPath: string; rawQuery: string } {
  // RFC 9112, section 3.2.2: a client may send the absolute form.
  const target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '')
  const queryAt = target.indexOf('?')
  const rawPath = queryAt === -1 ? target : target.slice(0, queryAt)
  if (rawPath !== '' && !rawPath.startsWith('/')) throw s3Error('InvalidURI')
  return { rawPath: rawPath || '/', rawQuery: queryAt === -1 ? '' : target.slice(queryAt + 1) }
}

/** node:http joins repeated headers with a comma; only set-cookie is a list. */
function singleValues(headers: RawRequest['headers']): Readonly<Record<string, string | undefined>> {
  return headers as Readonly<Record<string, string | undefined>>
}

/** The bucket in the host name of a virtual-host style request. */
export function bucketOfHost(host: string | undefined, virtualHosts: readonly string[]): string | undefined {
  if (host === undefined) return undefined
  const portAt = host.lastIndexOf(':')
  const name = (portAt > host.lastIndexOf(']') ? host.slice(0, portAt) : host).toLowerCase()
  for (const domain of virtualHosts) {
    if (name.length > domain.length + 1 && name.endsWith(`.${domain}`)) return name.slice(0, -domain.length - 1)
  }
  return undefined
}

function namesIn(rawPath: string, hostBucket: string | undefined): { bucket: string; key: string } {
  return hostBucket === undefined ? splitPath(rawPath) : { bucket: hostBucket, key: decodeKey(rawPath.slice(1)) }
}

function splitPath(rawPath: string): { bucket: string; key: string } {
  const keyAt = rawPath.indexOf('/', 1)
  const bucket = decode(keyAt === -1 ? rawPath.slice(1) : rawPath.slice(1, keyAt))
  if (bucket.length > BUCKET_CHARS_MAX || bucket.includes('\0')) throw s3Error('InvalidBucketName')
  return { bucket, key: keyAt === -1 ? '' : decodeKey(rawPath.slice(keyAt + 1)) }
}

function decodeKey(rawKey: string): string {
  const key = decode(rawKey)
  assertKey(key)
  return key
}

/** KeyTooLongError; InvalidURI for NUL, which XML could not carry back. */
export function assertKey(key: string): void {
  // A character has at most 3 bytes for each UTF-16 unit: most keys need no counting.
  if (key.length * 3 > KEY_BYTES_MAX && Buffer.byteLength(key) > KEY_BYTES_MAX) {
    throw s3Error('KeyTooLongError', {
      details: { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: String(KEY_BYTES_MAX) },
    })
  }
  if (key.includes('\0')) throw s3Error('InvalidURI')
}

function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw s3Error('InvalidURI', { cause })
  }
}

function parseQuery(rawQuery: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>()
  for (const [name, value] of queryPairs(rawQuery)) if (!query.has(name)) query.set(name, value)
  return query
}

/** All values of a query parameter that may be given more than once. */
export function queryValues({ rawQuery }: Pick<ParsedRequest, 'rawQuery'>, wanted: string): readonly string[] {
  return queryPairs(rawQuery).flatMap(([name, value]) => (name === wanted ? [value] : []))
}

function queryPairs(rawQuery: string): readonly (readonly [name: string, value: string])[] {
  if (rawQuery === '') return []
  const pairs = rawQuery.split('&')
  if (pairs.length > QUERY_PARAMETERS_MAX) throw s3Error('InvalidURI')
  return pairs
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equalsAt = pair.indexOf('=')
      if (equalsAt === -1) return [decodeForm(pair), '']
      return [decodeForm(pair.slice(0, equalsAt)), decodeForm(pair.slice(equalsAt + 1))]
    })
}

/** In a query `+` is a space, as every S3 client that sends one means it. */
function decodeForm(text: string): string {
  return decode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}
