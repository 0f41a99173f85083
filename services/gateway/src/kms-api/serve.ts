import type { IncomingMessage } from 'node:http'
import type { Principal } from '@coffer/contracts'
import type { Exchange } from '../exchange.ts'
import { sendFailure } from '../failure.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { type Reply, sendReply } from '../reply.ts'
import type { SigningKey } from '../signing-keys.ts'
import { authenticate } from './authenticate.ts'
import { authorize } from './authorize.ts'
import { type KmsApiError, kmsApiError } from './errors.ts'
import { toKmsApiError } from './errors-to-kms-api.ts'
import { NamedKeys } from './named-keys.ts'
import type { KmsApiCall } from './operation.ts'

const TARGET_HEADER = 'x-amz-target'
const TARGET_PREFIX = 'TrentService.'
const OPERATION_CHARACTERS_MAX = 64
const KEY_NAME_CHARACTERS_MAX = 300
/** AWS JSON 1.1 (Smithy, "AWS JSON 1.1 protocol"). Answers may hold plaintext keys: no cache may keep one. */
const HEADERS = { 'content-type': 'application/x-amz-json-1.1', 'cache-control': 'no-store' }

/** A request to the AWS KMS API: what no S3 request looks like. */
export function isKmsApiRequest({ method, url, headers }: IncomingMessage): boolean {
  return method === 'POST' && headers[TARGET_HEADER] !== undefined && (url === '/' || url?.startsWith('/?') === true)
}

/** Answers a request to the AWS KMS API. Never rejects. */
export async function serveKmsApi(exchange: Exchange, context: GatewayContext): Promise<void> {
  exchange.response.setHeader('x-amzn-requestid', exchange.requestId)
  try {
    await sendReply(exchange.response, await handle(exchange, context))
  } catch (error) {
    const logger = context.options.logger.child({ requestId: exchange.requestId })
    const failure = toKmsApiError(error, logger)
    exchange.trail.failed(failure.code)
    exchange.errorCode = failure.code
    const body = JSON.stringify({ __type: failure.code, message: failure.message })
    sendFailure(exchange, { status: failure.status, headers: { ...HEADERS, ...headersOf(failure, body) }, body })
  }
}

async function handle(exchange: Exchange, context: GatewayContext): Promise<Reply> {
  await exchange.trail.admit()
  const name = operationNameOf(exchange.request)
  // Loaded by the first request: a server that is only asked for objects starts without them.
  const { KMS_API_OPERATIONS } = await import('./operations/index.ts')
  const operation = KMS_API_OPERATIONS.get(name)
  exchange.operation = { api: 'kms', operation: operation === undefined ? 'unknown' : name }
  await exchange.trail.understood({ service: 'kms', operation: name, isChange: operation?.changesKeys === true })
  if (operation?.carriesSecrets && !exchange.secure) throw overPlainHttp(name)
  const { caller, body } = await authenticate(exchange, context)
  const { principal } = caller
  try {
    const call = await callOf(caller, context)
    const input = parseBody(body)
    exchange.trail.names({ resource: keyNamedBy(input) })
    await authorize(name, input, call, exchange)
    if (operation === undefined) throw kmsApiError('UnknownOperationException', { message: `Unknown: ${name}` })
    const answer = await operation.answer(input, call)
    if (operation.changesKeys) audit(exchange, context, principal, name)
    return { status: 200, headers: HEADERS, body: answer === undefined ? '' : JSON.stringify(answer) }
  } finally {
    // It may hold a plaintext. The strings that JSON.parse makes of it can't be wiped; the garbage collector takes them.
    body.fill(0)
  }
}

function operationNameOf({ headers }: IncomingMessage): string {
  const target = String(headers[TARGET_HEADER])
  if (target.startsWith(TARGET_PREFIX)) return target.slice(TARGET_PREFIX.length).slice(0, OPERATION_CHARACTERS_MAX)
  throw kmsApiError('UnknownOperationException')
}

function parseBody(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // Without the cause: its message quotes the body.
    throw kmsApiError('SerializationException')
  }
}

/** The key that a request names, as it names it (AWS KMS API Reference, "KeyId"). */
function keyNamedBy(input: unknown): string | undefined {
  if (typeof input !== 'object' || input === null) return undefined
  const named = input as Readonly<Record<string, unknown>>
  const name = named.KeyId ?? named.TargetKeyId ?? named.ResourceArn ?? named.AliasName
  return typeof name === 'string' ? name.slice(0, KEY_NAME_CHARACTERS_MAX) : undefined
}

async function callOf(caller: SigningKey, { options, keyGuards }: GatewayContext): Promise<KmsApiCall> {
  const { mesh, region } = options
  const kms = mesh.use('kms')
  const [defaultConnector = ''] = await kms.listConnectors()
  const { accountId } = caller.principal
  const firstAccountId = await keyGuards.firstAccountId()
  return {
    ...{ mesh, kms, region, firstAccountId, defaultConnector, accountId, caller },
    owner: accountId === firstAccountId ? {} : { ownerAccountId: accountId },
    guards: keyGuards,
    named: new NamedKeys(keyGuards),
  }
}

function audit({ requestId }: Exchange, { options }: GatewayContext, principal: Principal, operation: string): void {
  const { accountId, accessKeyId } = principal
  options.logger.info({ audit: 'kms-api', operation, accountId, accessKeyId, requestId }, 'a master key was changed')
}

function overPlainHttp(operation: string): KmsApiError {
  return kmsApiError('ValidationException', {
    message: `Requests for ${operation} carry key material and must be made over a secure connection.`,
  })
}

function headersOf({ retryAfterSeconds }: KmsApiError, body: string): Record<string, string | number> {
  return {
    'content-length': Buffer.byteLength(body),
    ...(retryAfterSeconds !== undefined && { 'retry-after': retryAfterSeconds }),
  }
}
