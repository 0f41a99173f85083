import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { discover } from '@coffer/web-identity'
import * as openid from 'openid-client'
import { cofferError } from '../errors.ts'

export interface ProviderLogin {
  readonly issuer: string
  readonly clientId: string
  readonly scope: string
}

/** `refreshToken` where the provider gives one: with it the next login needs nobody at a keyboard. */
export interface IdentityToken {
  readonly idToken: string
  readonly refreshToken?: string
}

/** Tells a person what to do, on standard error: standard output is for credentials. */
export type Tell = (text: string) => void

const LOGIN_TIMEOUT_MS = 5 * 60_000
const CALLBACK_PATH = '/callback'
const DONE_PAGE =
  '<!doctype html><meta charset="utf-8"><title>Coffer</title><p>You are logged in. This window can be closed.'
const FAILED_PAGE =
  '<!doctype html><meta charset="utf-8"><title>Coffer</title><p>The login failed. The terminal says why; this window can be closed.'

/**
 * An identity token by the browser: authorization code with PKCE, received on a loopback port (RFC 8252, section 7.3;
 * RFC 7636). `open` shows the address to the person. COFFER_LOGIN_FAILED.
 */
export async function tokenByBrowser(login: ProviderLogin, open: (address: string) => void): Promise<IdentityToken> {
  const provider = await discover(login.issuer, login.clientId)
  const verifier = openid.randomPKCECodeVerifier()
  const [expectedState, expectedNonce] = [openid.randomState(), openid.randomNonce()]
  const server = createServer().listen(0, '127.0.0.1')
  try {
    await once(server, 'listening')
    const redirect = `http://127.0.0.1:${(server.address() as AddressInfo).port}${CALLBACK_PATH}`
    const address = openid.buildAuthorizationUrl(provider, {
      redirect_uri: redirect,
      scope: login.scope,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: expectedState,
      nonce: expectedNonce,
      // OpenID Connect Core, section 11: a refresh token is given after consent only.
      ...(login.scope.split(' ').includes('offline_access') && { prompt: 'consent' }),
    })
    const called = callback(server, redirect)
    open(address.href)
    const { url, response } = await called
    try {
      const checks = { pkceCodeVerifier: verifier, expectedState, expectedNonce, idTokenExpected: true }
      const tokens = await openid.authorizationCodeGrant(provider, url, checks)
      response.end(DONE_PAGE)
      return identityTokenOf(tokens)
    } catch (error) {
      response.end(FAILED_PAGE)
      throw loginError(error)
    }
  } finally {
    server.close()
    server.closeIdleConnections()
  }
}

/** An identity token by a code that the person types on another device (RFC 8628). COFFER_LOGIN_FAILED. */
export async function tokenByDevice(login: ProviderLogin, tell: Tell): Promise<IdentityToken> {
  const provider = await discover(login.issuer, login.clientId)
  try {
    const started = await openid.initiateDeviceAuthorization(provider, { scope: login.scope })
    tell(`Open ${started.verification_uri} and enter the code ${started.user_code}`)
    if (started.verification_uri_complete !== undefined) tell(`or open ${started.verification_uri_complete}`)
    const signal = AbortSignal.timeout(LOGIN_TIMEOUT_MS)
    return identityTokenOf(await openid.pollDeviceAuthorizationGrant(provider, started, undefined, { signal }))
  } catch (error) {
    throw loginError(error)
  }
}

/** Undefined where the provider does not take the refresh token any more, or gives no identity token for it. */
export async function tokenByRefresh(login: ProviderLogin, refreshToken: string): Promise<IdentityToken | undefined> {
  const provider = await discover(login.issuer, login.clientId)
  try {
    const tokens = await openid.refreshTokenGrant(provider, refreshToken)
    if (tokens.id_token === undefined) return undefined
    return { refreshToken, ...identityTokenOf(tokens) }
  } catch (error) {
    if (error instanceof openid.ResponseBodyError) return undefined
    throw loginError(error)
  }
}

/** So that nobody renews with it any more (RFC 7009), where the provider takes that. COFFER_LOGIN_FAILED, WEB_IDENTITY_PROVIDER_... */
export async function revokeRefreshToken(
  { issuer, clientId }: Pick<ProviderLogin, 'issuer' | 'clientId'>,
  refreshToken: string,
): Promise<void> {
  const provider = await discover(issuer, clientId)
  if (provider.serverMetadata().revocation_endpoint === undefined) return
  try {
    await openid.tokenRevocation(provider, refreshToken, { token_type_hint: 'refresh_token' })
  } catch (error) {
    throw loginError(error)
  }
}

/** The first request to the callback's path; whatever else asks this port is told that nothing is there. */
function callback(
  server: ReturnType<typeof createServer>,
  redirect: string,
): Promise<{ readonly url: URL; readonly response: ServerResponse }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(cofferError('COFFER_LOGIN_FAILED', 'nobody logged in within five minutes'))
    }, LOGIN_TIMEOUT_MS)
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const url = new URL(request.url ?? '/', redirect)
      response.setHeader('connection', 'close')
      if (url.pathname !== CALLBACK_PATH) {
        response.writeHead(404).end()
        return
      }
      clearTimeout(timer)
      response.setHeader('content-type', 'text/html; charset=utf-8')
      resolve({ url, response })
    })
  })
}

function identityTokenOf({ id_token: idToken, refresh_token: refreshToken }: openid.TokenEndpointResponse) {
  if (idToken === undefined) throw cofferError('COFFER_LOGIN_FAILED', 'the provider gave no identity token')
  return { idToken, ...(refreshToken !== undefined && { refreshToken }) }
}

/** The provider's own words where it has some; never the code or a token. */
function loginError(error: unknown): Error {
  if (error instanceof openid.ResponseBodyError || error instanceof openid.AuthorizationResponseError) {
    const why = [error.error, error.error_description].filter(Boolean).join(': ').slice(0, 500)
    return cofferError('COFFER_LOGIN_FAILED', `the provider says ${why}`)
  }
  if (error instanceof openid.ClientError || error instanceof DOMException) {
    return cofferError('COFFER_LOGIN_FAILED', error.message.slice(0, 500))
  }
  return error instanceof Error ? error : cofferError('COFFER_LOGIN_FAILED', 'for no reason that was given')
}
