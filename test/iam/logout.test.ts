import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { Browser, LOGOUT_PATH, OIDC_CLIENT_ID, type OidcProvider, startOidcProvider } from '../harness/oidc-provider.ts'
import { send } from '../harness/raw-request.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { newTenant } from '../kms-api/tenants.ts'
import { byBrowser, cofferLogin } from './coffer-login.ts'
import { callSts, iam, newUser, policy, type SessionKeys, sessionIn } from './query-api.ts'
import { postLogout, sendLogout } from './revocations.ts'

const server = await serverForSuite({ workers: 1, env: { COFFER_OIDC_ISSUER_HOSTS: '127.0.0.1' } })
const cacheDirectory = temporaryDirectory('logout-cache')
const env = cleanEnvironment({ AWS_CA_BUNDLE: server.caFile, XDG_CACHE_HOME: cacheDirectory })

let provider: OidcProvider
/** Whose clients this server's accounts have not registered. */
let stranger: OidcProvider
let roleArn = ''

const isGood = async (keys: SessionKeys) => (await callSts(server, 'GetCallerIdentity', {}, keys)).status === 200
const assume = (WebIdentityToken: string) =>
  callSts(server, 'AssumeRoleWithWebIdentity', { RoleArn: roleArn, RoleSessionName: 'job', WebIdentityToken }, 'none')
const sessionOf = async (sub: string, claims: object = {}) =>
  sessionIn(await assume(await provider.tokenFor(sub, { ...claims })))
const cached = () => {
  const directory = join(cacheDirectory, 'coffer', 'login')
  return readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'))
}
/** Tokens tell seconds: what is issued in the second of a log-out counts as before it. */
const secondsLater = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

beforeAll(async () => {
  provider = await startOidcProvider(server)
  stranger = await startOidcProvider()
  const made = await iam(server, 'CreateOpenIDConnectProvider', {
    Url: provider.issuer,
    'ClientIDList.member.1': OIDC_CLIENT_ID,
  })
  const Principal = { Federated: made.text('OpenIDConnectProviderArn') }
  const trust = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity' })
  const role = await iam(server, 'CreateRole', { RoleName: 'anyone', AssumeRolePolicyDocument: trust })
  roleArn = role.text('Arn')
})
afterAll(async () => {
  await provider?.close()
  await stranger?.close()
})

