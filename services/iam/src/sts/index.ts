import { ASSUME_ROLE } from './assume-role.ts'
import { ASSUME_ROLE_WITH_CERTIFICATE } from './certificate.ts'
import { END_SESSION } from './end-session.ts'
import { ASSUME_ROLE_WITH_LDAP_IDENTITY } from './ldap-identity.ts'
import { GET_CALLER_IDENTITY, GET_FEDERATION_TOKEN, GET_SESSION_TOKEN } from './session-tokens.ts'
import type { StsAction } from './sts-call.ts'
import { ASSUME_ROLE_WITH_WEB_IDENTITY } from './web-identity.ts'

export const STS_ACTIONS: ReadonlyMap<string, StsAction> = new Map(
  [
    ASSUME_ROLE,
    ASSUME_ROLE_WITH_CERTIFICATE,
    ASSUME_ROLE_WITH_LDAP_IDENTITY,
    ASSUME_ROLE_WITH_WEB_IDENTITY,
    END_SESSION,
    GET_SESSION_TOKEN,
    GET_FEDERATION_TOKEN,
    GET_CALLER_IDENTITY,
  ].map((action) => [action.name, action]),
)
