import { isCofferError } from '@coffer/errors'
import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose'
import { AddressGuard } from './address-guard.ts'
import { type BoundedFetch, guardedFetch } from './bounded-fetch.ts'
import { discover, parseIssuer } from './discover.ts'
import { webIdentityError } from './errors.ts'
import { isLogout, LOGOUT_TYPE, type Logout, logoutOf } from './logout-token.ts'
import { type SessionTags, sessionTagsIn } from './session-tags.ts'
import { type TextClaims, textClaims } from './text-claims.ts'

/** A provider whose tokens are believed, and the clients they must be made for. */
export interface TrustedProvider {
  readonly issuer: string
  readonly clientIds: readonly string[]
}

/** Who an identity token is about. */
export interface WebIdentity {
  readonly issuer: string
  readonly subject: string
  /** `sid`: the provider's own session that it was made in, where it says so (OpenID Connect Back-Channel Logout, section 2.1). */
  readonly providerSession?: string
  /** The client of the provider's list that it was made for. */
  readonly audience: string
  /** By name, or by path with dots. */
  readonly claims: TextClaims
  /** What the provider wants the session to be tagged with; none where it says nothing of the kind. */
  readonly sessionTags: SessionTags
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}

/** STS API, AssumeRoleWithWebIdentity: a token has 4 to 20,000 characters. */
export const TOKEN_CHARACTERS_MAX = 20_000
/** Asymmetric ones alone: with a shared secret every client of a provider could speak for it (RFC 8725, section 3.1). */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const CLOCK_TOLERANCE_SECONDS = 60
/** OpenID Connect Core, section 2: these an identity token always has. */
const REQUIRED_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'iat']
/** OpenID Connect Back-Channel Logout, section 2.4. */
const LOGOUT_CLAIMS = ['iss', 'aud', 'iat', 'exp', 'jti', 'events']
const KEYS_TIMEOUT_MS = 5_000
/** An unknown key id makes the key set be asked for again, at most this often: forged tokens must not become a flood. */
const KEYS_COOLDOWN_MS = 10_000
/** A key that the provider has withdrawn is no longer believed after this. */
const KEYS_AGE_MS_MAX = 10 * 60_000
const PROVIDERS_MAX = 1_000
/** A provider that is away is not asked for every token that claims to be of it. */
const FAILED_FOR_MS = 10_000
const OF_PROVIDER = 'WEB_IDENTITY_PROVIDER_'

export interface WebIdentityOptions {
  /** Host names of issuers that may be asked, wherever they are. None: all that are at public addresses. */
  readonly hosts: readonly string[]
  readonly failedForMs?: number
}

/**
 * Verifies identity tokens of OpenID Connect providers. Keeps what providers say of themselves and their keys; a new key is
 * fetched when a token first names it.
 *
 *     const verifier = new WebIdentityVerifier({ hosts: [] })
 *     const who = await verifier.verify(token, { issuer: 'https://login.example.org', clientIds: ['coffer'] })
 */
export class WebIdentityVerifier {
  readonly #guard: AddressGuard
  readonly #fetch: BoundedFetch
  readonly #failedForMs: number
  readonly #keySets = new Map<string, Promise<JWTVerifyGetKey>>()
  /** Providers that did not answer, or not as one: not asked again for a while. */
  readonly #failures = new Map<string, { readonly error: Error; readonly untilMs: number }>()

  constructor({ hosts, failedForMs = FAILED_FOR_MS }: WebIdentityOptions) {
    this.#guard = new AddressGuard(hosts)
    this.#fetch = guardedFetch(this.#guard)
    this.#failedForMs = failedForMs
  }

