import { claimedIssuer, type WebIdentityVerifier } from '@coffer/web-identity'
import { providerIdOf } from '../actions/oidc-providers.ts'
import { arnOf } from '../entities.ts'
import { refusal } from '../errors.ts'
import type { IamStore } from '../iam-store.ts'
import { planLogout } from './logouts.ts'
import { tokenRefusal } from './token-refusal.ts'

/**
 * Somebody has logged out at an OpenID Connect provider, which says so by a logout token: for every account that has registered it for one of
 * the clients that the token is for. Answers the providers' ARNs. Whether anybody had a session is not known, and not told.
 * IAM_INVALID_IDENTITY_TOKEN, IAM_IDENTITY_TOKEN_EXPIRED, IAM_IDENTITY_PROVIDER_UNREACHABLE.
 */
export async function logOut(
  store: IamStore,
  verifier: WebIdentityVerifier,
  token: string,
): Promise<{ readonly providers: readonly string[] }> {
  const issuer = claimedIssuer(token)
  const directory = await store.current()
  const registered =
    issuer === undefined
      ? []
      : directory
          .accounts()
          .flatMap(({ accountId }) => directory.find('oidc-provider', accountId, providerIdOf(issuer)) ?? [])
  if (issuer === undefined || registered.length === 0) throw unbelieved()
  // Once for all of them: anybody can send a token, and of a large provider every account may be a client.
  const clientIds = [...new Set(registered.flatMap((provider) => provider.clientIds))]
  const logout = await verifier
    .verifyLogout(token, { issuer, clientIds })
    .catch((error: unknown) => Promise.reject(tokenRefusal(error, unbelieved())))
  const providers = registered.filter((provider) => provider.clientIds.some((id) => logout.audiences.includes(id)))
  await store.change((newest) => planLogout(newest, providers, logout, Date.now()))
  return { providers: providers.map((provider) => arnOf(provider)) }
}

/** One answer for every provider that nobody has registered and every token that is not believed. */
function unbelieved(): Error {
  return refusal('IAM_INVALID_IDENTITY_TOKEN', 'The logout token is not believed.')
}
