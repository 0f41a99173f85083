import type { Agent } from 'node:https'
import { vi } from 'vitest'
import { LOGOUT_PATH, OIDC_CLIENT_ID, type OidcProvider } from '../harness/oidc-provider.ts'
import { type RawRequest, type RawResponse, send, sendSigned } from '../harness/raw-request.ts'
import type { ClientTarget } from '../harness/s3.ts'
import { callIam, callSts, iam, newUser, policy, type QueryAnswer, type SessionKeys, sessionIn } from './query-api.ts'

/** Where a request is sent: one worker of a server, by a connection to it, or one gateway of a mesh. */
export interface Place {
  readonly target: ClientTarget
  readonly agent?: Agent
}

/** Something that was given to somebody, and how it is taken away. */
export interface Given {
  /** Whether it counts there. */
  counts(at: Place): Promise<boolean>
  /** Resolves when it is done. */
  revoke(at: ClientTarget): Promise<unknown>
}

export interface Revocation {
  readonly name: string
  /** `suffix`: of all names, so that it can be given again. */
  give(at: ClientTarget, suffix: string): Promise<Given>
}

const LIST = policy({ Effect: 'Allow', Action: 's3:ListAllMyBuckets', Resource: '*' })

/** Of a connection that the server has just ended for being idle, another one is made. */
async function answered(
  { target, agent }: Place,
  keys: SessionKeys,
  raw: RawRequest,
  service: string,
): Promise<boolean> {
  const token = keys.sessionToken
  const headers = { ...raw.headers, ...(token !== undefined && { 'x-amz-security-token': token }) }
  const ask = () => sendSigned(target, { ...raw, headers, ...(agent && { agent }) }, { keys, service })
  const { status, body } = await ask().catch(ask)
  if (status !== 200 && status !== 403) throw new Error(`${status} ${body}`)
  return status === 200
}

const lists = (place: Place, keys: SessionKeys) => answered(place, keys, { method: 'GET', path: '/' }, 's3')

/** What needs no leave: whether the credentials are anybody's. */
const areSomebodys = (place: Place, keys: SessionKeys) =>
  answered(
    place,
    keys,
    {
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    },
    'sts',
  )

async function newPolicy(at: ClientTarget, PolicyName: string): Promise<string> {
  return (await iam(at, 'CreatePolicy', { PolicyName, PolicyDocument: LIST })).text('Arn')
}

/** In a mesh another process may hear of a new role or provider a moment later. */
function given(ask: () => Promise<QueryAnswer>): Promise<Required<SessionKeys>> {
  return vi.waitFor(async () => sessionIn(await ask()), { timeout: 60_000, interval: 50 })
}

/** A role that may list, and a session of it that its own user has taken. */
async function sessionOfRole(at: ClientTarget, name: string) {
  const UserName = `taker-${name}`
  const keys = await newUser(at, UserName)
  const made = await iam(at, 'GetUser', { UserName })
  const Principal = { AWS: made.text('Arn') }
  const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' })
  const role = await iam(at, 'CreateRole', { RoleName: name, AssumeRolePolicyDocument })
  await iam(at, 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument: LIST })
  const assume = async () => callSts(at, 'AssumeRole', { RoleArn: role.text('Arn'), RoleSessionName: 'job' }, keys)
  return { session: sessionIn(await assume()), roleArn: role.text('Arn') }
}

/** A session of a new role that another's session takes. */
async function takenWith(session: SessionKeys, takerArn: string, at: ClientTarget, RoleName: string) {
  const statement = { Effect: 'Allow', Principal: { AWS: takerArn }, Action: 'sts:AssumeRole' }
  const made = await iam(at, 'CreateRole', { RoleName, AssumeRolePolicyDocument: policy(statement) })
  const RoleArn = made.text('Arn')
  const taken = await given(() => callSts(at, 'AssumeRole', { RoleArn, RoleSessionName: 'job' }, session))
  return [taken, RoleArn] as const
}

