export { boundedFetch } from './bounded-fetch.ts'
export { checkIssuer } from './check-issuer.ts'
export { discover, parseIssuer } from './discover.ts'
export { WEB_IDENTITY_ERRORS, type WebIdentityErrorCode } from './errors.ts'
export type { Logout } from './logout-token.ts'
export type { SessionTags } from './session-tags.ts'
export {
  claimedIssuer,
  TOKEN_CHARACTERS_MAX,
  type TrustedProvider,
  type WebIdentity,
  WebIdentityVerifier,
} from './verify-token.ts'
