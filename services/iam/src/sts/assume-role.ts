import { z } from 'zod'
import { readPolicy } from '../actions/documents.ts'
import { arn } from '../actions/fields.ts'
import type { Role } from '../entities.ts'
import { refusal } from '../errors.ts'
import {
  durationSeconds,
  NO_TAGS,
  sessionName,
  sessionPolicies,
  sessionTags,
  tagsOfSession,
  tagValues,
} from './fields.ts'
import { type ProviderLogin, type SessionOrigin, type SessionTaker, takerOf } from './logouts.ts'
import type { Session } from './session.ts'
import {
  asList,
  assertPoliciesThere,
  assertTrusted,
  callerOf,
  findRole,
  issueSession,
  notAuthorized,
  type StsAction,
  type StsCall,
  stsAction,
} from './sts-call.ts'

/** STS API, AssumeRole: where it does not say how long. */
const DURATION_SECONDS_DEFAULT = 3_600
/** A role that is taken by a role's session (IAM User Guide, "Role chaining"). */
const CHAINED_SECONDS_MAX = 3_600

export const ASSUME_ROLE: StsAction = stsAction(
  'AssumeRole',
  true,
  z.strictObject({
    RoleArn: arn,
    RoleSessionName: sessionName,
    DurationSeconds: durationSeconds.optional(),
    ExternalId: z
      .string()
      .min(2)
      .max(1224)
      .regex(/^[\w+=,.@:/-]+$/)
      .optional(),
    SourceIdentity: sessionName.optional(),
    ...sessionPolicies,
    ...sessionTags,
  }),
  async (input, call) => {
    const { principal, policies, session: own } = callerOf(call)
    if (principal.kind === 'account-root') {
      throw refusal('IAM_ACCESS_DENIED', 'Roles may not be assumed by root accounts.')
    }
    // IAM User Guide, "Compare AWS STS credentials": they are for the services, not to become somebody else with.
    if (principal.kind === 'federated-user') {
      throw refusal('IAM_ACCESS_DENIED', 'Cannot call AssumeRole with credentials of a federated user.')
    }
    const { RoleArn, RoleSessionName, ExternalId, SourceIdentity } = input
    const role = findRole(call.directory, RoleArn)
    if (role === undefined) throw notAuthorized(principal.arn, 'sts:AssumeRole', RoleArn)
    const inherited = own?.holder.kind === 'role' ? own : NO_TAGS
    const kept = own?.sourceIdentity
    if (SourceIdentity !== undefined && kept !== undefined && SourceIdentity !== kept) {
      throw refusal('IAM_ACCESS_DENIED', 'The source identity of a session cannot be changed.')
    }
    const sourceIdentity = SourceIdentity ?? kept
    const session = tagsOfSession(input, inherited)
    const decision = assertTrusted(
      role,
      { principal, policies, name: principal.arn },
      [
        'sts:AssumeRole',
        ...(Object.keys(session.tags).length > 0 ? ['sts:TagSession'] : []),
        ...(sourceIdentity === undefined ? [] : ['sts:SetSourceIdentity']),
      ],
      call,
      {
        ...tagValues(input),
        'sts:externalid': asList(ExternalId),
        'sts:rolesessionname': [RoleSessionName],
        'sts:sourceidentity': asList(sourceIdentity),
      },
    )
    const isChained = principal.kind === 'assumed-role'
    const answer = await sessionOfRole(call, role, {
      input,
      isChained,
      ...session,
      ...(sourceIdentity !== undefined && { sourceIdentity }),
      ...(own ? handedOn(own, Date.now()) : { takenBy: { person: principal.userId, source: principal.accountId } }),
    })
    return { ...answer, ...(decision && { decision }) }
  },
)

/** Whatever ends a session ends those that were taken with it: each of a chain ends what comes after it. */
export function handedOn(own: Session, nowMs: number): Pick<Session, 'origin' | 'between' | 'login' | 'takenBy'> {
  const { accountId, accessKeyId, expiresAt, origin, between = [], login } = own
  const self = { accountId, accessKeyId, expiresAt }
  const by = login ? { login } : { takenBy: takerOf(own) }
  if (origin === undefined) return { origin: { accountId, accessKeyId }, ...by }
  // What is over nobody can end any more.
  const live = between.filter((each) => each.expiresAt > nowMs)
  return { origin, between: [...live, self], ...by }
}

interface RoleSession {
  readonly input: {
    readonly RoleSessionName: string
    readonly DurationSeconds?: number | undefined
    readonly Policy?: string | undefined
    readonly PolicyArns?: readonly { readonly arn: string }[] | undefined
  }
  readonly isChained?: boolean
  readonly tags: Readonly<Record<string, string>>
  readonly transitiveTagKeys: readonly string[]
  readonly sourceIdentity?: string
  readonly federatedProvider?: string
  readonly proven?: Readonly<Record<string, string>>
  readonly login?: ProviderLogin
  readonly takenBy?: SessionTaker
  readonly origin?: SessionOrigin
  readonly between?: NonNullable<Session['between']>
  readonly expiresAtMax?: number | undefined
}

/** Credentials of a role for whoever has proven to be trusted. IAM_VALIDATION_ERROR, IAM_MALFORMED_POLICY. */
export async function sessionOfRole(call: StsCall, role: Role, asked: RoleSession) {
  const { input, isChained = false, expiresAtMax, ...facts } = asked
  const { RoleSessionName, Policy, PolicyArns = [] } = input
  if (Policy !== undefined) readPolicy(Policy)
  const policyArns = PolicyArns.map((each) => each.arn)
  assertPoliciesThere(call.directory, policyArns)
  const duration = input.DurationSeconds ?? Math.min(DURATION_SECONDS_DEFAULT, role.sessionSecondsMax)
  if (duration > role.sessionSecondsMax) {
    throw refusal(
      'IAM_VALIDATION_ERROR',
      'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.',
    )
  }
  if (isChained && duration > CHAINED_SECONDS_MAX) {
    throw refusal(
      'IAM_VALIDATION_ERROR',
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.',
    )
  }
  const issued = await issueSession(
    call,
    {
      accountId: role.accountId,
      holder: { kind: 'role', roleId: role.id, sessionName: RoleSessionName },
      ...(Policy !== undefined && { policy: Policy }),
      ...(policyArns.length > 0 && { policyArns }),
      ...facts,
    },
    duration,
    expiresAtMax,
  )
  const { credentials, secretAccessKey, packedPercent } = issued
  return {
    secretAccessKey,
    result: {
      AssumedRoleUser: {
        AssumedRoleId: `${role.id}:${RoleSessionName}`,
        Arn: `arn:aws:sts::${role.accountId}:assumed-role/${role.name}/${RoleSessionName}`,
      },
      Credentials: credentials,
      PackedPolicySize: Policy !== undefined || policyArns.length > 0 ? packedPercent : undefined,
      SourceIdentity: facts.sourceIdentity,
    },
  }
}
