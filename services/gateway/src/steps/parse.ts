import { TLSSocket } from 'node:tls'
import { bucketOfHost, parseRequest } from '@coffer/s3-protocol'
import { traceParentOf } from '@coffer/tracing'
import { RequestBody } from '../body/request-body.ts'
import type { Exchange } from '../exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { UnderstoodRequest } from '../requests.ts'

/** Bytes and strings from outside become typed values here, with limits; what follows trusts its types. */
export function parse(exchange: Exchange, context: GatewayContext): UnderstoodRequest {
  const website = bucketOfHost(exchange.request.headers.host, context.options.websiteDomains)
  const { request, response, secure } = exchange
  const parsed = parseRequest(
    {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      secure,
    },
    { virtualHosts: website === undefined ? context.options.domains : context.options.websiteDomains },
  )
  return {
    parsed,
    isWebsite: website !== undefined,
    body: new RequestBody(request, response),
    requestId: exchange.requestId,
    receivedAtMs: exchange.receivedAtMs,
    sourceIp: request.socket.remoteAddress ?? '',
    ...(request.socket instanceof TLSSocket && tlsVersionOf(request.socket)),
    region: context.options.region,
    trail: exchange.trail,
    ...(exchange.span && { traceparent: traceParentOf(exchange.span) }),
  }
}

/** s3:TlsVersion is a number. */
function tlsVersionOf(socket: TLSSocket): { readonly tlsVersion?: string } {
  const [, tlsVersion] = /^TLSv(1\.\d)$/.exec(socket.getProtocol() ?? '') ?? []
  return tlsVersion === undefined ? {} : { tlsVersion }
}
