import type { JWTPayload, JWTVerifyResult } from 'jose'
import { webIdentityError } from './errors.ts'

/** Who has logged out at a provider: everything of a subject, or one of the provider's sessions. One of the two is always there. */
export interface Logout {
  readonly subject?: string
  /** `sid`. */
  readonly providerSession?: string
  /** `jti`: of this one statement. */
  readonly tokenId: string
  /** The clients that it is for. */
  readonly audiences: readonly string[]
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}

/** OpenID Connect Back-Channel Logout 1.0, section 2.4: the type of such a token, and the event that it tells. */
export const LOGOUT_TYPE = 'logout+jwt'
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'
/** Section 4 wants two minutes; as long as it lives it has to be known again. */
const LIFETIME_MS_MAX = 60 * 60_000
const TEXT_CHARACTERS_MAX = 1024

/** Whether it is, or could be taken for, a logout token. */
export function isLogout({ payload: { events }, protectedHeader: { typ } }: JWTVerifyResult): boolean {
  return typ?.toLowerCase().replace(/^application\//, '') === LOGOUT_TYPE || hasLogoutEvent(events)
}

/** What its claims say, once signature, type, issuer, audience and times are right (section 2.6). WEB_IDENTITY_TOKEN_INVALID. */
export function logoutOf(payload: JWTPayload): Logout {
  const { sub, sid, jti, aud = [], iat = 0, exp = 0, events, nonce } = payload
  const named = [sub, sid].filter((value) => value !== undefined)
  const isRight =
    hasLogoutEvent(events) &&
    // An identity token could have one: this way neither is ever taken for the other.
    nonce === undefined &&
    named.length > 0 &&
    [...named, jti].every(isName) &&
    (exp - iat) * 1000 <= LIFETIME_MS_MAX
  if (!isRight) throw webIdentityError('WEB_IDENTITY_TOKEN_INVALID')
  return {
    ...(isName(sub) && { subject: sub }),
    ...(isName(sid) && { providerSession: sid }),
    tokenId: String(jti),
    audiences: typeof aud === 'string' ? [aud] : aud,
    issuedAtMs: iat * 1000,
    expiresAtMs: exp * 1000,
  }
}

function hasLogoutEvent(events: unknown): boolean {
  if (typeof events !== 'object' || events === null) return false
  const event: unknown = Object.entries(events).find(([name]) => name === LOGOUT_EVENT)?.[1]
  return typeof event === 'object' && event !== null && !Array.isArray(event)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= TEXT_CHARACTERS_MAX
}
