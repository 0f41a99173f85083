import type { IncomingMessage } from 'node:http'
import { authenticateCall, type CalledApi } from '../authenticate-call.ts'
import { RequestBody } from '../body/request-body.ts'
import type { Exchange } from '../exchange.ts'
import { sendFailure } from '../failure.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type Reply, sendReply } from '../reply.ts'
import { queryApiError } from './errors.ts'
import { toQueryApiError } from './errors-to-query-api.ts'
import { parseForm } from './form.ts'
import { IAM_NAMESPACE, IAM_VERSION, isChange, performIamAction } from './iam-api.ts'
import { renderAnswer, renderFailure } from './render.ts'
import {
  bringsPassword,
  isStsChange,
  needsNoSignature,
  performStsAction,
  STS_NAMESPACE,
  STS_VERSION,
} from './sts-api.ts'

/** Policies are the largest input: up to 10 KB, percent-encoded, beside tags. */
const BODY_BYTES_MAX = 512 * 1024
/** Of who has not proven anything yet: an identity token and a session policy. */
const UNSIGNED_BYTES_MAX = 64 * 1024
const ACTION_CHARACTERS_MAX = 64
/** The service that a signature is for (AWS General Reference, "Credential scope"). */
const OF_STS = /\/sts\/aws4_request[,\s]/
/** IAM and STS are of no region: some clients sign for us-east-1 wherever they are, others for where they are, or for none. */
const REGION = /^[a-z0-9-]{0,32}$/
/** Answers may hold secrets: no cache may keep one. */
const HEADERS = { 'content-type': 'text/xml', 'cache-control': 'no-store' }

/** A request of AWS's Query protocol: what no S3 request looks like. MinIO's clients have no form: all is in the URL. */
export function isQueryApiRequest({ method, url, headers }: IncomingMessage): boolean {
  if (method !== 'POST' || (url !== '/' && url?.startsWith('/?') !== true)) return false
  const type = headers['content-type']
  return type === undefined ? /[?&]Action=/.test(url) : type.startsWith('application/x-www-form-urlencoded')
}

/** Answers a request to the IAM or STS API. Never rejects. */
export async function serveQueryApi(exchange: Exchange, context: GatewayContext): Promise<void> {
  const { requestId } = exchange
  exchange.response.setHeader('x-amzn-requestid', requestId)
  const api = { namespace: IAM_NAMESPACE }
  try {
    await sendReply(exchange.response, await handle(exchange, context, api))
  } catch (error) {
    const failure = toQueryApiError(error, context.options.logger.child({ requestId }))
    exchange.trail.failed(failure.code)
    exchange.errorCode = failure.code
    const body = renderFailure(failure, api.namespace, requestId)
    const retry = failure.status === 503 ? { 'retry-after': 1 } : {}
    const headers = { ...HEADERS, ...retry, 'content-length': Buffer.byteLength(body) }
    sendFailure(exchange, { status: failure.status, headers, body })
  }
}

/** `api`: which it is, as soon as that is known; errors are of its namespace. */
async function handle(exchange: Exchange, context: GatewayContext, api: { namespace: string }): Promise<Reply> {
  await exchange.trail.admit()
  const { authorization } = exchange.request.headers
  const isSts = authorization === undefined || OF_STS.test(authorization)
  if (isSts) api.namespace = STS_NAMESPACE
  if (authorization === undefined) context.limits.admitAddress(exchange.request)
  // Which actions there are is the iam service's to know: all of an API are counted as one.
  exchange.operation = { api: isSts ? 'sts' : 'iam', operation: isSts ? 'STS' : 'IAM' }
  const call =
    authorization === undefined ? undefined : await authenticateCall(exchange, context, isSts ? STS_API : IAM_API)
  const body = call?.body ?? (await new RequestBody(exchange.request, exchange.response).collect(UNSIGNED_BYTES_MAX))
  try {
    // Of who signs, the form alone is looked at.
    const query = call === undefined ? (exchange.request.url ?? '').slice('/?'.length) : ''
    const { Action, Version, ...form } = parseForm(
      query === '' ? body : Buffer.concat([body, Buffer.from(`&${query}`)]),
    )
    const action = typeof Action === 'string' ? Action.slice(0, ACTION_CHARACTERS_MAX) : ''
    if (call === undefined && !needsNoSignature(action)) throw queryApiError('MissingAuthenticationToken')
    if (!/^[A-Za-z]+$/.test(action) || Version !== (isSts ? STS_VERSION : IAM_VERSION)) {
      const message = `Could not find operation ${action} for version ${String(Version).slice(0, 20)}`
      throw queryApiError('InvalidAction', { message })
    }
    const { requestId } = exchange
    if (bringsPassword(action)) await context.limits.admitPassword(exchange.request)
    const isChanging = isSts ? isStsChange(action) : isChange(action)
    await exchange.trail.understood({ service: isSts ? 'sts' : 'iam', operation: action, isChange: isChanging })
    const performed =
      isSts || call === undefined
        ? performStsAction(action, form, call, exchange, context)
        : performIamAction(action, form, call, exchange, context)
    // A proof that is brought in place of a signature can be guessed at just so.
    const result = await (call === undefined ? context.limits.watched(exchange.request, performed) : performed)
    const answer = renderAnswer({ action, namespace: api.namespace, requestId }, result)
    return { status: 200, headers: HEADERS, body: answer }
  } finally {
    // It may hold a password or a token. The texts that are made of it can't be wiped; the garbage collector takes them.
    body.fill(0)
  }
}

/** As with AWS: who is not known learns nothing but that. */
const IAM_API: CalledApi = {
  service: 'iam',
  bodyBytesMax: BODY_BYTES_MAX,
  isRegion: (region) => REGION.test(region),
  refusals: {
    missing: () => queryApiError('MissingAuthenticationToken'),
    unknownKey: () => queryApiError('InvalidClientTokenId'),
    wrongRegion: (region) =>
      queryApiError('SignatureDoesNotMatch', {
        message: `Credential should be scoped to a valid region, not '${region}'.`,
      }),
  },
}

const STS_API: CalledApi = { ...IAM_API, service: 'sts' }
