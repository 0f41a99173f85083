import type {
  ActionDecision,
  KeyParcel,
  KeyRecipient,
  Principal,
  StsActionAnswer,
  StsActionRequest,
} from '@coffer/contracts'
import { Secret } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import type { Mesh } from '@coffer/mesh'
import { decide, type PrincipalPolicies, principalValue, type RequestPrincipal } from '@coffer/policy'
import type { WebIdentityVerifier } from '@coffer/web-identity'
import type { z } from 'zod'
import { readTrust } from '../actions/documents.ts'
import type { Directory } from '../directory.ts'
import { arnOf, type Role } from '../entities.ts'
import { refusal } from '../errors.ts'
import type { IamStore } from '../iam-store.ts'
import type { IdentitySettings } from '../identity-settings.ts'
import { managedPolicy } from '../principals.ts'
import { newSessionKey, type Session, type SessionTokens } from './session.ts'

/** What an action of STS may use. Of one request. */
export interface StsCall {
  readonly mesh: Mesh
  readonly recipient: KeyRecipient
  readonly directory: Directory
  readonly store: IamStore
  readonly tokens: SessionTokens
  readonly verifier: WebIdentityVerifier
  /** Who signed the request; undefined: nobody did. */
  readonly caller: Caller | undefined
  readonly values: StsActionRequest['values']
  readonly certificate: StsActionRequest['certificate']
  readonly identities: IdentitySettings
  /** A parameter that is secret, as a text. IAM_VALIDATION_ERROR if it is not there. */
  secret(name: string): string
}

export interface Caller {
  readonly principal: Principal
  readonly policies: PrincipalPolicies
  /** Of temporary credentials. */
  readonly session?: Session | undefined
}

export type Values = Readonly<Record<string, readonly string[] | undefined>>

export interface StsAction {
  readonly name: string
  /** Whether a request has to be signed: the others bring another proof. */
  readonly isSigned: boolean
  answer(parameters: unknown, call: StsCall): Promise<StsActionAnswer>
}

/** An action of STS: its parameters (STS API Reference) and what it does. */
export function stsAction<Input extends object>(
  name: string,
  isSigned: boolean,
  input: z.ZodType<Input>,
  run: (input: Input, call: StsCall) => Promise<StsActionAnswer>,
): StsAction {
  return {
    name,
    isSigned,
    async answer(parameters, call) {
      const parsed = input.safeParse(parameters)
      if (!parsed.success) throw refusal('IAM_VALIDATION_ERROR', messageOf(parsed.error))
      return await run(parsed.data, call)
    },
  }
}

/** IAM_ACCESS_DENIED, as AWS words it. */
export function callerOf({ caller }: StsCall): Caller {
  if (caller === undefined) throw refusal('IAM_ACCESS_DENIED', 'Request is missing Authentication Token')
  return caller
}

/**
 * Whether a role's trust policy lets who asks take it (IAM User Guide, "Granting a user permissions to switch roles"), for each
 * of the actions that the request is. IAM_ACCESS_DENIED, which does not tell whether there is such a role.
 */
export function assertTrusted(
  role: Role,
  asking: { readonly principal: RequestPrincipal; readonly policies?: PrincipalPolicies; readonly name: string },
  actions: readonly string[],
  call: StsCall,
  values: Values,
): ActionDecision | undefined {
  const { principal, policies, name } = asking
  const policy = readTrust(role.trustPolicy, role.trustPrincipals)
  let first: ActionDecision | undefined
  for (const action of actions) {
    const { effect, ...decision } = decide({
      principal,
      policies,
      action,
      resource: arnOf(role),
      resourceAccountId: role.accountId,
      resourcePolicy: { id: `role/${role.name}/trust`, policy },
      needsResourcePolicy: true,
      values: (key) =>
        values[key] ?? call.values[key] ?? asList(valueOfRole(role, key) ?? principalValue(principal, key)),
    })
    if (effect === 'deny') throw notAuthorized(name, action, arnOf(role), decision.reason)
    first ??= { action, resource: arnOf(role), ...decision }
  }
  return first
}

const TAG_OF_ROLE = /^(?:aws|iam):resourcetag\//

/** Service Authorization Reference, AWS Security Token Service, "Condition keys": of the role that is to be taken. */
function valueOfRole({ accountId, tags }: Role, key: string): string | undefined {
  if (key === 'aws:resourceaccount') return accountId
  if (!TAG_OF_ROLE.test(key)) return undefined
  const name = key.slice(key.indexOf('/') + 1)
  return tags.find((tag) => tag.key.toLowerCase() === name)?.value
}

/** `reason` is for the audit trail; the client is told that it may not, no more. */
export function notAuthorized(name: string, action: string, resource: string, reason = 'no-resource-policy'): Error {
  const message = `User: ${name} is not authorized to perform: ${action} on resource: ${resource}`
  return new CofferError({ code: 'IAM_ACCESS_DENIED', message, details: { action, resource, reason } })
}

/** The role of an ARN, of any account. */
export function findRole(directory: Directory, arn: string): Role | undefined {
  const [, accountId = '', path = ''] = /^arn:aws:iam::(\d{12}):role\/(.+)$/.exec(arn) ?? []
  const role = directory.named('role', accountId, path.slice(path.lastIndexOf('/') + 1))
  return role !== undefined && arnOf(role) === arn ? role : undefined
}

/** MalformedPolicyDocument for an ARN of no policy. */
export function assertPoliciesThere(directory: Directory, arns: readonly string[]): void {
  for (const arn of arns) {
    if (managedPolicy(directory, arn) === undefined) {
      throw refusal('IAM_MALFORMED_POLICY', `Policy ${arn} does not exist or is not attachable.`)
    }
  }
}

/** A session, and what every action tells of it. The secret is for the recipient alone. It ends by `expiresAtMax` at the latest. */
export async function issueSession(
  call: StsCall,
  facts: Omit<Session, 'accessKeyId' | 'secretAccessKey' | 'issuedAt' | 'expiresAt'>,
  durationSeconds: number,
  expiresAtMax = Number.POSITIVE_INFINITY,
): Promise<{ credentials: Credentials; secretAccessKey: KeyParcel; packedPercent: number }> {
  const issuedAt = Math.floor(Date.now() / 1000) * 1000
  const expiresAt = Math.min(issuedAt + durationSeconds * 1000, expiresAtMax)
  const session: Session = { ...newSessionKey(), ...facts, issuedAt, expiresAt }
  const { token, packedPercent } = await call.tokens.seal(session)
  const { accessKeyId, secretAccessKey } = session
  const secret = Secret.take(Buffer.from(secretAccessKey))
  return {
    credentials: {
      AccessKeyId: accessKeyId,
      SessionToken: token,
      Expiration: `${new Date(session.expiresAt).toISOString().slice(0, 19)}Z`,
    },
    secretAccessKey: call.mesh.parcel(secret, call.recipient, 'secret-access-key', accessKeyId),
    packedPercent,
  }
}

type Credentials = Readonly<Record<'AccessKeyId' | 'SessionToken' | 'Expiration', string>>

export function asList(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}

/** Where and what, never the value, which may be a secret. */
function messageOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `Value at '${path.map(String).join('.')}': ${message}`).join('; ')
}
