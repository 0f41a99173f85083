import type { RequestPrincipal } from '../principal.ts'
import { isMet, narrows } from './condition.ts'
import type { ContextValues, Pattern } from './pattern.ts'
import type { Negatable, Policy, PrincipalPattern, Statement } from './policy.ts'

export interface PolicyRequest {
  readonly principal: RequestPrincipal
  /** `s3:GetObject`. */
  readonly action: string
  /** `arn:aws:s3:::bucket/key`. */
  readonly resource: string
  /** Values of condition keys, asked for by lower case names. */
  readonly values: ContextValues
}

/**
 * How a policy of a resource names who asks: by its own ARN; as everybody; by the ARN of its role (or of who asked for a
 * federated session); or only by its account, which leaves it to the account to say who of it.
 */
export type Naming = 'itself' | 'everybody' | 'issuer' | 'account'

const STRONGEST_FIRST: readonly Naming[] = ['itself', 'everybody', 'issuer', 'account']

export interface SpeakingStatement {
  readonly index: number
  readonly sid: string | undefined
  readonly naming: Naming
}

/** The first statement that denies it (IAM User Guide, "Policy evaluation logic": one is enough). */
export function findDeny(policy: Policy, request: PolicyRequest): SpeakingStatement | undefined {
  return find(policy, 'Deny', request)
}

/** The statement that allows it; of several the one that names who asks best. */
export function findAllow(policy: Policy, request: PolicyRequest): SpeakingStatement | undefined {
  return find(policy, 'Allow', request)
}

function find(policy: Policy, effect: Statement['effect'], request: PolicyRequest) {
  let best: SpeakingStatement | undefined
  for (const { index, statement } of statementsOn(policy, request.action)[effect]) {
    // The cheapest question first.
    const naming = namingOf(statement, request.principal)
    if (naming === undefined || (best !== undefined && rank(naming) >= rank(best.naming))) continue
    if (!speaksOf(statement, request)) continue
    best = { index, sid: statement.sid, naming }
    if (naming === 'itself' || effect === 'Deny') return best
  }
  return best
}

interface Indexed {
  readonly index: number
  readonly statement: Statement
}

type Speaking = Readonly<Record<Statement['effect'], readonly Indexed[]>>

/** Statements by the action that they speak of: of most actions a policy says little. */
const known = new WeakMap<Policy, Map<string, Speaking>>()
/** More than a service has; in a policy's simulation a client may name any. */
const ACTIONS_KNOWN_MAX = 1000

/** Those that speak of an action, in their order: found once, as actions have no variables. */
function statementsOn(policy: Policy, action: string): Speaking {
  const byAction = known.get(policy) ?? new Map<string, Speaking>()
  const found = byAction.get(action)
  if (found !== undefined) return found
  const indexed = policy.statements
    .map((statement, index) => ({ index, statement }))
    .filter(({ statement }) => isNamed(statement.actions, action, noValues, true))
  const of = (effect: Statement['effect']) => indexed.filter(({ statement }) => statement.effect === effect)
  const speaking = { Allow: of('Allow'), Deny: of('Deny') }
  if (byAction.size >= ACTIONS_KNOWN_MAX) byAction.clear()
  known.set(policy, byAction.set(action, speaking))
  return speaking
}

const noValues = () => undefined

function rank(naming: Naming): number {
  return STRONGEST_FIRST.indexOf(naming)
}

/** S3 User Guide, "The meaning of public": it allows something to everybody, without a condition that holds them to fixed values. */
export function isPublicPolicy({ statements }: Policy): boolean {
  return statements.some(({ effect, principals, conditions }) => {
    const isForEverybody = principals?.not || principals?.of.some(({ kind }) => kind === 'everybody')
    return effect === 'Allow' && isForEverybody && !conditions.some(narrows)
  })
}

/** Whether any of it looks at a condition key that begins so (lower case), in a condition or as a variable. */
export function namesKey({ statements }: Policy, prefix: string): boolean {
  const hasVariable = ({ text }: Pattern) => text.toLowerCase().includes(`\${${prefix}`)
  return statements.some(
    ({ conditions, resources }) =>
      resources?.of.some(hasVariable) ||
      conditions.some(({ key, values }) => key.startsWith(prefix) || values.some(hasVariable)),
  )
}

function speaksOf({ resources, conditions }: Statement, { resource, values }: PolicyRequest): boolean {
  if (resources !== undefined && !isNamed(resources, resource, values, false)) return false
  for (const condition of conditions) if (!isMet(condition, values)) return false
  return true
}

function isNamed(
  { not, of }: Statement['actions'],
  candidate: string,
  values: ContextValues,
  ignoreCase: boolean,
): boolean {
  for (const wanted of of) if (wanted.matches(candidate, values, ignoreCase)) return !not
  return not
}

/** Undefined: the statement does not speak of the principal. In a policy of an identity it speaks of whom it is attached to. */
function namingOf({ principals, effect }: Statement, principal: RequestPrincipal): Naming | undefined {
  if (principals === undefined) return 'itself'
  if (principals.not) return isExcepted(principals, effect, principal) ? undefined : 'everybody'
  let strongest: Naming | undefined
  for (const wanted of principals.of) {
    const naming = namingBy(wanted, principal)
    if (naming !== undefined && (strongest === undefined || rank(naming) < rank(strongest))) strongest = naming
  }
  return strongest
}

/**
 * NotPrincipal (IAM User Guide, of that name): an exception of an account excepts all of it from an Allow, but of a Deny only
 * its root: users and sessions have to be named themselves.
 */
function isExcepted(
  { of }: Negatable<PrincipalPattern>,
  effect: Statement['effect'],
  principal: RequestPrincipal,
): boolean {
  return of.some((excepted) => {
    const naming = namingBy(excepted, principal)
    return naming !== undefined && (effect === 'Allow' || naming !== 'account')
  })
}

function namingBy(wanted: PrincipalPattern, principal: RequestPrincipal): Naming | undefined {
  if (wanted.kind === 'everybody') return 'everybody'
  if (principal === 'anonymous') return undefined
  if (principal.kind === 'proven-identity') {
    return wanted.kind === 'federated' && wanted.provider === principal.provider ? 'itself' : undefined
  }
  const isRoot = principal.kind === 'account-root'
  switch (wanted.kind) {
    case 'account':
      return principal.accountId === wanted.accountId ? (isRoot ? 'itself' : 'account') : undefined
    case 'canonical':
      return principal.canonicalId === wanted.canonicalId ? (isRoot ? 'itself' : 'account') : undefined
    case 'arn':
      if (principal.arn === wanted.arn) return 'itself'
      return principal.issuerArn === wanted.arn ? 'issuer' : undefined
    case 'unique-id':
      if (principal.userId === wanted.uniqueId) return 'itself'
      return principal.issuerId === wanted.uniqueId ? 'issuer' : undefined
    default:
      return undefined
  }
}
