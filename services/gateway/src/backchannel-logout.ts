import type { IncomingMessage } from 'node:http'
import { isCofferError } from '@coffer/errors'
import { S3Error } from '@coffer/s3-protocol'
import { RequestBody } from './body/request-body.ts'
import type { Exchange } from './exchange.ts'
import { sendFailure } from './failure.ts'
import type { GatewayContext } from './gateway-context.ts'
import { sendReply } from './reply.ts'

/*
 * OpenID Connect Back-Channel Logout 1.0: a provider tells that somebody has logged out there. Unsigned: the token in the form is the proof.
 */

/** What a client's `backchannel_logout_uri` ends with at its provider. No bucket can be called so. */
const PATH = '/.coffer/oidc/backchannel-logout'
const FORM = 'application/x-www-form-urlencoded'
/** A token, percent-encoded, and whatever else a provider sends, which is passed over (RFC 6749, section 3.2). */
const BODY_BYTES_MAX = 64 * 1024
/** Section 2.8: no cache may keep an answer. */
const HEADERS = { 'cache-control': 'no-store' }
const RETRY_AFTER_SECONDS = 5

/** Section 2.8 has one status for whatever is wrong with a request. 503 is for what the provider may try again. */
const UNBELIEVED = 'the logout token is not believed'
const FAILURES: Readonly<Record<string, string>> = {
  IAM_INVALID_IDENTITY_TOKEN: UNBELIEVED,
  IAM_IDENTITY_TOKEN_EXPIRED: UNBELIEVED,
  EntityTooLarge: 'the form is too large',
  IncompleteBody: 'the form is not whole',
}

export function isBackchannelLogout({ method, url }: IncomingMessage): boolean {
  return method === 'POST' && url === PATH
}

/** Never rejects. */
export async function serveBackchannelLogout(exchange: Exchange, context: GatewayContext): Promise<void> {
  try {
    await handle(exchange, context)
    await sendReply(exchange.response, { status: 200, headers: HEADERS })
  } catch (error) {
    fail(exchange, context, error)
  }
}

async function handle(exchange: Exchange, { options, limits }: GatewayContext): Promise<void> {
  const { request, response, trail } = exchange
  exchange.operation = { api: 'sts', operation: 'STS' }
  await trail.admit()
  limits.admitAddress(request)
  if (request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() !== FORM) {
    throw new LogoutRequestError(`the body has to be ${FORM}`)
  }
  const body = await new RequestBody(request, response).collect(BODY_BYTES_MAX)
  const tokens = new URLSearchParams(body.toString('latin1')).getAll('logout_token')
  const [token] = tokens
  if (token === undefined || tokens.length > 1) throw new LogoutRequestError('one logout_token is needed')
  await trail.understood({ service: 'sts', operation: 'BackchannelLogout', isChange: true })
  const { providers } = await limits.watched(request, options.mesh.use('iam').logOut(token))
  trail.verified()
  trail.names({ resource: providers.join(' ') })
}

class LogoutRequestError extends Error {}

/** RFC 6749, section 5.2, as section 2.8 says. Nothing of the token is told, nor whether anybody is known. */
function fail(exchange: Exchange, { options }: GatewayContext, error: unknown): void {
  const code = isCofferError(error) || error instanceof S3Error ? error.code : undefined
  const why = error instanceof LogoutRequestError ? error.message : FAILURES[code ?? '']
  // Of these anybody could write as many into the log as they like.
  if (why === undefined && code !== 'SlowDown' && code !== 'IAM_IDENTITY_PROVIDER_UNREACHABLE') {
    const logger = options.logger.child({ requestId: exchange.requestId })
    logger.error({ err: error, ...(code !== undefined && { code }) }, 'a log-out at an identity provider was not heard')
  }
  const said =
    why === undefined
      ? { error: 'temporarily_unavailable', error_description: 'try again' }
      : { error: 'invalid_request', error_description: why }
  exchange.trail.failed(said.error)
  exchange.errorCode = said.error
  const body = JSON.stringify(said)
  const headers = {
    ...HEADERS,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...(why === undefined && { 'retry-after': RETRY_AFTER_SECONDS }),
  }
  sendFailure(exchange, { status: why === undefined ? 503 : 400, headers, body })
}
