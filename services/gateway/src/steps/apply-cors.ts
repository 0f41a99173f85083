import { CORS_VARY, corsHeaders, corsRequestOf, findCorsRule, PREFLIGHT, s3Error } from '@coffer/s3-protocol'
import type { GatewayContext } from '../gateway-context.ts'
import type { UnderstoodRequest } from '../requests.ts'

type Headers = Readonly<Record<string, string>>

const METHOD = /^[A-Z]{1,20}$/

/**
 * What a browser is told of a request across origins: the same whatever becomes of the request, so that a page can read a
 * refusal too. It opens nothing: who may do what is decided later, without regard to origins. A preflight that no rule of the
 * bucket allows is AccessForbidden; BadRequest for one that does not say what is to come (S3 API, OPTIONS object).
 */
export async function applyCors({ parsed }: UnderstoodRequest, context: GatewayContext): Promise<Headers> {
  const isPreflight = parsed.operation === PREFLIGHT
  const request = corsRequestOf(parsed.method, parsed.headers)
  if (isPreflight) assertNamesOrigin(parsed.headers)
  if (isPreflight && parsed.bucket !== '') await assertIsEnabled(parsed, context)
  if (isPreflight) assertNamesMethod(parsed.headers)
  if (request === undefined || parsed.bucket === '') return {}
  const rules = (await context.buckets.find(parsed.bucket))?.config.cors
  if (rules === undefined) return {}
  const rule = findCorsRule(rules, request)
  if (rule !== undefined) return corsHeaders(rule, request)
  // A cache must not give this answer to another origin.
  if (!isPreflight) return { vary: CORS_VARY }
  throw s3Error('AccessForbidden', {
    message:
      'CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource\u2019s CORS spec.',
    details: { Method: request.method.slice(0, 20), ResourceType: parsed.key === '' ? 'BUCKET' : 'OBJECT' },
  })
}

type Named = Readonly<Record<string, string | undefined>>

/** Before it is asked for what (recorded of AWS by LocalStack, test_cors_http_options_no_config and ..._non_existent_bucket). */
async function assertIsEnabled(
  { bucket, headers }: UnderstoodRequest['parsed'],
  context: GatewayContext,
): Promise<void> {
  const found = await context.buckets.find(bucket)
  if (found?.config.cors !== undefined) return
  const why = found === undefined ? 'Bucket not found' : 'CORS is not enabled for this bucket.'
  const method = headers['access-control-request-method'] ?? ''
  throw s3Error('AccessForbidden', {
    message: `CORSResponse: ${why}`,
    details: { Method: METHOD.test(method) ? method : 'OPTIONS', ResourceType: 'BUCKET' },
  })
}

function assertNamesOrigin(headers: Named): void {
  if (!headers.origin) {
    throw s3Error('BadRequest', { message: 'Insufficient information. Origin request header needed.' })
  }
}

function assertNamesMethod(headers: Named): void {
  const method = headers['access-control-request-method'] ?? ''
  if (!METHOD.test(method)) {
    throw s3Error('BadRequest', { message: `Invalid Access-Control-Request-Method: ${method.slice(0, 20)}` })
  }
}
