import { isCofferError } from '@coffer/errors'
import { refusal } from '../errors.ts'

/** What the client is told of a token of a provider that was not verified; `invalid` where it is the token's fault. */
export function tokenRefusal(error: unknown, invalid: Error): unknown {
  if (isCofferError(error, 'WEB_IDENTITY_TOKEN_EXPIRED')) {
    return refusal('IAM_IDENTITY_TOKEN_EXPIRED', 'Token expired: it has to be fetched anew.')
  }
  if (isCofferError(error, 'WEB_IDENTITY_TOKEN_INVALID')) return invalid
  return isCofferError(error) ? refusal('IAM_IDENTITY_PROVIDER_UNREACHABLE', error.message) : error
}