describe('a log-out at the provider', () => {
  const login = (browser: Browser, ...args: string[]) =>
    cofferLogin({ server, provider, env }, ['--role-arn', roleArn, '--format', 'process', ...args], byBrowser(browser))
  const keysOf = (said: string): SessionKeys => {
    const { AccessKeyId, SecretAccessKey, SessionToken } = JSON.parse(said.slice(said.indexOf('{')))
    return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken }
  }

  it('ends what that browser has logged in, nothing of another one, and what is kept is not given out again', async () => {
    const [here, elsewhere] = [new Browser(), new Browser()]
    provider.login('alice')
    const scope = ['--scope', 'openid offline_access']
    const first = keysOf(await login(here, ...scope))
    const other = keysOf(await login(elsewhere, '--no-cache'))
    await here.logOut(provider.issuer)
    expect(await isGood(first)).toBe(false)
    expect(await isGood(other)).toBe(true)
    // Of the session that is over the provider would still renew: offline_access outlives it.
    const again = keysOf(await login(new Browser(), ...scope))
    expect(again.accessKeyId).not.toBe(first.accessKeyId)
    expect(await isGood(again)).toBe(true)
  })

  it('is told by its error to be a session that has ended, so that SDKs ask for new credentials', async () => {
    const session = await sessionOf('carol')
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'carol' }))
    expect(await callSts(server, 'GetCallerIdentity', {}, session)).toMatchObject({ status: 403, code: 'ExpiredToken' })
  })

  it('of a subject ends all its sessions and those taken with them, and nobody else’s', async () => {
    const trust = policy({ Effect: 'Allow', Principal: { AWS: roleArn }, Action: 'sts:AssumeRole' })
    const RoleArn = (await iam(server, 'CreateRole', { RoleName: 'next', AssumeRolePolicyDocument: trust })).text('Arn')
    const [one, two, dora] = [await sessionOf('dave', { sid: 's1' }), await sessionOf('dave'), await sessionOf('dora')]
    const chained = sessionIn(await callSts(server, 'AssumeRole', { RoleArn, RoleSessionName: 'job' }, one))
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'dave' }))
    for (const ended of [one, two, chained]) expect(await isGood(ended)).toBe(false)
    expect(await isGood(dora)).toBe(true)
  })

  it('of one session of the provider ends that one, and what names none', async () => {
    const [one, two] = [await sessionOf('erin', { sid: 'e1' }), await sessionOf('erin', { sid: 'e2' })]
    const unnamed = await sessionOf('erin')
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'erin', sid: 'e1' }))
    expect(await isGood(one)).toBe(false)
    expect(await isGood(unnamed)).toBe(false)
    expect(await isGood(two)).toBe(true)
    await sendLogout(server, await provider.logoutTokenFor({ sid: 'e2' }))
    expect(await isGood(two)).toBe(false)
  })

  it('makes identity tokens of before worthless, and leaves those of a later login', async () => {
    const before = await provider.tokenFor('frank', {})
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'frank' }))
    expect(await assume(before)).toMatchObject({ status: 400, code: 'ExpiredTokenException' })
    const later = await provider.tokenFor('frank', { iat: secondsLater(2) })
    expect((await assume(later)).status).toBe(200)
    // A session of the provider's that is over has no later login.
    await sendLogout(server, await provider.logoutTokenFor({ sid: 'f1' }))
    const renewed = await provider.tokenFor('frank', { sid: 'f1', iat: secondsLater(2) })
    expect(await assume(renewed)).toMatchObject({ code: 'ExpiredTokenException' })
  })
})

describe('a provider of several accounts', () => {
  it('ends by a token what is of the clients that it is for, in each account that has registered them', async () => {
    const { keys } = await newTenant(server, 'tenant')
    const tenant = { ...server, ...keys }
    const registered = { Url: provider.issuer, 'ClientIDList.member.1': 'tenant-app' }
    const made = await iam(tenant, 'CreateOpenIDConnectProvider', registered)
    const Principal = { Federated: made.text('OpenIDConnectProviderArn') }
    const trust = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity' })
    const role = await iam(tenant, 'CreateRole', { RoleName: 'anyone', AssumeRolePolicyDocument: trust })
    const WebIdentityToken = await provider.tokenFor('heidi', { aud: 'tenant-app' })
    const parameters = { RoleArn: role.text('Arn'), RoleSessionName: 'job', WebIdentityToken }
    const theirs = sessionIn(await callSts(server, 'AssumeRoleWithWebIdentity', parameters, 'none'))
    const ours = await sessionOf('heidi')
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'heidi' }))
    expect([await isGood(ours), await isGood(theirs)]).toEqual([false, true])
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'heidi' }, { aud: [OIDC_CLIENT_ID, 'tenant-app'] }))
    expect(await isGood(theirs)).toBe(false)
  })
})

