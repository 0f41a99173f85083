import { findAllow, findDeny, isPublicPolicy, type PolicyRequest, type SpeakingStatement } from './language/evaluate.ts'
import type { Policy } from './language/policy.ts'
import type { KnownPrincipal } from './principal.ts'

/** A policy and what it is called in a decision: an ARN, or where an inline policy is. */
export interface NamedPolicy {
  readonly id: string
  readonly policy: Policy
}

/** What is attached to a principal. */
export interface PrincipalPolicies {
  /** Of a user and its groups, or of a role. */
  readonly identity: readonly NamedPolicy[]
  /** The most that identity policies can give; absent: no limit. */
  readonly boundary?: NamedPolicy
  /** Passed with a session: the most that it can do, all together; absent: no limit. */
  readonly session?: readonly NamedPolicy[]
}

/** What is asked: may this principal do this? */
export interface DecisionRequest extends PolicyRequest {
  readonly policies?: PrincipalPolicies | undefined
  /** Of the account that the resource belongs to; of an action on an account: that one. Absent: nobody's, which is refused. */
  readonly resourceAccountId?: string | undefined
  readonly resourcePolicy?: NamedPolicy | undefined
  /** KMS keys and trust of roles: nothing is allowed in the own account either without a word of the resource's policy. */
  readonly needsResourcePolicy?: boolean
  /** RestrictPublicBuckets: a public policy lets in nobody but the owner's account. */
  readonly restrictsPublic?: boolean
}

export type PolicyKind = 'identity' | 'boundary' | 'session' | 'resource'

/** The statement that decided. */
export interface DecidingStatement {
  readonly kind: PolicyKind
  readonly policyId: string
  /** From 0. */
  readonly index: number
  readonly sid?: string
}

export interface Decision {
  readonly effect: 'allow' | 'deny'
  /** For the audit trail and for `explain`: which rule decided. */
  readonly reason:
    | 'explicit-deny'
    | 'account-root'
    | 'identity-policy'
    | 'resource-policy'
    | 'anonymous'
    | 'no-owner'
    | 'no-identity-policy'
    | 'no-resource-policy'
    | 'not-in-boundary'
    | 'not-in-session-policy'
    | 'public-access-block'
  /** Absent where no statement spoke. */
  readonly statement?: DecidingStatement
}

/** S3 User Guide, "Bucket policies": the owner's root can always mend a policy, whatever it says. */
const OWNER_ACTIONS: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
])

interface Found {
  readonly kind: PolicyKind
  readonly named: NamedPolicy
  readonly statement: SpeakingStatement
}

/**
 * Who may do what, pure. Source: IAM User Guide, "Policy evaluation logic": a Deny anywhere beats every Allow; in its own
 * account a principal needs an Allow of its own policies or of the resource's, in another account of both; boundaries and
 * session policies only ever take away; an account's root may do everything in it.
 */
export function decide(request: DecisionRequest): Decision {
  const { principal, resourceAccountId } = request
  const isKnown = principal !== 'anonymous' && principal.kind !== 'proven-identity'
  const isOwn = isKnown && principal.accountId === resourceAccountId
  if (isOwn && principal.kind === 'account-root' && OWNER_ACTIONS.has(request.action)) return rootAllows
  const denied = findDenial(request)
  if (denied !== undefined) return decision('deny', 'explicit-deny', denied)
  const granted = findIn('resource', request.resourcePolicy, request)
  if (!isKnown) return decideForStranger(request, granted)
  if (resourceAccountId === undefined) return { effect: 'deny', reason: 'no-owner' }
  if (!isOwn && granted !== undefined && isShutToPublic(request)) return refusedAsPublic(granted)
  if (!isOwn && granted === undefined) return { effect: 'deny', reason: 'no-resource-policy' }
  if (isOwn && granted !== undefined && speaksForItself(granted, principal)) {
    return decision('allow', 'resource-policy', granted)
  }
  if (request.needsResourcePolicy && granted === undefined) return { effect: 'deny', reason: 'no-resource-policy' }
  return decideByIdentity(request, principal, isOwn ? namedBeyondAccount(granted) : undefined, granted)
}

