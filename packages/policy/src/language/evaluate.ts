import { isMet, narrows } from './condition.ts'
import type { ContextValues, Pattern } from './pattern.ts'
import type { Negatable, Policy, PrincipalPattern, RequestPrincipal, Statement } from './policy.ts'

export interface PolicyRequest {
  readonly principal: RequestPrincipal
  /** `s3:GetObject`. */
  readonly action: string
  /** `arn:aws:s3:::bucket/key`. */
  readonly resource: string
  /** Values of condition keys, asked for by lower case names. */
  readonly values: ContextValues
}

/** What a policy says: a Deny anywhere beats every Allow (IAM User Guide, "Policy evaluation logic"). */
export type Verdict = 'allow' | 'deny' | 'silent'

export function evaluatePolicy({ statements }: Policy, request: PolicyRequest): Verdict {
  const speaking = statements.filter((statement) => speaksOf(statement, request))
  if (speaking.some(({ effect }) => effect === 'Deny')) return 'deny'
  return speaking.length > 0 ? 'allow' : 'silent'
}

/** S3 User Guide, "The meaning of public": it allows something to everybody, without a condition that holds them to fixed values. */
export function isPublicPolicy({ statements }: Policy): boolean {
  return statements.some(({ effect, principals, conditions }) => {
    const isForEverybody = principals.not || principals.of.some(({ kind }) => kind === 'everybody')
    return effect === 'Allow' && isForEverybody && !conditions.some(narrows)
  })
}

function speaksOf(statement: Statement, { principal, action, resource, values }: PolicyRequest): boolean {
  return (
    isNamed(statement.principals, (wanted) => isPrincipal(wanted, principal)) &&
    isNamed(statement.actions, (wanted: Pattern) => wanted.matches(action, values, true)) &&
    isNamed(statement.resources, (wanted: Pattern) => wanted.matches(resource, values)) &&
    statement.conditions.every((condition) => isMet(condition, values))
  )
}

function isNamed<T>({ not, of }: Negatable<T>, fits: (wanted: T) => boolean): boolean {
  return of.some(fits) !== not
}

function isPrincipal(wanted: PrincipalPattern, principal: RequestPrincipal): boolean {
  if (wanted.kind === 'everybody') return true
  if (principal === 'anonymous') return false
  if (wanted.kind === 'account') return principal.accountId === wanted.accountId
  if (wanted.kind === 'arn') return principal.arn === wanted.arn
  return principal.canonicalId === wanted.canonicalId
}