describe('the endpoint of back-channel logout', () => {
  const refused = { status: 400, headers: { 'cache-control': 'no-store' } }
  const said = ({ body }: { body: Buffer }) => JSON.parse(body.toString()) as { error: string }

  it('believes no forged, stale, repeated or other token, says the same of all, and ends nothing', async () => {
    const session = await sessionOf('grace')
    const now = Math.floor(Date.now() / 1000)
    const token = (changes: object, typ?: string) => provider.logoutTokenFor({ sub: 'grace' }, { ...changes }, typ)
    const good = await token({})
    const [head, body, signature = ''] = good.split('.')
    const forged = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    const none = `${Buffer.from('{"alg":"none","typ":"logout+jwt"}').toString('base64url')}.${body}.`
    const attempts: readonly (readonly [what: string, token: string])[] = [
      ['a changed signature', forged],
      ['no signature', none],
      ['no token', 'x.y.z'],
      ['of a provider that nobody has registered', await stranger.logoutTokenFor({ sub: 'grace' })],
      ['signed by another provider', await stranger.logoutTokenFor({ sub: 'grace' }, { iss: provider.issuer })],
      ['for another client', await token({ aud: 'someone-else' })],
      ['that has ended', await token({ iat: now - 400, exp: now - 200 })],
      ['of the future', await token({ iat: now + 300, exp: now + 400 })],
      ['that lives too long', await token({ exp: now + 86_400 })],
      ['without an end', await token({ exp: undefined })],
      ['without an id', await token({ jti: undefined })],
      ['without an event', await token({ events: undefined })],
      ['of another event', await token({ events: { 'http://schemas.openid.net/event/other': {} } })],
      ['with a nonce', await token({ nonce: 'n' })],
      ['of nobody', await token({ sub: undefined })],
      ['of another type', await token({}, 'JWT')],
      ['an identity token', await provider.tokenFor('grace', {})],
    ]
    for (const [what, attempt] of attempts) {
      const answer = await postLogout(server, attempt)
      expect({ what, ...answer }).toMatchObject(refused)
      const description = 'the logout token is not believed'
      expect(said(answer), what).toEqual({ error: 'invalid_request', error_description: description })
    }
    expect(await isGood(session)).toBe(true)
    await sendLogout(server, good)
    expect(await isGood(session)).toBe(false)
    expect(await postLogout(server, good)).toMatchObject(refused)
  })

  it('answers alike whether anybody of the name has a session', async () => {
    await sessionOf('olivia')
    const known = await postLogout(server, await provider.logoutTokenFor({ sub: 'olivia' }))
    const unknown = await postLogout(server, await provider.logoutTokenFor({ sub: 'nobody-at-all' }))
    expect(known.status).toBe(200)
    expect(unknown).toMatchObject({ status: known.status, body: known.body })
    expect(known.headers['cache-control']).toBe('no-store')
  })

  it('takes one token in a form, of any size that a token has', async () => {
    const post = (body: string, type = 'application/x-www-form-urlencoded') =>
      send(server, { method: 'POST', path: LOGOUT_PATH, headers: { 'content-type': type }, body })
    const token = await provider.logoutTokenFor({ sub: 'ivan' })
    for (const answer of [
      await post(''),
      await post(`logout_token=${token}&logout_token=${token}`),
      await post(JSON.stringify({ logout_token: token }), 'application/json'),
      await post(`logout_token=${'a'.repeat(70_000)}`),
    ]) {
      expect(answer).toMatchObject(refused)
      expect(said(answer).error).toBe('invalid_request')
    }
    expect((await post(`state=passed-over&logout_token=${token}`)).status).toBe(200)
  })

  it('gives no session for a logout token', async () => {
    for (const typ of ['logout+jwt', 'JWT']) {
      const token = await provider.logoutTokenFor({ sub: 'judy' }, {}, typ)
      expect(await assume(token)).toMatchObject({ code: 'InvalidIdentityToken' })
    }
  })

  it('leaves a record in the audit trail, and no token in it or in logs', async () => {
    const token = await provider.logoutTokenFor({ sub: 'kate' })
    await sendLogout(server, token)
    const directory = join(server.dataDir, 'audit')
    const written = () => readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'))
    await vi.waitFor(() => expect(written().join()).toContain('BackchannelLogout'), { timeout: 60_000 })
    expect([server.logs(), ...written()].join()).not.toContain(token)
  })

  it('keeps log-outs over a restart, and no name of anybody in the clear', async () => {
    const session = await sessionOf('a-name-to-look-for')
    await sendLogout(server, await provider.logoutTokenFor({ sub: 'a-name-to-look-for' }))
    await server.stop()
    await server.restart()
    expect(await isGood(session)).toBe(false)
    const metadata = join(server.dataDir, 'metadata')
    const files = readdirSync(metadata, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    for (const { parentPath, name } of files) {
      expect(readFileSync(join(parentPath, name)).includes('a-name-to-look-for')).toBe(false)
    }
  })
})

describe('coffer logout', () => {
  it('ends at the server what is kept and what the environment has, and forgets it', async () => {
    provider.login('mia')
    const args = ['--role-arn', roleArn, '--format', 'json', '--scope', 'openid offline_access']
    const said = await cofferLogin({ server, provider, env }, args, byBrowser(new Browser()))
    const kept = JSON.parse(said.slice(said.indexOf('{'))) as Required<SessionKeys>
    const refreshTokens = cached().map((text) => (JSON.parse(text) as { refreshToken?: string }).refreshToken)
    const inEnvironment = await sessionOf('mia')
    const out = await coffer(['logout', '--endpoint', server.endpoint], {
      ...env,
      AWS_ACCESS_KEY_ID: inEnvironment.accessKeyId,
      AWS_SECRET_ACCESS_KEY: inEnvironment.secretAccessKey,
      AWS_SESSION_TOKEN: inEnvironment.sessionToken,
    })
    expect(out).toMatchObject({ code: 0 })
    expect(await isGood(kept)).toBe(false)
    expect(await isGood(inEnvironment)).toBe(false)
    expect(cached()).toEqual([])
    expect(refreshTokens.length).toBeGreaterThan(0)
    for (const refreshToken of refreshTokens) expect(await provider.renews(String(refreshToken))).toBe(false)
    expect((await coffer(['logout'], env)).stdout).toContain('Nobody is logged in')
  })

  it('is refused to a user who has ended 250 of theirs, whatever role they take, and to nobody else', async () => {
    const [mallory, alice] = [await newUser(server, 'mallory'), await newUser(server, 'alice')]
    const account = (await callSts(server, 'GetCallerIdentity')).text('Account')
    const AWS = ['mallory', 'alice'].map((name) => `arn:aws:iam::${account}:user/${name}`)
    const trust = policy({ Effect: 'Allow', Principal: { AWS }, Action: 'sts:AssumeRole' })
    const { text } = await iam(server, 'CreateRole', { RoleName: 'shared', AssumeRolePolicyDocument: trust })
    const taken = async (keys: SessionKeys, RoleSessionName: string) =>
      sessionIn(await callSts(server, 'AssumeRole', { RoleArn: text('Arn'), RoleSessionName }, keys))
    const end = async (keys: SessionKeys) => (await callSts(server, 'EndSession', {}, keys)).code || 'ended'
    const ofAlice = await taken(alice, 'alice')
    for (let at = 0; at < 250; at += 25) {
      const names = Array.from({ length: 25 }, (_, index) => `alice-${at + index}`)
      const ends = await Promise.all(names.map(async (name) => end(await taken(mallory, name))))
      expect(new Set(ends)).toEqual(new Set(['ended']))
    }
    expect(await end(await taken(mallory, 'alice'))).toBe('LimitExceeded')
    expect(await end(sessionIn(await callSts(server, 'GetSessionToken', {}, mallory)))).toBe('LimitExceeded')
    expect(await end(ofAlice)).toBe('ended')
    expect(await isGood(ofAlice)).toBe(false)
    expect(await end(await sessionOf('noa'))).toBe('ended')
  })

  it('does not end an access key', async () => {
    expect(await callSts(server, 'EndSession')).toMatchObject({ status: 400, code: 'ValidationError' })
    expect(await callSts(server, 'EndSession', {}, 'none')).toMatchObject({ code: 'MissingAuthenticationToken' })
  })
})
