import { isCofferError } from '@coffer/errors'
import { AddressGuard } from './address-guard.ts'
import { guardedFetch } from './bounded-fetch.ts'
import { discover, parseIssuer } from './discover.ts'
import { webIdentityError } from './errors.ts'

/**
 * Whether identity tokens of an issuer could be verified now: it says of itself where its keys are, and has some there. `hosts`: as of
 * the verifier. WEB_IDENTITY_PROVIDER_INVALID, WEB_IDENTITY_PROVIDER_REFUSED, WEB_IDENTITY_PROVIDER_UNREACHABLE.
 */
export async function checkIssuer(issuer: string, hosts: readonly string[]): Promise<void> {
  const guard = new AddressGuard(hosts)
  if (!guard.isIssuerAllowed(parseIssuer(issuer))) throw webIdentityError('WEB_IDENTITY_PROVIDER_REFUSED')
  const fetch = guardedFetch(guard)
  const { jwks_uri: address } = (await discover(issuer, 'coffer', fetch)).serverMetadata()
  if (address === undefined || !URL.canParse(address))
    throw webIdentityError('WEB_IDENTITY_PROVIDER_INVALID', { issuer })
  try {
    const { keys } = (await (await fetch(address)).json()) as { readonly keys?: unknown }
    if (Array.isArray(keys) && keys.length > 0) return
  } catch (error) {
    if (isCofferError(error)) throw error
  }
  throw webIdentityError('WEB_IDENTITY_PROVIDER_INVALID', { issuer, reason: 'it has no keys where it says' })
}
