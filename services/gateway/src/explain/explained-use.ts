import type { Principal } from '@coffer/contracts'
import type { Decision, PrincipalPolicies } from '@coffer/policy'
import type { GivenValues } from './given-values.ts'

export interface Explaining {
  readonly principal: Principal
  readonly policies: PrincipalPolicies
  readonly action: string
  readonly resource: string
  readonly values: GivenValues
}

export interface ExplainedUse {
  readonly decision: Decision
  readonly action: string
  readonly resource: string
  /** Names of the resources' policies that were asked. */
  readonly resourcePolicies: readonly string[]
  /** `no-bucket`: it is not there, and what one of the own account without a policy would say is said. */
  readonly resourcePolicy: 'asked' | 'none' | 'no-bucket' | 'not-asked'
}

/** What is asked is nothing that a request could ask; the message says why. */
export class NotExplained extends Error {}
