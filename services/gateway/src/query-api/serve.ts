import type { IncomingMessage } from 'node:http'
import { authenticateCall, type CalledApi } from '../authenticate-call.ts'
import type { Exchange } from '../exchange.ts'
import { sendFailure } from '../failure.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type Reply, sendReply } from '../reply.ts'
import { queryApiError } from './errors.ts'
import { toQueryApiError } from './errors-to-query-api.ts'
import { parseForm } from './form.ts'
import { IAM_NAMESPACE, IAM_VERSION, isChange, performIamAction } from './iam-api.ts'
import { renderAnswer, renderFailure } from './render.ts'

/** Policies are the largest input: up to 10 KB, percent-encoded, beside tags. */
const BODY_BYTES_MAX = 512 * 1024
const ACTION_CHARACTERS_MAX = 64
/** IAM is of no region: some clients sign for us-east-1 wherever they are, others for where they are. */
const REGION = /^[a-z0-9-]{1,32}$/
/** Answers may hold secrets: no cache may keep one. */
const HEADERS = { 'content-type': 'text/xml', 'cache-control': 'no-store' }

/** A request of AWS's Query protocol: what no S3 request looks like. */
export function isQueryApiRequest({ method, url, headers }: IncomingMessage): boolean {
  const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true
  return method === 'POST' && isForm && (url === '/' || url?.startsWith('/?') === true)
}

/** Answers a request to the IAM API. Never rejects. */
export async function serveQueryApi(exchange: Exchange, context: GatewayContext): Promise<void> {
  const { requestId } = exchange
  exchange.response.setHeader('x-amzn-requestid', requestId)
  try {
    await sendReply(exchange.response, await handle(exchange, context))
  } catch (error) {
    const failure = toQueryApiError(error, context.options.logger.child({ requestId }))
    exchange.trail.failed(failure.code)
    const body = renderFailure(failure, IAM_NAMESPACE, requestId)
    const retry = failure.status === 503 ? { 'retry-after': 1 } : {}
    const headers = { ...HEADERS, ...retry, 'content-length': Buffer.byteLength(body) }
    sendFailure(exchange, { status: failure.status, headers, body })
  }
}

async function handle(exchange: Exchange, context: GatewayContext): Promise<Reply> {
  await exchange.trail.admit()
  const call = await authenticateCall(exchange, context, IAM_API)
  try {
    const { Action, Version, ...form } = parseForm(call.body)
    const action = typeof Action === 'string' ? Action.slice(0, ACTION_CHARACTERS_MAX) : ''
    if (!/^[A-Za-z]+$/.test(action) || Version !== IAM_VERSION) {
      const message = `Could not find operation ${action} for version ${String(Version).slice(0, 20)}`
      throw queryApiError('InvalidAction', { message })
    }
    await exchange.trail.understood({ service: 'iam', operation: action, isChange: isChange(action) })
    const result = await performIamAction(action, form, call, exchange, context)
    const about = { action, namespace: IAM_NAMESPACE, requestId: exchange.requestId }
    return { status: 200, headers: HEADERS, body: renderAnswer(about, result) }
  } finally {
    // It may hold a password. The texts that are made of it can't be wiped; the garbage collector takes them.
    call.body.fill(0)
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
