import type { Principal } from '@coffer/contracts'
import type { Decision, PrincipalPolicies } from '@coffer/policy'
import type { GivenValues } from './given-values.ts'

export interface Explaining {
  readonly principal: Principal
  readonly policies: PrincipalPolicies
  readonly action: string
  readonly resource: string
  readonly values: GivenValues
  readonly facts?: RequestFacts
}

/** Of a request, what no condition key tells. */
export interface RequestFacts {
  /** It says that who makes it pays (x-amz-request-payer). */
  readonly paysAsRequester?: boolean
  /** x-amz-expected-bucket-owner. */
  readonly expectedOwner?: string
  /** The write is a copy of this object. */
  readonly copySource?: { readonly resource: string; readonly versionId?: string }
  /** The write is this object under another name. */
  readonly renameSource?: string
  /** The write is an upload in parts. */
  readonly isInParts?: boolean
  /** What CreateAlias or UpdateAlias makes the alias name. */
  readonly targetKey?: string
}

export const ONLY_OF_KMS = 'a target key is of kms:CreateAlias and kms:UpdateAlias'

/** Why a request is refused that policies allow. */
export type RequestRefusal = 'other-bucket-owner' | 'requester-pays'

export type ExplainedDecision = Omit<Decision, 'reason'> & { readonly reason: Decision['reason'] | RequestRefusal }

export interface ExplainedUse {
  readonly decision: ExplainedDecision
  readonly action: string
  readonly resource: string
  /** Names of the resources' policies that were asked. */
  readonly resourcePolicies: readonly string[]
  /** `no-bucket`: it is not there, and what one of the own account without a policy would say is said. */
  readonly resourcePolicy: 'asked' | 'none' | 'no-bucket' | 'not-asked'
}

/** What is asked is nothing that a request could ask; the message says why. */
export class NotExplained extends Error {}
