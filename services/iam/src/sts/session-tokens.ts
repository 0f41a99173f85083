import { decide, principalValue } from '@coffer/policy'
import { z } from 'zod'
import { readPolicy } from '../actions/documents.ts'
import { tags } from '../actions/fields.ts'
import { refusal } from '../errors.ts'
import { durationSeconds, NO_TAGS, sessionName, sessionPolicies, tagsOfSession, tagValues } from './fields.ts'
import {
  asList,
  assertPoliciesThere,
  type Caller,
  callerOf,
  issueSession,
  notAuthorized,
  type StsAction,
  type StsCall,
  stsAction,
  type Values,
} from './sts-call.ts'

const DURATION_SECONDS_DEFAULT = 43_200
/** STS API: of the root of an account, where it asks for longer it gets this. */
const ROOT_SECONDS_MAX = 3_600

/** The caller's own permissions for a while (STS API, GetSessionToken). */
export const GET_SESSION_TOKEN: StsAction = stsAction(
  'GetSessionToken',
  true,
  z.strictObject({ DurationSeconds: durationSeconds.optional() }),
  async ({ DurationSeconds }, call) => {
    const caller = longTermCallerOf(call, 'GetSessionToken')
    const { principal } = caller
    // Anybody may who is not denied it: it gives nothing that the caller has not.
    assertNotDenied(caller, 'sts:GetSessionToken', call)
    const holder = principal.kind === 'iam-user' ? ({ kind: 'user', userId: principal.userId } as const) : ROOT
    const { accountId } = principal
    const issued = await issueSession(call, { accountId, holder, ...NO_TAGS }, durationOf(caller, DurationSeconds))
    return { secretAccessKey: issued.secretAccessKey, result: { Credentials: issued.credentials } }
  },
)

const ROOT = { kind: 'root' } as const

/** Credentials for somebody whom the caller knows, with at most what is passed (STS API, GetFederationToken). */
export const GET_FEDERATION_TOKEN: StsAction = stsAction(
  'GetFederationToken',
  true,
  z.strictObject({
    Name: sessionName.max(32),
    DurationSeconds: durationSeconds.optional(),
    Tags: tags.optional(),
    ...sessionPolicies,
  }),
  async (input, call) => {
    const { Name, Policy, PolicyArns = [] } = input
    const caller = longTermCallerOf(call, 'GetFederationToken')
    const { accountId, kind, userId } = caller.principal
    const resource = `arn:aws:sts::${accountId}:federated-user/${Name}`
    const session = tagsOfSession(input)
    const actions = ['sts:GetFederationToken', ...(Object.keys(session.tags).length > 0 ? ['sts:TagSession'] : [])]
    for (const action of actions) assertAllowed(caller, action, resource, call, tagValues(input))
    if (Policy !== undefined) readPolicy(Policy)
    const policyArns = PolicyArns.map(({ arn }) => arn)
    assertPoliciesThere(call.directory, policyArns)
    const holder = { kind: 'federated-user', name: Name, ...(kind === 'iam-user' && { userId }) } as const
    const facts = {
      accountId,
      holder,
      ...session,
      ...(Policy !== undefined && { policy: Policy }),
      ...(policyArns.length > 0 && { policyArns }),
    }
    const issued = await issueSession(call, facts, durationOf(caller, input.DurationSeconds))
    return {
      secretAccessKey: issued.secretAccessKey,
      result: {
        Credentials: issued.credentials,
        FederatedUser: { FederatedUserId: `${accountId}:${Name}`, Arn: resource },
        PackedPolicySize: issued.packedPercent,
      },
    }
  },
)

/** Who the caller is: needs no leave, and none can be taken away (STS API, GetCallerIdentity). */
export const GET_CALLER_IDENTITY: StsAction = stsAction(
  'GetCallerIdentity',
  true,
  z.strictObject({}),
  async (_input, call) => {
    const { arn, userId, accountId } = callerOf(call).principal
    return { result: { Arn: arn, UserId: userId, Account: accountId } }
  },
)

/** IAM_ACCESS_DENIED with credentials that are a session's already. */
function longTermCallerOf(call: StsCall, action: string): Caller {
  const caller = callerOf(call)
  if (caller.session === undefined) return caller
  throw refusal('IAM_ACCESS_DENIED', `Cannot call ${action} with session credentials`)
}

function durationOf({ principal }: Caller, seconds = DURATION_SECONDS_DEFAULT): number {
  return principal.kind === 'account-root' ? Math.min(seconds, ROOT_SECONDS_MAX) : seconds
}

function decisionOn({ principal, policies }: Caller, action: string, resource: string, call: StsCall, values: Values) {
  return decide({
    principal,
    policies,
    action,
    resource,
    resourceAccountId: principal.accountId,
    values: (key) => values[key] ?? call.values[key] ?? asList(principalValue(principal, key)),
  })
}

function assertAllowed(caller: Caller, action: string, resource: string, call: StsCall, values: Values): void {
  const { effect } = decisionOn(caller, action, resource, call, values)
  if (effect === 'deny') throw notAuthorized(caller.principal.arn, action, resource)
}

function assertNotDenied(caller: Caller, action: string, call: StsCall): void {
  const { effect, reason } = decisionOn(caller, action, '*', call, {})
  if (effect === 'deny' && reason === 'explicit-deny') throw notAuthorized(caller.principal.arn, action, '*')
}
