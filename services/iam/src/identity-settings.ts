import type { IdentityDirectory } from '@coffer/identity-directory'

/** Whom the operator lets in, without an account having registered a provider for them. */
export interface IdentitySettings {
  /** Hosts of OpenID Connect issuers that this server asks, wherever they are. None: all that are at public addresses. */
  readonly oidcIssuerHosts: readonly string[]
  /** By client certificate. */
  readonly certificateRules: readonly IdentityRule[]
  /** By a user name and password of a directory. */
  readonly directory?: { readonly people: IdentityDirectory; readonly rules: readonly IdentityRule[] } | undefined
}

/** Whoever is so becomes that. */
export interface IdentityRule {
  /** Patterns (`*`, `?`) by condition key in lower case: of each key one pattern has to fit one value. */
  readonly when: Readonly<Record<string, readonly string[]>>
  /** ARN of a role, whose trust policy has to let them too, or of a user. */
  readonly assume: string
}

export const NO_IDENTITIES: IdentitySettings = { oidcIssuerHosts: [], certificateRules: [] }
