import { isCofferError } from '@coffer/errors'
import { isLike } from '@coffer/policy'
import { readPolicy } from '../actions/documents.ts'
import type { Directory } from '../directory.ts'
import { arnOf, type Role, type User } from '../entities.ts'
import type { IdentityRule } from '../identity-settings.ts'
import { sessionOfRole } from './assume-role.ts'
import { NO_TAGS } from './fields.ts'
import { provenTaker, type SessionTaker } from './logouts.ts'
import {
  assertPoliciesThere,
  assertTrusted,
  findRole,
  issueSession,
  notAuthorized,
  type StsCall,
  type Values,
} from './sts-call.ts'

/*
 * Whoever is known to an authority or directory of the operator's, which no account has registered: from what that says of them to
 * credentials of a role or a user.
 */

export interface Proven {
  /** `sts:AssumeRoleWithCertificate`: what trust policies allow. */
  readonly action: string
  /** What they name as Federated. */
  readonly provider: string
  /** In messages, and of the session where the request gives it no name. */
  readonly name: string
  /** What rules and trust policies can ask for, by condition key in lower case. */
  readonly values: Values
  /** Of these, what policies can ask for as long as the session lives. */
  readonly kept: Readonly<Record<string, string>>
  readonly expiresAtMax?: number
}

export interface ProvenRequest {
  readonly RoleArn?: string | undefined
  readonly RoleSessionName?: string | undefined
  readonly DurationSeconds?: number | undefined
  readonly Policy?: string | undefined
  readonly PolicyArns?: readonly { readonly arn: string }[] | undefined
}

const DURATION_SECONDS_DEFAULT = 3_600

/**
 * Credentials of the role that the request names, or of what the first rule says that fits and lets them. Of a role its trust policy
 * decides in both cases; a user is only what a rule makes of somebody. IAM_ACCESS_DENIED, which does not tell whether there is such a
 * role, and what `sessionOfRole` refuses with.
 */
export async function sessionOfProven(
  call: StsCall,
  proven: Proven,
  rules: readonly IdentityRule[],
  request: ProvenRequest,
) {
  const { RoleArn } = request
  const input = { ...request, RoleSessionName: request.RoleSessionName ?? sessionNameFor(proven.name) }
  const { provider: federatedProvider, kept, expiresAtMax } = proven
  for (const target of RoleArn === undefined ? targetsOf(rules, proven.values) : [RoleArn]) {
    const role = findRole(call.directory, target)
    const decision = role && trustOf(role, proven, input.RoleSessionName, call)
    if (role !== undefined && decision !== undefined) {
      const takenBy = takerOf(proven)
      const facts = { input, ...NO_TAGS, federatedProvider, proven: kept, expiresAtMax, takenBy }
      return { ...(await sessionOfRole(call, role, facts)), decision }
    }
    const user = RoleArn === undefined ? findUser(call.directory, target) : undefined
    if (user !== undefined) return await sessionOfUser(call, user, proven, input)
  }
  throw notAuthorized(proven.name, proven.action, RoleArn ?? '*')
}

/** In the order of the rules. */
function targetsOf(rules: readonly IdentityRule[], values: Values): readonly string[] {
  return rules.filter(({ when }) => Object.entries(when).every(fits(values))).map(({ assume }) => assume)
}

function fits(values: Values) {
  return ([key, patterns]: readonly [string, readonly string[]]) =>
    patterns.some((pattern) => (values[key] ?? []).some((value) => isLike(value, pattern)))
}

/** Undefined: its trust policy does not let them. */
function trustOf(role: Role, { action, provider, name, values }: Proven, sessionName: string, call: StsCall) {
  const principal = { kind: 'proven-identity', provider } as const
  try {
    return assertTrusted(role, { principal, name }, [action], call, { ...values, 'sts:rolesessionname': [sessionName] })
  } catch (error) {
    if (isCofferError(error, 'IAM_ACCESS_DENIED')) return undefined
    throw error
  }
}

function findUser(directory: Directory, arn: string): User | undefined {
  const [, accountId = '', path = ''] = /^arn:aws:iam::(\d{12}):user\/(.+)$/.exec(arn) ?? []
  const user = directory.named('user', accountId, path.slice(path.lastIndexOf('/') + 1))
  return user !== undefined && arnOf(user) === arn ? user : undefined
}

/** What GetSessionToken gives: all that the user may, but no IAM calls. */
async function sessionOfUser(
  call: StsCall,
  { accountId, id: userId }: User,
  proven: Proven,
  { Policy, PolicyArns = [], DurationSeconds = DURATION_SECONDS_DEFAULT }: ProvenRequest,
) {
  if (Policy !== undefined) readPolicy(Policy)
  const policyArns = PolicyArns.map(({ arn }) => arn)
  assertPoliciesThere(call.directory, policyArns)
  const facts = {
    accountId,
    holder: { kind: 'user', userId },
    ...NO_TAGS,
    federatedProvider: proven.provider,
    proven: proven.kept,
    takenBy: takerOf(proven),
    ...(Policy !== undefined && { policy: Policy }),
    ...(policyArns.length > 0 && { policyArns }),
  } as const
  const { credentials, secretAccessKey } = await issueSession(call, facts, DurationSeconds, proven.expiresAtMax)
  return { secretAccessKey, result: { Credentials: credentials } }
}

function takerOf({ provider, name, kept }: Proven): SessionTaker {
  return provenTaker(provider, name, ...Object.values(kept))
}

const SESSION_NAME_CHARACTERS_MAX = 64

/** What a session's name may not hold (STS API, RoleSessionName) becomes `-`. */
export function sessionNameFor(name: string): string {
  return name
    .replaceAll(/[^\w+=,.@-]/g, '-')
    .slice(0, SESSION_NAME_CHARACTERS_MAX)
    .padEnd(2, '-')
}
