import type { Condition } from './condition.ts'
import type { Pattern } from './pattern.ts'

/** A policy of the IAM policy language, checked. Source: IAM User Guide, "Grammar of the IAM JSON policy language". */
export interface Policy {
  readonly statements: readonly Statement[]
}

export interface Statement {
  readonly sid: string | undefined
  readonly effect: 'Allow' | 'Deny'
  /** Undefined in a policy of an identity: it speaks of whom it is attached to. */
  readonly principals: Negatable<PrincipalPattern> | undefined
  readonly actions: Negatable<Pattern>
  /** Undefined in a trust policy: it speaks of the role that it belongs to. */
  readonly resources: Negatable<Pattern> | undefined
  readonly conditions: readonly Condition[]
}

/** `not`: everything but these. */
export interface Negatable<T> {
  readonly not: boolean
  readonly of: readonly T[]
}

export type PrincipalPattern =
  | { readonly kind: 'everybody' }
  /** All of an account. */
  | { readonly kind: 'account'; readonly accountId: string }
  /** A session of GetFederationToken; or a user, role or role's session of a policy that was saved before it was bound to unique ids. */
  | { readonly kind: 'arn'; readonly arn: string }
  /** A user or role (`AIDA...`, `AROA...`), or one session of a role (`AROA...:<session>`). */
  | { readonly kind: 'unique-id'; readonly uniqueId: string }
  | { readonly kind: 'canonical'; readonly canonicalId: string }
  /** An identity provider: its ARN, or the domain of a well-known one. */
  | { readonly kind: 'federated'; readonly provider: string }
  /** A service of AWS, which never asks anything here. */
  | { readonly kind: 'service'; readonly service: string }
