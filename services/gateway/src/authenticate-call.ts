import { hash } from 'node:crypto'
import { parseAuthorizationHeader, verifySignature } from '@coffer/s3-protocol'
import { RequestBody } from './body/request-body.ts'
import type { Exchange } from './exchange.ts'
import type { GatewayContext } from './gateway-context.ts'
import type { SigningKey } from './signing-keys.ts'

/** What an API beside S3 says of itself: `kms`, `iam`. */
export interface CalledApi {
  readonly service: string
  readonly bodyBytesMax: number
  /** Whether a signature may be for this region. */
  readonly isRegion: (region: string) => boolean
  readonly refusals: {
    readonly missing: () => Error
    readonly unknownKey: () => Error
    readonly wrongRegion: (region: string) => Error
  }
}

export interface AuthenticatedCall {
  readonly caller: SigningKey
  readonly sessionToken: string | undefined
  readonly body: Buffer
}

/**
 * Who makes a call, and its body: SigV4 in the Authorization header, over the hash of the body. The body is read only for an access
 * key that exists. Rejects with what the API says, or as S3 where the signature itself is wrong.
 */
export async function authenticateCall(
  exchange: Exchange,
  context: GatewayContext,
  api: CalledApi,
): Promise<AuthenticatedCall> {
  const { limits } = context
  limits.admitAddress(exchange.request)
  const authenticated = await limits.watched(exchange.request, verifiedCall(exchange, context, api))
  limits.admitAccessKey(authenticated.caller.principal.accessKeyId)
  return authenticated
}

async function verifiedCall(
  { request, response, receivedAtMs, trail }: Exchange,
  { signingKeys }: GatewayContext,
  { service, bodyBytesMax, isRegion, refusals }: CalledApi,
): Promise<AuthenticatedCall> {
  const headers = request.headers as Readonly<Record<string, string | undefined>>
  const { authorization } = headers
  if (authorization === undefined) throw refusals.missing()
  const said = parseAuthorizationHeader(headers, authorization, service)
  if (!isRegion(said.region)) throw refusals.wrongRegion(said.region.slice(0, 64))
  const sessionToken = headers['x-amz-security-token']
  const caller = await signingKeys.find({ ...said, ...(sessionToken !== undefined && { sessionToken }) })
  if (caller === undefined) throw refusals.unknownKey()
  trail.claimedBy(caller.principal)
  const body = await new RequestBody(request, response).collect(bodyBytesMax)
  const payloadText = hash('sha256', body)
  const authentication = { ...said, payload: { kind: 'signed' as const, sha256Hex: payloadText }, payloadText }
  const [rawPath = '/', rawQuery = ''] = (request.url ?? '').split('?', 2)
  const signed = { method: request.method ?? '', rawPath, rawQuery, headers }
  verifySignature(signed, authentication, caller.keyBytes, receivedAtMs)
  trail.verified()
  signingKeys.used(said, caller.principal, receivedAtMs)
  return { caller, sessionToken, body }
}
