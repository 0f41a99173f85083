import type {
  ActionDecision,
  AnswerTree,
  IamActionAnswer,
  IamActionRequest,
  KeyParcel,
  KeyRecipient,
  Principal,
} from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { decide, type PrincipalPolicies, principalValue } from '@coffer/policy'
import type { z } from 'zod'
import type { Directory } from '../directory.ts'
import type { Tag } from '../entities.ts'
import { refusal } from '../errors.ts'
import type { IamRecords } from '../iam-records.ts'
import type { IamStore } from '../iam-store.ts'

/** What an action may use. Of one request. */
export interface ActionCall {
  readonly store: IamStore
  readonly records: IamRecords
  readonly mesh: Mesh
  readonly recipient: KeyRecipient
  /** As it was when the request was allowed. */
  readonly directory: Directory
  readonly principal: Principal
  readonly policies: PrincipalPolicies
  /** The principal's: an action never reaches into another account. */
  readonly accountId: string
  readonly values: IamActionRequest['values']
}

/** What an action is on: what its Resource element has to match, and what conditions can ask of that. */
export interface Target {
  readonly arn: string
  readonly tags?: readonly Tag[] | undefined
  /** The boundary that a user or role has. */
  readonly boundaryArn?: string | undefined
}

export const ANYTHING = (): Target => ({ arn: '*' })

export type Result = { readonly [name: string]: AnswerTree }

/** An answer with a secret in it, for the recipient alone. */
export class SecretAnswer {
  readonly result: Result
  readonly secretAccessKey: KeyParcel

  constructor(result: Result, secretAccessKey: KeyParcel) {
    this.result = result
    this.secretAccessKey = secretAccessKey
  }
}

export interface IamAction {
  readonly name: string
  /** Checks the parameters, then whether the principal may, and does it. */
  answer(parameters: unknown, call: ActionCall): Promise<IamActionAnswer>
}

/** An action of the IAM API: its parameters (IAM API Reference), what it is on, and what it does. */
export function iamAction<Input extends object>(
  name: string,
  input: z.ZodType<Input>,
  targetOf: (input: Input, call: ActionCall) => Target,
  // biome-ignore lint/suspicious/noConfusingVoidType: most have nothing to tell
  run: (input: Input, call: ActionCall) => Promise<Result | SecretAnswer | void>,
): IamAction {
  return {
    name,
    async answer(parameters, call) {
      const parsed = input.safeParse(parameters)
      if (!parsed.success) throw refusal('IAM_VALIDATION_ERROR', messageOf(parsed.error))
      const decision = assertAllowed(`iam:${name}`, targetOf(parsed.data, call), parsed.data, call)
      const done = await run(parsed.data, call)
      if (done instanceof SecretAnswer) return { decision, ...done }
      return { decision, ...(done && { result: done }) }
    },
  }
}

/** Of one account, by its principals' own policies. IAM_ACCESS_DENIED, in AWS's words. */
function assertAllowed(action: string, target: Target, input: object, call: ActionCall): ActionDecision {
  const { arn } = target
  const { principal, policies, accountId, values } = call
  const { effect, reason, statement } = decide({
    principal,
    policies,
    action,
    resource: arn,
    resourceAccountId: accountId,
    values: (key) =>
      values[key] ?? asList(principalValue(principal, key)) ?? requestValueOf(key, input, target, accountId),
  })
  if (effect === 'allow') return { action, resource: arn, reason, ...(statement && { statement }) }
  if (reason !== 'explicit-deny' && isLetByPasswordPolicy(action, arn, call)) {
    return { action, resource: arn, reason: 'password-policy' }
  }
  throw refusal(
    'IAM_ACCESS_DENIED',
    `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${arn}`,
    { action, resource: arn, reason },
  )
}

/**
 * IAM User Guide, "Setting an account password policy", "Allow users to change their own password": for every user, without a policy that
 * says so.
 */
function isLetByPasswordPolicy(action: string, arn: string, { principal, directory, accountId }: ActionCall): boolean {
  if (principal.kind !== 'iam-user' || !directory.settings(accountId).passwordPolicy?.allowUsersToChange) return false
  return action === 'iam:GetAccountPasswordPolicy' || (action === 'iam:ChangePassword' && arn === principal.arn)
}

const TAG_OF_RESOURCE = /^(?:aws|iam):resourcetag\//
const TAG_OF_REQUEST = 'aws:requesttag/'

/** Service Authorization Reference, "Condition keys for AWS Identity and Access Management". */
function requestValueOf(
  key: string,
  input: object,
  { tags, boundaryArn }: Target,
  accountId: string,
): readonly string[] | undefined {
  const given = input as {
    readonly PolicyArn?: string
    readonly PermissionsBoundary?: string
    readonly Tags?: readonly { readonly Key: string; readonly Value: string }[]
    readonly TagKeys?: readonly string[]
  }
  if (key === 'aws:resourceaccount') return [accountId]
  if (key === 'iam:policyarn') return asList(given.PolicyArn)
  if (key === 'iam:permissionsboundary') return asList(given.PermissionsBoundary ?? boundaryArn)
  if (key === 'aws:tagkeys') return given.TagKeys ?? given.Tags?.map(({ Key }) => Key)
  if (key.startsWith(TAG_OF_REQUEST)) {
    const name = key.slice(TAG_OF_REQUEST.length)
    return asList(given.Tags?.find(({ Key }) => Key.toLowerCase() === name)?.Value)
  }
  if (TAG_OF_RESOURCE.test(key)) {
    const name = key.replace(TAG_OF_RESOURCE, '')
    return asList(tags?.find((tag) => tag.key.toLowerCase() === name)?.value)
  }
  return undefined
}

function asList(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}

/** Where and what, as AWS words it; never the value, which may be a secret. */
function messageOf({ issues }: z.ZodError): string {
  const told = issues.map(({ path, message }) => {
    const where = path.length === 0 ? 'the request' : `'${path.map(String).join('.')}'`
    return `Value at ${where} failed to satisfy constraint: ${message}`
  })
  return `${told.length} validation error${told.length === 1 ? '' : 's'} detected: ${told.join('; ')}`
}
