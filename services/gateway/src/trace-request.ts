import type { Span } from '@coffer/tracing'
import type { Exchange } from './exchange.ts'
import type { GatewayContext } from './gateway-context.ts'

/** Others are a client's own text (semantic conventions for HTTP, `http.request.method`). */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH'])
const OTHER_METHOD = '_OTHER'

/**
 * Serves a request in a span of its own, if its trace is kept. The span ends when the response is closed, and then says what it was;
 * it has nothing of the request's path, query, headers or body.
 */
export function traceRequest(
  exchange: Exchange,
  { options }: Pick<GatewayContext, 'options'>,
  serve: () => Promise<void>,
): Promise<void> {
  const { tracer } = options.mesh
  if (tracer === undefined) return serve()
  const { traceparent } = exchange.request.headers
  const span = tracer.beginRequest(
    { name: 'S3', kind: 'server', attributes: { 'aws.request_id': exchange.requestId } },
    typeof traceparent === 'string' ? traceparent : undefined,
  )
  if (span !== undefined) {
    exchange.span = span
    exchange.response.once('close', () => describe(span, exchange))
  }
  return tracer.within(span, serve)
}

/** An answer that goes on for hours: what it asks for meanwhile is no part of the request's trace. */
export function untraced<T>(
  stream: AsyncGenerator<T, void>,
  { options }: Pick<GatewayContext, 'options'>,
): AsyncGenerator<T, void> {
  const { tracer } = options.mesh
  if (tracer === undefined) return stream
  const outside: AsyncGenerator<T, void> = {
    next: () => tracer.within(undefined, () => stream.next()),
    return: (value) => tracer.within(undefined, () => stream.return(value)),
    throw: (error) => tracer.within(undefined, () => stream.throw(error)),
    [Symbol.asyncIterator]: () => outside,
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  }
  return outside
}

function describe(span: Span, { request, response, operation, errorCode, secure }: Exchange): void {
  const { api, operation: name } = operation ?? { api: 's3', operation: 'unknown' }
  const method = request.method ?? OTHER_METHOD
  const rpcMethod = `${api.toUpperCase()}/${name}`
  span.rename(rpcMethod)
  span.set({
    'http.request.method': METHODS.has(method) ? method : OTHER_METHOD,
    'url.scheme': secure ? 'https' : 'http',
    'network.protocol.version': request.httpVersion,
    'rpc.system.name': 'aws-api',
    'rpc.method': rpcMethod,
    ...(response.headersSent && { 'http.response.status_code': response.statusCode }),
    ...(errorCode !== undefined && { 'error.type': errorCode }),
  })
  // What a client does wrong is no failure of the server (semantic conventions for HTTP, "Status").
  if (response.headersSent && response.statusCode >= 500) span.failed(errorCode ?? String(response.statusCode))
  else if (!response.writableFinished) span.set({ 'error.type': 'connection-closed' })
  span.end()
}