  /**
   * WEB_IDENTITY_TOKEN_INVALID, WEB_IDENTITY_TOKEN_EXPIRED, WEB_IDENTITY_PROVIDER_INVALID, WEB_IDENTITY_PROVIDER_REFUSED,
   * WEB_IDENTITY_PROVIDER_UNREACHABLE. (OpenID Connect Core, section 3.1.3.7; RFC 8725.)
   */
  async verify(token: string, trusted: TrustedProvider): Promise<WebIdentity> {
    const { issuer, clientIds } = trusted
    return await this.#guarded(issuer, async () => {
      const verified = await this.#verified(token, trusted, { requiredClaims: REQUIRED_CLAIMS })
      return identityOf(verified, issuer, clientIds)
    })
  }

  /** Who has logged out, by a logout token (OpenID Connect Back-Channel Logout, section 2.6). Rejects as `verify`. */
  async verifyLogout(token: string, trusted: TrustedProvider): Promise<Logout> {
    return await this.#guarded(trusted.issuer, async () => {
      const { payload } = await this.#verified(token, trusted, { requiredClaims: LOGOUT_CLAIMS, typ: LOGOUT_TYPE })
      assertTimely(payload.iat)
      return logoutOf(payload)
    })
  }

  async #guarded<T>(issuer: string, verify: () => Promise<T>): Promise<T> {
    const failure = this.#failures.get(issuer)
    if (failure !== undefined && failure.untilMs > Date.now()) throw failure.error
    try {
      return await verify()
    } catch (error) {
      if (isCofferError(error) && error.code.startsWith(OF_PROVIDER)) this.#noteFailure(issuer, error)
      throw error
    }
  }

  async #verified(
    token: string,
    { issuer, clientIds }: TrustedProvider,
    asked: Pick<JWTVerifyOptions, 'requiredClaims' | 'typ'>,
  ): Promise<JWTVerifyResult> {
    const keySet = await this.#keySetOf(issuer)
    return await jwtVerify(token, keySet, {
      issuer,
      audience: [...clientIds],
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      ...asked,
    }).catch((error: unknown) => {
      throw tokenError(error)
    })
  }

  #noteFailure(issuer: string, error: Error): void {
    if (this.#failures.size >= PROVIDERS_MAX) this.#failures.clear()
    this.#failures.set(issuer, { error, untilMs: Date.now() + this.#failedForMs })
  }

  #keySetOf(issuer: string): Promise<JWTVerifyGetKey> {
    const known = this.#keySets.get(issuer)
    if (known !== undefined) return known
    if (this.#keySets.size >= PROVIDERS_MAX) this.#keySets.clear()
    const found = this.#findKeySet(issuer)
    this.#keySets.set(issuer, found)
    // A provider that was away is asked again, in a while.
    found.catch(() => this.#keySets.delete(issuer))
    return found
  }

  async #findKeySet(issuer: string): Promise<JWTVerifyGetKey> {
    if (!this.#guard.isIssuerAllowed(parseIssuer(issuer))) throw webIdentityError('WEB_IDENTITY_PROVIDER_REFUSED')
    const { jwks_uri: address } = (await discover(issuer, 'coffer', this.#fetch)).serverMetadata()
    const isSafe = address?.startsWith('https://') || (address?.startsWith('http://') && issuer.startsWith('http://'))
    if (address === undefined || !isSafe || !URL.canParse(address)) {
      throw webIdentityError('WEB_IDENTITY_PROVIDER_INVALID', { issuer })
    }
    return createRemoteJWKSet(new URL(address), {
      timeoutDuration: KEYS_TIMEOUT_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
      cacheMaxAge: KEYS_AGE_MS_MAX,
      [customFetch]: (url, options) => this.#fetch(url, options),
    })
  }
}

/**
 * The issuer that a token claims, to look its provider up by; nothing is verified. Undefined for what is no token.
 */
export function claimedIssuer(token: string): string | undefined {
  if (token.length > TOKEN_CHARACTERS_MAX) return undefined
  try {
    const { iss } = decodeJwt(token)
    return typeof iss === 'string' ? iss : undefined
  } catch {
    return undefined
  }
}

/** Without the cause where it is about the token: it could quote it. */
function tokenError(error: unknown): Error {
  if (isCofferError(error)) return error
  if (error instanceof errors.JWTExpired) return webIdentityError('WEB_IDENTITY_TOKEN_EXPIRED')
  if (error instanceof errors.JWKSTimeout) return webIdentityError('WEB_IDENTITY_PROVIDER_UNREACHABLE')
  if (error instanceof errors.JWKSInvalid) return webIdentityError('WEB_IDENTITY_PROVIDER_INVALID')
  // What jose raises by its bare class is an answer other than 200 for the key set.
  if (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC') {
    return webIdentityError('WEB_IDENTITY_PROVIDER_UNREACHABLE')
  }
  return webIdentityError('WEB_IDENTITY_TOKEN_INVALID')
}

function identityOf(verified: JWTVerifyResult, issuer: string, clientIds: readonly string[]): WebIdentity {
  const { payload } = verified
  // What says that somebody is gone is no proof that somebody is there (RFC 8725, section 3.11).
  if (isLogout(verified)) throw webIdentityError('WEB_IDENTITY_TOKEN_INVALID')
  const { sub, aud, iat, exp, azp, sid } = payload
  const audiences = typeof aud === 'string' ? [aud] : (aud ?? [])
  // Who asked for the token, where it says so: of several audiences that is the one it is used as (Core, section 2, azp).
  const audience = typeof azp === 'string' ? azp : audiences.find((each) => clientIds.includes(each))
  assertTimely(iat)
  if (typeof sub !== 'string' || sub === '' || audience === undefined || !clientIds.includes(audience)) {
    throw webIdentityError('WEB_IDENTITY_TOKEN_INVALID')
  }
  return {
    issuer,
    subject: sub,
    ...(typeof sid === 'string' && sid !== '' && { providerSession: sid }),
    audience,
    claims: textClaims(payload),
    sessionTags: sessionTagsIn(payload),
    issuedAtMs: iat * 1000,
    expiresAtMs: (exp ?? 0) * 1000,
  }
}

function assertTimely(iat: number | undefined): asserts iat is number {
  const isTimely = iat !== undefined && iat * 1000 <= Date.now() + CLOCK_TOLERANCE_SECONDS * 1000
  if (!isTimely) throw webIdentityError('WEB_IDENTITY_TOKEN_INVALID')
}
