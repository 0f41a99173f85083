import { claimedIssuer, type Logout, type WebIdentityVerifier } from '@coffer/web-identity'
import { providerIdOf } from '../actions/oidc-providers.ts'
import { arnOf, type OidcProvider } from '../entities.ts'
import { refusal } from '../errors.ts'
import type { IamStore } from '../iam-store.ts'
import { planLogout } from './logouts.ts'
import { tokenRefusal } from './token-refusal.ts'

interface Heard {
  readonly provider: OidcProvider
  readonly logout: Logout
}

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
  const verify = async (provider: OidcProvider): Promise<Heard> => ({
    provider,
    logout: await verifier.verifyLogout(token, { issuer, clientIds: provider.clientIds }),
  })
  const asked = await Promise.allSettled(registered.map(verify))
  const heard = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const [first] = heard
  if (first === undefined) throw tokenRefusal(asked.find((one) => one.status === 'rejected')?.reason, unbelieved())
  const providers = heard.map(({ provider }) => provider)
  await store.change((newest) => planLogout(newest, providers, first.logout, Date.now()))
  return { providers: providers.map((provider) => arnOf(provider)) }
}

/** One answer for every provider that nobody has registered and every token that is not believed. */
function unbelieved(): Error {
  return refusal('IAM_INVALID_IDENTITY_TOKEN', 'The logout token is not believed.')
}
