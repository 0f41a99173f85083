import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import Provider, { type Configuration } from 'oidc-provider'
import { freePort } from './free-port.ts'
import { send } from './raw-request.ts'
import type { ClientTarget } from './s3.ts'

export const OIDC_CLIENT_ID = 'coffer-cli'
export const LOGOUT_PATH = '/.coffer/oidc/backchannel-logout'
const ALGORITHM = 'RS256'
const KEY_ID = 'test'

export interface OidcProvider {
  readonly issuer: string
  /** Who logs in next. */
  login(subject: string, claims?: Readonly<Record<string, unknown>>): void
  /** An identity token, as the provider signs them; `changes` of what it would say itself. */
  tokenFor(
    subject: string,
    claims: Readonly<Record<string, unknown>>,
    changes?: Readonly<Record<string, unknown>>,
  ): Promise<string>
  /** A logout token, as the provider signs them; `changes` of what it would say itself, an undefined one of what it would not. */
  logoutTokenFor(
    claims: { readonly sub?: string; readonly sid?: string },
    changes?: Readonly<Record<string, unknown>>,
    typ?: string,
  ): Promise<string>
  /** Whether it gives new tokens for a refresh token. */
  renews(refreshToken: string): Promise<boolean>
  close(): Promise<void>
}

/**
 * A real provider (`oidc-provider`) on loopback, where whoever comes is logged in as was said last and agrees to everything. `coffer`: which
 * it tells of log-outs.
 */
export async function startOidcProvider(coffer?: ClientTarget): Promise<OidcProvider> {
  const port = await freePort()
  const issuer = `http://127.0.0.1:${port}`
  let person: { subject: string; claims: Readonly<Record<string, unknown>> } = { subject: 'alice', claims: {} }
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
  const people = new Map<string, Readonly<Record<string, unknown>>>()
  const configuration: Configuration = {
    clients: [
      {
        client_id: OIDC_CLIENT_ID,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        // Of native clients any loopback port is right (RFC 8252, section 7.3).
        redirect_uris: ['http://127.0.0.1/callback'],
        ...(coffer && {
          backchannel_logout_uri: coffer.endpoint + LOGOUT_PATH,
          backchannel_logout_session_required: true,
        }),
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      },
    ],
    claims: { openid: ['sub', 'groups', 'email'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['only for tests'] },
    features: {
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
    },
    ...(coffer && {
      fetch: async (url, { method = 'GET', headers, body } = {}) => {
        const raw = { method, path: new URL(String(url)).pathname, headers: Object.fromEntries(new Headers(headers)) }
        const { status } = await send(coffer, { ...raw, body: String(body) })
        return new Response(null, { status })
      },
    }),
    findAccount: (_context, subject) => ({
      accountId: subject,
      claims: () => ({ sub: subject, ...people.get(subject) }),
    }),
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    async loadExistingGrant(context) {
      const { oidc } = context
      const grant = new oidc.provider.Grant({
        clientId: oidc.client?.clientId ?? '',
        accountId: oidc.session?.accountId ?? '',
      })
      grant.addOIDCScope('openid offline_access')
      await grant.save()
      return grant
    },
    issueRefreshToken: async (_context, client, code) =>
      client.grantTypeAllowed('refresh_token') && code.scopes.has('offline_access'),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: KEY_ID, use: 'sig', alg: ALGORITHM }] },
    ttl: { IdToken: 300, Grant: 3600, Session: 3600, Interaction: 600, DeviceCode: 600 },
  }
  const provider = new Provider(issuer, configuration)
  // A warning for each default that production would choose.
  const server = createServer(async (request, response) => {
    if (!request.url?.startsWith('/interaction/')) {
      provider.callback()(request, response)
      return
    }
    const { prompt } = await provider.interactionDetails(request, response)
    const result = prompt.name === 'login' ? { login: { accountId: person.subject } } : { consent: {} }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    login(subject, claims = {}) {
      person = { subject, claims }
      people.set(subject, claims)
    },
    tokenFor(subject, claims, changes = {}) {
      const now = Math.floor(Date.now() / 1000)
      const said = { iss: issuer, sub: subject, aud: OIDC_CLIENT_ID, iat: now, exp: now + 300 }
      return new SignJWT({ ...said, ...claims, ...changes })
        .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID })
        .sign(privateKey)
    },
    logoutTokenFor(claims, changes = {}, typ = 'logout+jwt') {
      const now = Math.floor(Date.now() / 1000)
      const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
      const said = { iss: issuer, aud: OIDC_CLIENT_ID, iat: now, exp: now + 120, jti: randomUUID(), events }
      return new SignJWT({ ...said, ...claims, ...changes })
        .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID, typ })
        .sign(privateKey)
    },
    async renews(refreshToken) {
      const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: OIDC_CLIENT_ID }
      return (await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams(form) })).ok
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A browser for it: follows redirects and keeps cookies, up to the first address that is not the provider's, which it calls too. */
export class Browser {
  readonly #cookies = new Map<string, string>()

  /** Returns the last page. */
  async visit(address: string, form?: URLSearchParams): Promise<{ readonly status: number; readonly text: string }> {
    let url = new URL(address)
    let body = form
    for (let hops = 0; hops < 12; hops++) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const answer = await fetch(url, {
        redirect: 'manual',
        headers: { cookie },
        ...(body && { method: 'POST', body }),
      })
      for (const line of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        this.#cookies.set(name, value)
      }
      const location = answer.headers.get('location')
      if (location === null) return { status: answer.status, text: await answer.text() }
      url = new URL(location, url)
      body = undefined
    }
    throw new Error('redirected without end')
  }

  /** Ends the provider's session, and agrees (OpenID Connect RP-Initiated Logout 1.0). */
  async logOut(issuer: string): Promise<void> {
    const { text } = await this.visit(`${issuer}/session/end`)
    await this.visit(`${issuer}/session/end/confirm`, formIn(text, { logout: 'yes' }))
  }

  /** Types a user code, and agrees (RFC 8628, section 3.3). */
  async enterCode(address: string, userCode: string): Promise<string> {
    const { text } = await this.visit(address)
    const confirm = await this.visit(address, formIn(text, { user_code: userCode }))
    return (await this.visit(address, formIn(confirm.text, { user_code: userCode, confirm: 'yes' }))).text
  }
}

function formIn(page: string, fields: Readonly<Record<string, string>>): URLSearchParams {
  const hidden = [...page.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value])
  return new URLSearchParams({ ...Object.fromEntries(hidden), ...fields })
}
