import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import { isControlRequest, renderControlError, renderError, type S3Error } from '@coffer/s3-protocol'
import { AccessLog } from './access-log/access-log.ts'
import { beginTrail } from './audit/begin-trail.ts'
import { KmsKeys } from './audit/kms-keys.ts'
import { isBackchannelLogout, serveBackchannelLogout } from './backchannel-logout.ts'
import { BucketCache } from './bucket/bucket-cache.ts'
import { toS3Error } from './errors-to-s3.ts'
import type { Exchange } from './exchange.ts'
import { sendFailure } from './failure.ts'
import type { GatewayContext } from './gateway-context.ts'
import type { Gateway, GatewayOptions } from './gateway-options.ts'
import { fallIntoStep } from './in-step.ts'
import { KeyGuards } from './keys/key-guards.ts'
import { isKmsApiRequest, serveKmsApi } from './kms-api/serve.ts'
import { RateLimits } from './limits/rate-limits.ts'
import { MinioHealth } from './minio-health.ts'
import { ObjectKeys } from './object/object-keys.ts'
import { observeRequest } from './observe-request.ts'
import { handle } from './pipeline.ts'
import { isQueryApiRequest, serveQueryApi } from './query-api/serve.ts'
import { sendReply, XML_HEADERS } from './reply.ts'
import { newRequestId } from './request-id.ts'
import { SigningKeys } from './signing-keys.ts'
import { traceRequest } from './trace-request.ts'

/**
 * The S3 gateway as a request handler, with the AWS KMS API on the same port; the listener that owns ports and certificates is
 * not its business.
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const { mesh } = options
  const stopping = new AbortController()
  const keyGuards = new KeyGuards(mesh, options.region)
  const context: GatewayContext = {
    options,
    metadata: mesh.use('metadata'),
    buckets: new BucketCache(mesh, options.bucketLeaseMs),
    objectKeys: new ObjectKeys(mesh),
    keyGuards,
    signingKeys: new SigningKeys(mesh),
    accessLog: new AccessLog(() => context, { everyMs: options.accessLogSeconds * 1000 }),
    limits: new RateLimits(options.rateLimits),
    auditing: { audit: options.audit, kmsKeys: new KmsKeys(mesh.use('crypto'), keyGuards) },
    stopping: stopping.signal,
  }
  const health = new MinioHealth(context.metadata, { stopping: stopping.signal, domains: options.domains })
  const inFlight = new Set<Promise<void>>()
  return {
    handler(request, response) {
      const serving = health.isFor(request) ? health.serve(request, response) : serve(request, response, context)
      const served = serving.finally(() => inFlight.delete(served))
      inFlight.add(served)
    },
    endStreams() {
      stopping.abort()
    },
    async close() {
      stopping.abort()
      await Promise.allSettled(inFlight)
      await context.accessLog.close()
    },
  }
}

async function serve(request: IncomingMessage, response: ServerResponse, context: GatewayContext): Promise<void> {
  const requestId = newRequestId()
  const receivedAtMs = Date.now()
  const exchange: Exchange = {
    request,
    response,
    requestId,
    receivedAtMs,
    secure: request.socket instanceof TLSSocket,
    trail: beginTrail({ request, response }, { requestId, receivedAtMs }, context.auditing),
  }
  if (context.options.observer !== undefined) observeRequest(exchange, context.options.observer)
  response.setHeader('x-amz-request-id', requestId)
  response.setHeader('server', 'Coffer')
  await fallIntoStep()
  await traceRequest(exchange, context, () => answer(exchange, context))
}

async function answer(exchange: Exchange, context: GatewayContext): Promise<void> {
  const { request, response } = exchange
  if (isKmsApiRequest(request)) return serveKmsApi(exchange, context)
  if (isBackchannelLogout(request)) return serveBackchannelLogout(exchange, context)
  if (isQueryApiRequest(request)) return serveQueryApi(exchange, context)
  try {
    await sendReply(response, await handle(exchange, context))
  } catch (error) {
    fail(exchange, toS3Error(error, context.options.logger.child({ requestId: exchange.requestId })))
  }
}

function fail(exchange: Exchange, error: S3Error): void {
  exchange.trail.failed(error.code)
  exchange.errorCode = error.code
  const { request, requestId } = exchange
  const hasBody = request.method !== 'HEAD' && error.status !== 304
  const body = hasBody ? errorDocument(error, request, requestId) : ''
  const headers = { ...error.headers, ...(hasBody && { ...XML_HEADERS, 'content-length': Buffer.byteLength(body) }) }
  sendFailure(exchange, { status: error.status, headers, body })
}

function errorDocument(error: S3Error, { url = '', headers }: IncomingMessage, requestId: string): string {
  const resource = url.split('?', 1)[0] ?? ''
  const ids = { requestId, hostId: 'coffer' }
  if (isControlRequest({ rawPath: resource, headers })) return renderControlError(error, ids)
  return renderError(error, { resource, ...ids })
}