const rootAllows: Decision = { effect: 'allow', reason: 'account-root' }

/** Nobody known, or an identity that only a provider vouches for: what a policy of the resource says is all. */
function decideForStranger(request: DecisionRequest, granted: Found | undefined): Decision {
  if (granted === undefined) {
    return { effect: 'deny', reason: request.principal === 'anonymous' ? 'anonymous' : 'no-resource-policy' }
  }
  return isShutToPublic(request) ? refusedAsPublic(granted) : decision('allow', 'resource-policy', granted)
}

/**
 * IAM User Guide, "Policy evaluation for requests within a single account": an Allow for the very user or session is not
 * limited by what its own policies do not say; so for everybody, but for sessions, which are never more than they were made.
 */
function speaksForItself({ statement: { naming } }: Found, { kind }: KnownPrincipal): boolean {
  if (naming === 'itself') return true
  return naming === 'everybody' && (kind === 'account-root' || kind === 'iam-user')
}

/** In the own account an Allow for a session's role, or for everybody, stands in for an identity policy. */
function namedBeyondAccount(granted: Found | undefined): Found | undefined {
  return granted === undefined || granted.statement.naming === 'account' ? undefined : granted
}

function decideByIdentity(
  request: DecisionRequest,
  { kind }: KnownPrincipal,
  standIn: Found | undefined,
  granted: Found | undefined,
): Decision {
  if (kind === 'account-root') return granted ? decision('allow', 'resource-policy', granted) : rootAllows
  const { identity = [], boundary, session } = request.policies ?? {}
  const allowed = findAmong('identity', identity, request) ?? standIn
  if (allowed === undefined) return { effect: 'deny', reason: 'no-identity-policy' }
  if (boundary !== undefined && findIn('boundary', boundary, request) === undefined) {
    return { effect: 'deny', reason: 'not-in-boundary' }
  }
  if (session !== undefined && findAmong('session', session, request) === undefined) {
    return { effect: 'deny', reason: 'not-in-session-policy' }
  }
  return decision('allow', allowed.kind === 'resource' ? 'resource-policy' : 'identity-policy', allowed)
}

function findDenial(request: DecisionRequest): Found | undefined {
  const { policies, resourcePolicy } = request
  return (
    denialIn('resource', resourcePolicy, request) ??
    firstOf(policies?.identity, (named) => denialIn('identity', named, request)) ??
    denialIn('boundary', policies?.boundary, request) ??
    firstOf(policies?.session, (named) => denialIn('session', named, request))
  )
}

function denialIn(kind: PolicyKind, named: NamedPolicy | undefined, request: PolicyRequest): Found | undefined {
  const statement = named && findDeny(named.policy, request)
  return named && statement && { kind, named, statement }
}

function findIn(kind: PolicyKind, named: NamedPolicy | undefined, request: PolicyRequest): Found | undefined {
  const statement = named && findAllow(named.policy, request)
  return named && statement && { kind, named, statement }
}

function findAmong(kind: PolicyKind, policies: readonly NamedPolicy[], request: PolicyRequest): Found | undefined {
  return firstOf(policies, (named) => findIn(kind, named, request))
}

function firstOf<Item, Result>(
  items: readonly Item[] | undefined,
  find: (item: Item) => Result | undefined,
): Result | undefined {
  for (const item of items ?? []) {
    const found = find(item)
    if (found !== undefined) return found
  }
  return undefined
}

function isShutToPublic({ restrictsPublic, resourcePolicy }: DecisionRequest): boolean {
  return restrictsPublic === true && resourcePolicy !== undefined && isPublicPolicy(resourcePolicy.policy)
}

function refusedAsPublic(found: Found): Decision {
  return decision('deny', 'public-access-block', found)
}

function decision(effect: Decision['effect'], reason: Decision['reason'], { kind, named, statement }: Found): Decision {
  const { index, sid } = statement
  return { effect, reason, statement: { kind, policyId: named.id, index, ...(sid !== undefined && { sid }) } }
}
