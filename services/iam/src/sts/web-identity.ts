import { isCofferError } from '@coffer/errors'
import { claimedIssuer, type TrustedProvider, type WebIdentity } from '@coffer/web-identity'
import { z } from 'zod'
import { arn } from '../actions/fields.ts'
import { providerIdOf } from '../actions/oidc-providers.ts'
import { arnOf, type OidcProvider, type Role } from '../entities.ts'
import { refusal } from '../errors.ts'
import { sessionOfRole } from './assume-role.ts'
import { durationSeconds, NO_TAGS, sessionName, sessionPolicies } from './fields.ts'
import {
  asList,
  assertTrusted,
  findRole,
  notAuthorized,
  type StsAction,
  type StsCall,
  stsAction,
  type Values,
} from './sts-call.ts'

const ACTION = 'sts:AssumeRoleWithWebIdentity'
/** The parameter that is a secret: who has it is let in. */
export const WEB_IDENTITY_TOKEN = 'WebIdentityToken'
/** On a provider: the claim whose values name the roles that its tokens are for, where a request names none. */
const ROLE_CLAIM_TAG = 'coffer:role-claim'
const WHO = 'The identity of the token'

/**
 * Credentials of a role for an identity token of an OpenID Connect provider that the role's account has registered, if the role's
 * trust policy names the provider and its conditions hold for the token's claims (STS API; IAM User Guide, "Available keys for
 * AWS web identity federation"). Not signed: the token is the proof.
 */
export const ASSUME_ROLE_WITH_WEB_IDENTITY: StsAction = stsAction(
  'AssumeRoleWithWebIdentity',
  false,
  z.strictObject({
    RoleArn: arn.optional(),
    RoleSessionName: sessionName,
    DurationSeconds: durationSeconds.optional(),
    // Of OAuth 2.0 providers before OpenID Connect: such tokens are not taken.
    ProviderId: z.undefined('OpenID Connect providers are told by their tokens, not by ProviderId').optional(),
    ...sessionPolicies,
  }),
  async (input, call) => {
    const token = call.secret(WEB_IDENTITY_TOKEN)
    const { roles, provider, issuer } = candidates(call, input.RoleArn, token)
    const identity = await verified(call, { issuer, clientIds: provider.clientIds }, token)
    // Where the token names several, the first that lets it.
    const found = roles(identity)
      .map((role) => ({ role, decision: decisionOf(role, provider, identity, input, call) }))
      .find(({ decision }) => decision !== undefined)
    if (found === undefined) throw notAuthorized(WHO, ACTION, input.RoleArn ?? '*')
    const { role, decision } = found
    const federatedProvider = arnOf(provider)
    const answer = await sessionOfRole(call, role, { input, ...NO_TAGS, federatedProvider })
    return {
      ...answer,
      ...(decision && { decision }),
      result: {
        ...answer.result,
        Provider: federatedProvider,
        Audience: identity.audience,
        SubjectFromWebIdentityToken: identity.subject,
      },
    }
  },
)

interface Candidates {
  readonly provider: OidcProvider
  /** As the token writes it, slash at the end and all. */
  readonly issuer: string
  /** Those that may be taken with such a token. */
  readonly roles: (identity: WebIdentity) => readonly Role[]
}

/** The provider of the role's account that the token claims to be of: nothing of the token is believed yet. */
function candidates({ directory }: StsCall, roleArn: string | undefined, token: string): Candidates {
  const issuer = claimedIssuer(token)
  if (issuer === undefined) throw refusal('IAM_INVALID_IDENTITY_TOKEN', 'The ID Token provided is not a valid JWT.')
  const id = providerIdOf(issuer)
  if (roleArn !== undefined) {
    const [, accountId = ''] = /^arn:aws:iam::(\d{12}):role\//.exec(roleArn) ?? []
    const provider = directory.find('oidc-provider', accountId, id)
    if (provider === undefined) throw noProvider(issuer)
    // Whether there is such a role is told only to who brings a token that is believed.
    const role = findRole(directory, roleArn)
    return { provider, issuer, roles: () => (role === undefined ? [] : [role]) }
  }
  const provider = directory
    .accounts()
    .map(({ accountId }) => directory.find('oidc-provider', accountId, id))
    .find((each) => each?.tags.some(({ key }) => key === ROLE_CLAIM_TAG))
  if (provider === undefined) {
    throw refusal(
      'IAM_VALIDATION_ERROR',
      `RoleArn is needed: no provider ${issuer.slice(0, 255)} says which claim names roles.`,
    )
  }
  const claim = provider.tags.find(({ key }) => key === ROLE_CLAIM_TAG)?.value ?? ''
  return {
    provider,
    issuer,
    roles: ({ claims }) => listOf(claims[claim]).flatMap((name) => roleNamed(directory, provider, name) ?? []),
  }
}

/** By name or ARN, in the provider's own account only. */
function roleNamed(directory: StsCall['directory'], { accountId }: OidcProvider, name: string): Role | undefined {
  const role = name.startsWith('arn:') ? findRole(directory, name) : directory.named('role', accountId, name)
  return role?.accountId === accountId ? role : undefined
}

function noProvider(issuer: string): Error {
  return refusal(
    'IAM_INVALID_IDENTITY_TOKEN',
    `No OpenIDConnect provider found in your account for ${issuer.slice(0, 255)}`,
  )
}

async function verified({ verifier }: StsCall, trusted: TrustedProvider, token: string): Promise<WebIdentity> {
  try {
    return await verifier.verify(token, trusted)
  } catch (error) {
    if (isCofferError(error, 'WEB_IDENTITY_TOKEN_EXPIRED')) {
      throw refusal('IAM_IDENTITY_TOKEN_EXPIRED', 'Token expired: the identity token has to be fetched anew.')
    }
    if (isCofferError(error, 'WEB_IDENTITY_TOKEN_INVALID')) {
      throw refusal(
        'IAM_INVALID_IDENTITY_TOKEN',
        "The identity token's issuer, audience, times or signature are not right.",
      )
    }
    if (isCofferError(error)) throw refusal('IAM_IDENTITY_PROVIDER_UNREACHABLE', error.message)
    throw error
  }
}

interface Asked {
  readonly RoleSessionName: string
}

/** Undefined: its trust policy does not let it. */
function decisionOf(role: Role, provider: OidcProvider, identity: WebIdentity, asked: Asked, call: StsCall) {
  const principal = { kind: 'proven-identity', provider: arnOf(provider) } as const
  const values = { ...claimValues(provider, identity), 'sts:rolesessionname': [asked.RoleSessionName] }
  try {
    return assertTrusted(role, { principal, name: WHO }, [ACTION], call, values)
  } catch (error) {
    if (isCofferError(error, 'IAM_ACCESS_DENIED')) return undefined
    throw error
  }
}

/** `login.example.org:sub` and its kin: every claim of the token, by the provider's name. */
function claimValues({ id }: OidcProvider, { claims, audience, subject }: WebIdentity): Values {
  const prefix = `${id}:`.toLowerCase()
  return {
    ...Object.fromEntries(
      Object.entries(claims).map(([name, value]) => [prefix + name.toLowerCase(), listOf(value)] as const),
    ),
    [`${prefix}aud`]: asList(audience),
    [`${prefix}oaud`]: listOf(claims.aud),
    [`${prefix}sub`]: asList(subject),
  }
}

/** Providers write one group as a text, several as a list. */
function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? [])
}
