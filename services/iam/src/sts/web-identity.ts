import { isCofferError } from '@coffer/errors'
import { claimedIssuer, type WebIdentity } from '@coffer/web-identity'
import { z } from 'zod'
import { arn } from '../actions/fields.ts'
import { providerIdOf } from '../actions/oidc-providers.ts'
import { arnOf, type OidcProvider, type Role } from '../entities.ts'
import { refusal } from '../errors.ts'
import { sessionOfRole } from './assume-role.ts'
import { durationSeconds, sessionName, sessionPolicies, tagValues } from './fields.ts'
import { isLoggedOut, loginOf } from './logouts.ts'
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
import { tokenRefusal } from './token-refusal.ts'

const ACTION = 'sts:AssumeRoleWithWebIdentity'
/** The parameter that is a secret: who has it is let in. */
export const WEB_IDENTITY_TOKEN = 'WebIdentityToken'
/** On a provider: the claim whose values name the roles that its tokens are for, where a request names none. */
const ROLE_CLAIM_TAG = 'coffer:role-claim'
const TAG_SESSION = 'sts:TagSession'
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
    const { roles, providers, issuer } = candidates(call, input.RoleArn, token)
    const believed = await believers(call, issuer, providers, token)
    // Where the token names several, the first that lets it.
    const found = roles(believed)
      .map((each) => ({ ...each, decision: decisionOf(each, input, call) }))
      .find(({ decision }) => decision !== undefined)
    if (found === undefined) throw notAuthorized(WHO, ACTION, input.RoleArn ?? '*')
    const { role, provider, identity, decision } = found
    const federatedProvider = arnOf(provider)
    const login = loginOf(provider, identity)
    const proven = keptValues(provider, identity)
    const facts = { input, ...identity.sessionTags, federatedProvider, proven, login }
    const answer = await sessionOfRole(call, role, facts)
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

/** A provider that an account has registered, and what it knows of the token's identity. */
interface Believer {
  readonly provider: OidcProvider
  readonly identity: WebIdentity
}

interface Candidates {
  readonly providers: readonly [OidcProvider, ...OidcProvider[]]
  /** As the token writes it, slash at the end and all. */
  readonly issuer: string
  /** Those that may be taken with such a token. */
  readonly roles: (believed: readonly Believer[]) => readonly (Believer & { readonly role: Role })[]
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
    return { providers: [provider], issuer, roles: (by) => (role ? by.map((each) => ({ ...each, role })) : []) }
  }
  const [first, ...others] = directory
    .accounts()
    .flatMap(({ accountId }) => directory.find('oidc-provider', accountId, id) ?? [])
    .filter((provider) => roleClaimOf(provider) !== undefined)
  if (first === undefined) {
    throw refusal(
      'IAM_VALIDATION_ERROR',
      `RoleArn is needed: no provider ${issuer.slice(0, 255)} says which claim names roles.`,
    )
  }
  return { providers: [first, ...others], issuer, roles: (believed) => rolesByClaim(directory, issuer, believed) }
}

function roleClaimOf({ tags }: OidcProvider): string | undefined {
  return tags.find(({ key }) => key === ROLE_CLAIM_TAG)?.value
}

/**
 * The roles that the token itself names. A bare name says nothing of the account: where several accounts have registered the
 * provider for this client, one of them could otherwise take in who is on the way to another's role. IAM_VALIDATION_ERROR.
 */
function rolesByClaim(directory: StsCall['directory'], issuer: string, believed: readonly Believer[]) {
  const isAmbiguous = believed.length > 1
  const named = believed.flatMap(({ provider, identity }) =>
    listOf(identity.claims[roleClaimOf(provider) ?? '']).map((name) => ({ provider, identity, name })),
  )
  const roles = named
    .filter(({ name }) => !isAmbiguous || name.startsWith('arn:'))
    .flatMap(({ name, ...by }) => {
      const role = roleNamed(directory, by.provider, name)
      return role ? [{ ...by, role }] : []
    })
  if (!isAmbiguous || roles.length > 0) return roles
  throw refusal(
    'IAM_VALIDATION_ERROR',
    `RoleArn is needed, or ARNs in the token: several accounts let in clients of ${issuer.slice(0, 255)}.`,
  )
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

/** The providers that believe the token, each for its own clients; as the first says where none does. */
async function believers(
  call: StsCall,
  issuer: string,
  [first, ...others]: Candidates['providers'],
  token: string,
): Promise<readonly Believer[]> {
  const ask = async (provider: OidcProvider) => ({
    provider,
    identity: await verified(call, provider, issuer, token),
  })
  const asked = await Promise.allSettled([ask(first), ...others.map(ask)])
  const believed = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  if (believed.length === 0 && asked[0]?.status === 'rejected') throw asked[0].reason
  return believed
}

async function verified(
  { verifier, directory }: StsCall,
  provider: OidcProvider,
  issuer: string,
  token: string,
): Promise<WebIdentity> {
  const identity = await verifier
    .verify(token, { issuer, clientIds: provider.clientIds })
    .catch((error: unknown) => Promise.reject(tokenRefusal(error, NOT_RIGHT)))
  if (isLoggedOut(directory, loginOf(provider, identity), Date.now())) {
    throw refusal('IAM_IDENTITY_TOKEN_EXPIRED', 'Who it is about has logged out since: it has to be fetched anew.')
  }
  return identity
}

const NOT_RIGHT = refusal(
  'IAM_INVALID_IDENTITY_TOKEN',
  "The identity token's issuer, audience, times or signature are not right.",
)

interface Asked {
  readonly RoleSessionName: string
}

/** Undefined: its trust policy does not let it. */
function decisionOf({ role, provider, identity }: Believer & { readonly role: Role }, asked: Asked, call: StsCall) {
  const principal = { kind: 'proven-identity', provider: arnOf(provider) } as const
  const { tags, transitiveTagKeys } = identity.sessionTags
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  const values = {
    ...claimValues(provider, identity),
    ...(Tags.length > 0 && tagValues({ Tags, TransitiveTagKeys: transitiveTagKeys })),
    'sts:rolesessionname': [asked.RoleSessionName],
  }
  try {
    return assertTrusted(
      role,
      { principal, name: WHO },
      [ACTION, ...(Tags.length > 0 ? [TAG_SESSION] : [])],
      call,
      values,
    )
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

/** Of these, what policies can ask for as long as the session lives (IAM User Guide, "Available keys for AWS web identity federation"). */
function keptValues({ id }: OidcProvider, { audience, subject }: WebIdentity): Readonly<Record<string, string>> {
  const prefix = `${id}:`.toLowerCase()
  return { [`${prefix}aud`]: audience, [`${prefix}sub`]: subject }
}

/** Providers write one group as a text, several as a list. */
function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? [])
}
