import { hash } from 'node:crypto'
import { parseAuthorizationHeader, verifySignature } from '@coffer/s3-protocol'
import { RequestBody } from '../body/request-body.ts'
import type { Exchange } from '../exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import type { SigningKey } from '../signing-keys.ts'
import { kmsApiError } from './errors.ts'

/** The largest input is a key policy (32 KiB) beside a description and 50 tags, with room for JSON's escapes. */
const BODY_BYTES_MAX = 256 * 1024

/**
 * Who makes the request, and its body: SigV4 in the Authorization header, for the service `kms`, over the hash of the body.
 * The body is read only for an access key that exists. MissingAuthenticationTokenException, UnrecognizedClientException,
 * IncompleteSignatureException, InvalidSignatureException, RequestEntityTooLargeException.
 */
export async function authenticate(
  { request, response, receivedAtMs, trail }: Exchange,
  { options, signingKeys }: GatewayContext,
): Promise<{ readonly caller: SigningKey; readonly body: Buffer }> {
  const headers = request.headers as Readonly<Record<string, string | undefined>>
  const { authorization } = headers
  if (authorization === undefined) throw kmsApiError('MissingAuthenticationTokenException')
  const said = parseAuthorizationHeader(headers, authorization, 'kms')
  if (said.region !== options.region) {
    throw kmsApiError('InvalidSignatureException', {
      message: `Credential should be scoped to a valid region, not '${said.region.slice(0, 64)}'.`,
    })
  }
  const sessionToken = headers['x-amz-security-token']
  const signingKey = await signingKeys.find({ ...said, ...(sessionToken !== undefined && { sessionToken }) })
  if (signingKey === undefined) throw kmsApiError('UnrecognizedClientException')
  trail.claimedBy(signingKey.principal)
  const body = await new RequestBody(request, response).collect(BODY_BYTES_MAX)
  const payloadText = hash('sha256', body)
  const authentication = { ...said, payload: { kind: 'signed' as const, sha256Hex: payloadText }, payloadText }
  const [rawPath = '/', rawQuery = ''] = (request.url ?? '').split('?', 2)
  const signed = { method: request.method ?? '', rawPath, rawQuery, headers }
  verifySignature(signed, authentication, signingKey.keyBytes, receivedAtMs)
  trail.verified()
  signingKeys.used(said, receivedAtMs)
  return { caller: signingKey, body }
}