export const REVOCATIONS: readonly Revocation[] = [
  {
    name: 'an access key that is made inactive',
    async give(at, suffix) {
      const UserName = `key-${suffix}`
      const keys = await newUser(at, UserName)
      await iam(at, 'PutUserPolicy', { UserName, PolicyName: 'own', PolicyDocument: LIST })
      const { accessKeyId: AccessKeyId } = keys
      return {
        counts: (place) => lists(place, keys),
        revoke: (by) => iam(by, 'UpdateAccessKey', { UserName, AccessKeyId, Status: 'Inactive' }),
      }
    },
  },
  {
    name: 'an access key that is deleted',
    async give(at, suffix) {
      const UserName = `keyless-${suffix}`
      const keys = await newUser(at, UserName)
      const { accessKeyId: AccessKeyId } = keys
      return {
        counts: (place) => areSomebodys(place, keys),
        revoke: (by) => iam(by, 'DeleteAccessKey', { UserName, AccessKeyId }),
      }
    },
  },
  {
    name: 'a policy that is detached from a user',
    async give(at, suffix) {
      const UserName = `detached-${suffix}`
      const keys = await newUser(at, UserName)
      const PolicyArn = await newPolicy(at, UserName)
      await iam(at, 'AttachUserPolicy', { UserName, PolicyArn })
      return {
        counts: (place) => lists(place, keys),
        revoke: (by) => iam(by, 'DetachUserPolicy', { UserName, PolicyArn }),
      }
    },
  },
  {
    name: 'the membership of a group',
    async give(at, suffix) {
      const [UserName, GroupName] = [`member-${suffix}`, `group-${suffix}`]
      const keys = await newUser(at, UserName)
      await iam(at, 'CreateGroup', { GroupName })
      await iam(at, 'PutGroupPolicy', { GroupName, PolicyName: 'own', PolicyDocument: LIST })
      await iam(at, 'AddUserToGroup', { GroupName, UserName })
      return {
        counts: (place) => lists(place, keys),
        revoke: (by) => iam(by, 'RemoveUserFromGroup', { GroupName, UserName }),
      }
    },
  },
  {
    name: 'the sessions of a role, as the console of AWS revokes them',
    async give(at, suffix) {
      const { session } = await sessionOfRole(at, `revoked-${suffix}`)
      return {
        counts: (place) => lists(place, session),
        revoke(by) {
          // The session began in this second at the latest.
          const before = new Date(Date.now() + 1_000).toISOString()
          const Condition = { DateLessThan: { 'aws:TokenIssueTime': before } }
          const PolicyDocument = policy({ Effect: 'Deny', Action: '*', Resource: '*', Condition })
          const PolicyName = 'AWSRevokeOlderSessions'
          return iam(by, 'PutRolePolicy', { RoleName: `revoked-${suffix}`, PolicyName, PolicyDocument })
        },
      }
    },
  },
  {
    name: 'a policy that is taken from a role whose session runs',
    async give(at, suffix) {
      const RoleName = `emptied-${suffix}`
      const { session } = await sessionOfRole(at, RoleName)
      return {
        counts: (place) => lists(place, session),
        revoke: (by) => iam(by, 'DeleteRolePolicy', { RoleName, PolicyName: 'own' }),
      }
    },
  },
  {
    name: 'a session that its holder ends, with what was taken with it,',
    async give(at, suffix) {
      const first = await sessionOfRole(at, `before-ended-${suffix}`)
      // In the middle of a chain.
      const [session, roleArn] = await takenWith(first.session, first.roleArn, at, `ended-${suffix}`)
      const [further] = await takenWith(session, roleArn, at, `ended-too-${suffix}`)
      return {
        counts: async (place) => (await areSomebodys(place, session)) || (await areSomebodys(place, further)),
        async revoke(by) {
          const { status, body } = await callSts(by, 'EndSession', {}, session)
          if (status !== 200) throw new Error(`${status} ${body}`)
        },
      }
    },
  },
  {
    name: 'a session whose role is deleted',
    async give(at, suffix) {
      const RoleName = `deleted-${suffix}`
      const { session } = await sessionOfRole(at, RoleName)
      return {
        counts: (place) => areSomebodys(place, session),
        async revoke(by) {
          await iam(by, 'DeleteRolePolicy', { RoleName, PolicyName: 'own' })
          await iam(by, 'DeleteRole', { RoleName })
        },
      }
    },
  },
]

/** A session of who logs out at the provider. */
export function loggedOut(provider: OidcProvider): Revocation {
  return {
    name: 'a log-out at an OpenID Connect provider',
    async give(at, suffix) {
      const Url = provider.issuer
      // Each attempt of a suite registers it, or finds it registered.
      await callIam(at, 'CreateOpenIDConnectProvider', { Url, 'ClientIDList.member.1': OIDC_CLIENT_ID })
      const account = (await callSts(at, 'GetCallerIdentity')).text('Account')
      const Federated = `arn:aws:iam::${account}:oidc-provider/${provider.issuer.replace('http://', '')}`
      const statement = { Effect: 'Allow', Principal: { Federated }, Action: 'sts:AssumeRoleWithWebIdentity' }
      const AssumeRolePolicyDocument = policy(statement)
      const role = await iam(at, 'CreateRole', { RoleName: `logout-${suffix}`, AssumeRolePolicyDocument })
      const WebIdentityToken = await provider.tokenFor(suffix, {})
      const parameters = { RoleArn: role.text('Arn'), RoleSessionName: 'job', WebIdentityToken }
      const session = await given(() => callSts(at, 'AssumeRoleWithWebIdentity', parameters, 'none'))
      return {
        counts: (place) => areSomebodys(place, session),
        revoke: async (by) => sendLogout(by, await provider.logoutTokenFor({ sub: suffix })),
      }
    },
  }
}

/** As a provider does. */
export async function sendLogout(at: ClientTarget, token: string): Promise<void> {
  const { status, body } = await postLogout(at, token)
  if (status !== 200) throw new Error(`${status} ${body}`)
}

export function postLogout(at: ClientTarget, token: string): Promise<RawResponse> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const body = new URLSearchParams({ logout_token: token }).toString()
  return send(at, { method: 'POST', path: LOGOUT_PATH, headers, body })
}

/** Roles of a provider: who has logged in there gets no new session when the provider is removed. */
export function providerRemoved(provider: OidcProvider): Revocation {
  return {
    name: 'an OpenID Connect provider that is removed',
    async give(at, suffix) {
      const made = await iam(at, 'CreateOpenIDConnectProvider', {
        Url: provider.issuer,
        'ClientIDList.member.1': OIDC_CLIENT_ID,
      })
      const OpenIDConnectProviderArn = made.text('OpenIDConnectProviderArn')
      const Principal = { Federated: OpenIDConnectProviderArn }
      const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity' })
      const role = await iam(at, 'CreateRole', { RoleName: `web-${suffix}`, AssumeRolePolicyDocument })
      const parameters = {
        RoleArn: role.text('Arn'),
        RoleSessionName: 'job',
        WebIdentityToken: await provider.tokenFor('alice', {}),
      }
      return {
        async counts({ target }) {
          const answer = await callSts(target, 'AssumeRoleWithWebIdentity', parameters, 'none')
          if (answer.status !== 200 && !['InvalidIdentityToken', 'AccessDenied'].includes(answer.code)) {
            throw new Error(`${answer.status} ${answer.body}`)
          }
          return answer.status === 200
        },
        revoke: (by) => iam(by, 'DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn }),
      }
    },
  }
}
