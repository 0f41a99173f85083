/** A rule of a bucket's CORS configuration (S3 API, CORSRule). */
export interface CorsRule {
  readonly id?: string
  /** Each with at most one `*`. */
  readonly allowedOrigins: readonly string[]
  readonly allowedMethods: readonly CorsMethod[]
  /** Each with at most one `*`; compared without regard to case. */
  readonly allowedHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeSeconds?: number
}

export const CORS_METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD'] as const
export type CorsMethod = (typeof CORS_METHODS)[number]

/** What the answer depends on, for caches (RFC 9110, section 12.5.5). */
export const CORS_VARY = 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method'

/** What a browser says of a request across origins (Fetch Standard, section 3.3, "CORS protocol"). */
export interface CorsRequest {
  readonly origin: string
  readonly method: string
  /** Of a preflight: lower-case names from Access-Control-Request-Headers. */
  readonly headers: readonly string[]
}

/** The first rule that allows the request: the one that counts (S3 User Guide, "How does Amazon S3 evaluate the CORS configuration"). */
export function findCorsRule(rules: readonly CorsRule[], request: CorsRequest): CorsRule | undefined {
  return rules.find(
    ({ allowedOrigins, allowedMethods, allowedHeaders }) =>
      allowedOrigins.some((pattern) => matches(pattern, request.origin)) &&
      allowedMethods.some((method) => method === request.method) &&
      request.headers.every((name) => allowedHeaders.some((pattern) => matches(pattern.toLowerCase(), name))),
  )
}

/** What the browser is told. A rule for every origin says so, and then no credentials of the browser go with the request. */
export function corsHeaders(rule: CorsRule, { origin, headers }: CorsRequest): Record<string, string> {
  const isForAll = rule.allowedOrigins.includes('*')
  return {
    'access-control-allow-origin': isForAll ? '*' : origin,
    'access-control-allow-methods': rule.allowedMethods.join(', '),
    ...(!isForAll && { 'access-control-allow-credentials': 'true' }),
    ...(headers.length > 0 && { 'access-control-allow-headers': headers.join(', ') }),
    ...(rule.exposeHeaders.length > 0 && { 'access-control-expose-headers': rule.exposeHeaders.join(', ') }),
    ...(rule.maxAgeSeconds !== undefined && { 'access-control-max-age': String(rule.maxAgeSeconds) }),
    vary: CORS_VARY,
  }
}

/** A request across origins, or undefined where it is none. A preflight names the method that is to come. */
export function corsRequestOf(
  method: string,
  headers: Readonly<Record<string, string | undefined>>,
): CorsRequest | undefined {
  const { origin } = headers
  if (origin === undefined || origin === '') return undefined
  const named = headers['access-control-request-headers'] ?? ''
  return {
    origin,
    method: headers['access-control-request-method'] ?? method,
    headers: method === 'OPTIONS' ? namesIn(named) : [],
  }
}

function namesIn(list: string): string[] {
  const names = list.split(',').map((name) => name.trim().toLowerCase())
  return names.filter((name) => name !== '')
}

/** `*` stands for any text, the empty one too. */
function matches(pattern: string, text: string): boolean {
  const at = pattern.indexOf('*')
  if (at === -1) return pattern === text
  const [before, after] = [pattern.slice(0, at), pattern.slice(at + 1)]
  return text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after)
}
