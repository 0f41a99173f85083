import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Failures of this package. Codes are API. */
export const WEB_IDENTITY_ERRORS = {
  WEB_IDENTITY_TOKEN_INVALID:
    'the identity token is not one of this provider, for one of its clients, with a good signature',
  WEB_IDENTITY_TOKEN_EXPIRED: 'the identity token has expired',
  WEB_IDENTITY_PROVIDER_INVALID: 'the identity provider does not describe itself as OpenID Connect Discovery says',
  WEB_IDENTITY_PROVIDER_REFUSED:
    'the identity provider is not one that this server asks (COFFER_OIDC_ISSUER_HOSTS), or at no public address',
  WEB_IDENTITY_PROVIDER_UNREACHABLE: 'the identity provider could not be reached',
} as const

export type WebIdentityErrorCode = keyof typeof WEB_IDENTITY_ERRORS

export function webIdentityError(
  code: WebIdentityErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: WEB_IDENTITY_ERRORS[code], ...(details && { details }) }, options)
}
