import type { Condition } from './condition.ts'
import type { Pattern } from './pattern.ts'

/** A policy of the IAM policy language, checked. Source: IAM User Guide, "Grammar of the IAM JSON policy language". */
export interface Policy {
  readonly statements: readonly Statement[]
}

export interface Statement {
  readonly sid: string | undefined
  readonly effect: 'Allow' | 'Deny'
  readonly principals: Negatable<PrincipalPattern>
  readonly actions: Negatable<Pattern>
  readonly resources: Negatable<Pattern>
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
  | { readonly kind: 'arn'; readonly arn: string }
  | { readonly kind: 'canonical'; readonly canonicalId: string }

/** Who asks. */
export type RequestPrincipal =
  | 'anonymous'
  | { readonly accountId: string; readonly arn: string; readonly canonicalId: string }
