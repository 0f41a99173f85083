import type { ParsedRequest } from '../request.ts'

/** The parts of a request that a signature covers. */
export type SignedRequest = Pick<ParsedRequest, 'method' | 'rawPath' | 'rawQuery' | 'headers'>

const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/
const UNRESERVED = /^[A-Za-z0-9\-._~]*$/

/** AWS General Reference, "Create a canonical request", with S3's rule: the path is encoded once and not normalised. */
export function canonicalRequest(
  request: SignedRequest,
  signedHeaders: readonly string[],
  payloadText: string,
  options: { readonly presigned: boolean },
): string {
  const names = signedHeaders.length > 1 ? signedHeaders.toSorted() : signedHeaders
  let headers = ''
  for (const name of names) {
    // A client names them: `constructor` is no header, but every object has it.
    const value = Object.hasOwn(request.headers, name) ? request.headers[name] : undefined
    headers += `${name}:${canonicalValue(value)}\n`
  }
  const path = canonicalPath(request.rawPath)
  const query = request.rawQuery === '' ? '' : canonicalQuery(request.rawQuery, options.presigned)
  return `${request.method}\n${path}\n${query}\n${headers}\n${names.join(';')}\n${payloadText}`
}

function canonicalPath(rawPath: string): string {
  return UNRESERVED_PATH.test(rawPath) ? rawPath : rawPath.split('/').map(recode).join('/')
}

function canonicalQuery(rawQuery: string, presigned: boolean): string {
  const pairs: [name: string, value: string][] = []
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue
    const equalsAt = pair.indexOf('=')
    const name = recode(equalsAt === -1 ? pair : pair.slice(0, equalsAt))
    if (presigned && name === 'X-Amz-Signature') continue
    pairs.push([name, equalsAt === -1 ? '' : recode(pair.slice(equalsAt + 1))])
  }
  pairs.sort(([a, av], [b, bv]) => (a === b ? compare(av, bv) : compare(a, b)))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Whatever the client left unencoded, or encoded in lower case: decoded, then encoded as RFC 3986, section 2.3 has it. */
function recode(text: string): string {
  if (UNRESERVED.test(text)) return text
  const decoded = text.includes('%') ? decodeURIComponent(text) : text
  return encodeURIComponent(decoded).replaceAll(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function canonicalValue(value: string | undefined): string {
  if (value === undefined) return ''
  const trimmed = value.trim()
  return trimmed.includes('  ') ? trimmed.replaceAll(/ +/g, ' ') : trimmed
}
