import { isCofferError } from '@coffer/errors'
import * as openid from 'openid-client'
import { type BoundedFetch, boundedFetch } from './bounded-fetch.ts'
import { webIdentityError } from './errors.ts'

const TIMEOUT_SECONDS = 10
const LOOPBACK = /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/

/**
 * What a provider says of itself (OpenID Connect Discovery 1.0, section 4), checked to be of the issuer that was asked for.
 * Providers are reached over TLS; plain HTTP is for those on this machine only.
 * WEB_IDENTITY_PROVIDER_UNREACHABLE, WEB_IDENTITY_PROVIDER_INVALID, and what `fetch` refuses with.
 */
export async function discover(
  issuer: string,
  clientId: string,
  fetch: BoundedFetch = boundedFetch,
): Promise<openid.Configuration> {
  const url = parseIssuer(issuer)
  const execute = url.protocol === 'http:' ? [openid.allowInsecureRequests] : []
  try {
    return await openid.discovery(url, clientId, { token_endpoint_auth_method: 'none' }, openid.None(), {
      execute,
      timeout: TIMEOUT_SECONDS,
      [openid.customFetch]: (address, options) => fetch(address, options),
    })
  } catch (error) {
    throw providerError(issuer, error)
  }
}

/** WEB_IDENTITY_PROVIDER_INVALID unless it is an https URL without query or fragment, or http on this machine. */
export function parseIssuer(issuer: string): URL {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined
  const isTrusted = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname))
  if (url === undefined || !isTrusted || url.search || url.hash || url.username || url.password) {
    throw webIdentityError('WEB_IDENTITY_PROVIDER_INVALID', { issuer: issuer.slice(0, 255) })
  }
  return url
}

/** An answer that cannot be read is the provider's; everything else, time-outs too, is the way to it. */
function providerError(issuer: string, error: unknown): Error {
  if (isCofferError(error)) return error
  const ofWay =
    findCause(error, 'WEB_IDENTITY_PROVIDER_UNREACHABLE') ?? findCause(error, 'WEB_IDENTITY_PROVIDER_REFUSED')
  if (ofWay !== undefined) return ofWay
  const isAnswered = error instanceof openid.ClientError && error.code !== 'OAUTH_TIMEOUT'
  const code = isAnswered ? 'WEB_IDENTITY_PROVIDER_INVALID' : 'WEB_IDENTITY_PROVIDER_UNREACHABLE'
  return webIdentityError(code, { issuer }, { cause: error })
}

function findCause(error: unknown, code: string): Error | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (isCofferError(at, code)) return at
  return undefined
}
