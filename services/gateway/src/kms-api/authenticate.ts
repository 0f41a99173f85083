import { type AuthenticatedCall, authenticateCall } from '../authenticate-call.ts'
import type { Exchange } from '../exchange.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { kmsApiError } from './errors.ts'

/** The largest input is a key policy (32 KiB) beside a description and 50 tags, with room for JSON's escapes. */
const BODY_BYTES_MAX = 256 * 1024

/**
 * Who makes the request, and its body. MissingAuthenticationTokenException, UnrecognizedClientException,
 * IncompleteSignatureException, InvalidSignatureException, RequestEntityTooLargeException.
 */
export function authenticate(exchange: Exchange, context: GatewayContext): Promise<AuthenticatedCall> {
  return authenticateCall(exchange, context, {
    service: 'kms',
    bodyBytesMax: BODY_BYTES_MAX,
    isRegion: (region) => region === context.options.region,
    refusals: {
      missing: () => kmsApiError('MissingAuthenticationTokenException'),
      unknownKey: () => kmsApiError('UnrecognizedClientException'),
      wrongRegion: (region) =>
        kmsApiError('InvalidSignatureException', {
          message: `Credential should be scoped to a valid region, not '${region}'.`,
        }),
    },
  })
}
