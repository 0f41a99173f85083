import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { cofferJson, runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { Browser, OIDC_CLIENT_ID, type OidcProvider, startOidcProvider } from '../harness/oidc-provider.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { COFFER, cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { byBrowser, cofferLogin } from './coffer-login.ts'
import { callSts, iam, policy, type SessionKeys, sessionIn } from './query-api.ts'

const server = await serverForSuite({ workers: 1, env: { COFFER_OIDC_ISSUER_HOSTS: '127.0.0.1' } })
const root = s3Client(server)
const cacheDirectory = temporaryDirectory('login-cache')
const env = cleanEnvironment({ AWS_CA_BUNDLE: server.caFile, XDG_CACHE_HOME: cacheDirectory })
const browser = new Browser()

let provider: OidcProvider
/** Of this machine, and none of the server's business. */
const requestsElsewhere: string[] = []
const elsewhere = createServer((request, response) => {
  requestsElsewhere.push(request.url ?? '')
  response.end('{}')
})
let providerId = ''
let account = ''
let bucket = ''

const roleArn = (name: string) => `arn:aws:iam::${account}:role/${name}`
const get = async (keys: SessionKeys) =>
  await s3Client({ ...server, ...keys }).send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))

async function newRole(name: string, Condition: object): Promise<void> {
  const Principal = { Federated: `arn:aws:iam::${account}:oidc-provider/${providerId}` }
  const Action = 'sts:AssumeRoleWithWebIdentity'
  const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action, Condition })
  await iam(server, 'CreateRole', { RoleName: name, AssumeRolePolicyDocument })
  const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` }
  await iam(server, 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument: policy(statement) })
}

const assume = (WebIdentityToken: string, more: Record<string, string>) =>
  callSts(server, 'AssumeRoleWithWebIdentity', { RoleSessionName: 'job', WebIdentityToken, ...more }, 'none')

const login = (args: readonly string[], person: (said: string) => Promise<unknown>) =>
  cofferLogin({ server, provider, env }, args, person)

beforeAll(async () => {
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
  provider = await startOidcProvider()
  providerId = provider.issuer.replace('http://', '')
  account = (await callSts(server, 'GetCallerIdentity')).text('Account')
  bucket = await newBucket(root)
  await root.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'for those who are let in' }))
  await iam(server, 'CreateOpenIDConnectProvider', {
    Url: provider.issuer,
    'ClientIDList.member.1': OIDC_CLIENT_ID,
    'Tags.member.1.Key': 'coffer:role-claim',
    'Tags.member.1.Value': 'roles',
  })
  const audience = { StringEquals: { [`${providerId}:aud`]: OIDC_CLIENT_ID } }
  await newRole('anyone', audience)
  await newRole('operators', { 'ForAnyValue:StringEquals': { [`${providerId}:groups`]: 'ops' } })
  await newRole('only-erin', { StringEquals: { [`${providerId}:sub`]: 'erin' } })
})
afterAll(async () => {
  elsewhere.close()
  await provider?.close()
})

describe('coffer login', () => {
  it('gives credentials by the browser, keeps them to itself, and gives them again without asking', async () => {
    provider.login('alice')
    const args = ['--role-arn', roleArn('anyone'), '--format', 'process', '--scope', 'openid offline_access']
    const said = await login(args, byBrowser(browser))
    const first = JSON.parse(said.slice(said.indexOf('{')))
    await get(keysOf(first))
    const again = await login(args, () => expect.fail('asked again'))
    expect(JSON.parse(again)).toEqual(first)
    const directory = join(cacheDirectory, 'coffer', 'login')
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o077).toBe(0)
    expect(statSync(directory).mode & 0o077).toBe(0)
  })

  it('gives credentials by a code on another device', async () => {
    provider.login('bob')
    const args = ['--role-arn', roleArn('anyone'), '--device', '--no-cache']
    const said = await login(args, async (text) => {
      const [, address = '', userCode = ''] = /Open (\S+) and enter the code (\S+)/.exec(text) ?? []
      await browser.enterCode(address, userCode)
    })
    const value = (name: string) => new RegExp(`export ${name}=(\\S+)`).exec(said)?.[1] ?? ''
    await get({
      accessKeyId: value('AWS_ACCESS_KEY_ID'),
      secretAccessKey: value('AWS_SECRET_ACCESS_KEY'),
      sessionToken: value('AWS_SESSION_TOKEN'),
    })
  })

  it('says why the server refuses, and keeps nothing', async () => {
    provider.login('mallory')
    const args = ['--role-arn', roleArn('only-erin'), '--no-cache']
    await expect(login(args, byBrowser(browser))).rejects.toThrow(/AccessDenied/)
  })
})

describe('AssumeRoleWithWebIdentity', () => {
  it('goes by the claims that the trust policy asks for, groups as a list or as one text', async () => {
    for (const [groups, lets] of [
      [['dev', 'ops'], true],
      ['ops', true],
      [['dev'], false],
      [undefined, false],
    ] as const) {
      const answer = await assume(await provider.tokenFor('carol', { groups }), { RoleArn: roleArn('operators') })
      expect(answer.status).toBe(lets ? 200 : 403)
    }
  })

  it('tells who it is, and audit-worthy facts', async () => {
    const answer = await assume(await provider.tokenFor('erin', {}), { RoleArn: roleArn('only-erin') })
    expect(answer.text('SubjectFromWebIdentityToken')).toBe('erin')
    expect(answer.text('Audience')).toBe(OIDC_CLIENT_ID)
    expect(answer.text('Provider')).toBe(`arn:aws:iam::${account}:oidc-provider/${providerId}`)
    await get(sessionIn(answer))
  })

  it('tags the session as the token says, where the role lets it be tagged', async () => {
    const Principal = { Federated: `arn:aws:iam::${account}:oidc-provider/${providerId}` }
    const Action = ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession']
    const Condition = { StringEquals: { 'aws:RequestTag/team': ['blue', 'red'] } }
    const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action, Condition })
    await iam(server, 'CreateRole', { RoleName: 'by-tag', AssumeRolePolicyDocument })
    const byTag = { StringEquals: { 'aws:PrincipalTag/team': 'blue' } }
    const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: '*', Condition: byTag }
    await iam(server, 'PutRolePolicy', { RoleName: 'by-tag', PolicyName: 'own', PolicyDocument: policy(statement) })
    const of = async (team: string, role = 'by-tag') => {
      const tags = { 'https://aws.amazon.com/tags': { principal_tags: { team: [team] } } }
      return await assume(await provider.tokenFor('erin', tags), { RoleArn: roleArn(role) })
    }
    await get(sessionIn(await of('blue')))
    expect((await failureOf(get(sessionIn(await of('red'))))).code).toBe('AccessDenied')
    expect(await of('green')).toMatchObject({ code: 'AccessDenied' })
    expect(await of('blue', 'anyone')).toMatchObject({ code: 'AccessDenied' })
  })

  it('finds the role by a claim where the provider has one for that, and only one that trusts it', async () => {
    const roles = ['not-there', 'only-erin', 'operators']
    const answer = await assume(await provider.tokenFor('dave', { roles, groups: 'ops' }), {})
    expect(answer.text('Arn')).toContain('assumed-role/operators/')
    expect(await assume(await provider.tokenFor('dave', { roles: ['only-erin'] }), {})).toMatchObject({ status: 403 })
    expect(await assume(await provider.tokenFor('dave', {}), {})).toMatchObject({ status: 403 })
  })

  it('takes nobody into another account that has registered the same provider', async () => {
    const { accessKey } = await cofferJson<{ accessKey: SigningKeys }>(server, ['account', 'create', 'aaa-mallory'])
    const mallory = { ...server, ...accessKey }
    const theirs = (await callSts(mallory, 'GetCallerIdentity')).text('Account')
    const Principal = { Federated: `arn:aws:iam::${theirs}:oidc-provider/${providerId}` }
    const trust = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRoleWithWebIdentity' })
    await iam(mallory, 'CreateRole', { RoleName: 'operators', AssumeRolePolicyDocument: trust })
    const provide = (client: string) =>
      iam(mallory, 'CreateOpenIDConnectProvider', {
        Url: provider.issuer,
        'ClientIDList.member.1': client,
        'Tags.member.1.Key': 'coffer:role-claim',
        'Tags.member.1.Value': 'roles',
      })
    const assumed = async (roles: string) => await assume(await provider.tokenFor('dave', { roles, groups: 'ops' }), {})
    await provide('another-client')
    expect((await assumed('operators')).text('Arn')).toContain(`::${account}:assumed-role/operators/`)
    const OpenIDConnectProviderArn = Principal.Federated
    await iam(mallory, 'DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn })
    await provide(OIDC_CLIENT_ID)
    expect(await assumed('operators')).toMatchObject({ status: 400, code: 'ValidationError' })
    expect((await assumed(roleArn('operators'))).text('Arn')).toContain(`::${account}:assumed-role/operators/`)
    await iam(mallory, 'DeleteOpenIDConnectProvider', { OpenIDConnectProviderArn })
  })

  it.each([
    ['no token', '', 'ValidationError'],
    ['rubbish', 'abc', 'InvalidIdentityToken'],
    [
      'a token of nobody',
      `${b64({ alg: 'none' })}.${b64({ iss: 'https://evil.example', sub: 'x' })}.`,
      'InvalidIdentityToken',
    ],
  ])('refuses %s', async (_what, token, code) => {
    expect(await assume(token, { RoleArn: roleArn('anyone') })).toMatchObject({ code })
  })

  it('does not believe a token with anything changed, of another client, or that has expired', async () => {
    const good = await provider.tokenFor('alice', {})
    const [head, , signature] = good.split('.')
    const forged = `${head}.${b64({ ...decode(good), sub: 'erin' })}.${signature}`
    const code = async (token: string) => (await assume(token, { RoleArn: roleArn('anyone') })).code
    expect(await code(forged)).toBe('InvalidIdentityToken')
    expect(await code(await provider.tokenFor('alice', {}, { aud: 'another' }))).toBe('InvalidIdentityToken')
    expect(await code(await provider.tokenFor('alice', {}, { exp: 1_000 }))).toBe('ExpiredTokenException')
  })

  it('does not ask a provider again for each way to write its name', async () => {
    const iss = `${provider.issuer}//`
    const token = `${b64({ alg: 'none' })}.${b64({ iss, sub: 'x' })}.`
    const answer = await assume(token, { RoleArn: roleArn('anyone') })
    expect(answer.body).toContain('No OpenIDConnect provider found')
  })

  it('tells nobody without a good token whether there is a role', async () => {
    const [real, made] = await Promise.all(
      ['anyone', 'no-such-role'].map((name) => assume(`${'x'.repeat(20)}`, { RoleArn: roleArn(name) })),
    )
    expect(made?.code).toBe(real?.code)
  })

  it('says so when the provider cannot be asked', async () => {
    const other = await startOidcProvider()
    const Url = other.issuer
    await iam(server, 'CreateOpenIDConnectProvider', { Url, 'ClientIDList.member.1': OIDC_CLIENT_ID })
    const token = await other.tokenFor('x', {})
    await other.close()
    expect(await assume(token, { RoleArn: roleArn('anyone') })).toMatchObject({ code: 'IDPCommunicationError' })
  })

  it('asks no issuer that the operator has not listed, whoever registers it', async () => {
    requestsElsewhere.length = 0
    const port = (elsewhere.address() as AddressInfo).port
    const iss = `http://localhost:${port}`
    await iam(server, 'CreateOpenIDConnectProvider', { Url: iss, 'ClientIDList.member.1': OIDC_CLIENT_ID })
    const token = await provider.tokenFor('x', {}, { iss })
    const refused = await assume(token, { RoleArn: roleArn('anyone') })
    expect(refused).toMatchObject({ code: 'IDPCommunicationError' })
    expect(refused.body).toContain('COFFER_OIDC_ISSUER_HOSTS')
    expect(requestsElsewhere).toEqual([])
  })

  it('leaves no token and no secret in logs or in the audit trail', async () => {
    const token = await provider.tokenFor('alice', {})
    const { secretAccessKey, sessionToken } = sessionIn(await assume(token, { RoleArn: roleArn('anyone') }))
    const directory = join(server.dataDir, 'audit')
    const written = () => readdirSync(directory).map((name) => readFileSync(join(directory, name), 'utf8'))
    // The trail is written in batches.
    await vi.waitFor(() => expect(written().join()).toContain('AssumeRoleWithWebIdentity'), { timeout: 60_000 })
    const all = [server.logs(), ...written()].join('\n')
    for (const secret of [token, secretAccessKey, sessionToken]) expect(all).not.toContain(secret)
  })
})

describeWithPrograms('the AWS CLI', ['aws'], (programs) => {
  it('takes its credentials from coffer login (credential_process)', async () => {
    const login = `${process.execPath} ${COFFER} login --endpoint ${server.endpoint} --issuer ${provider.issuer}`
    const args = `--client-id ${OIDC_CLIENT_ID} --role-arn ${roleArn('anyone')} --format process --no-browser`
    const scope = '--scope "openid offline_access"'
    const config = join(cacheDirectory, 'aws-config')
    writeFileSync(config, `[profile sso]\ncredential_process = ${login} ${args} ${scope}\nregion = us-east-1\n`)
    const cli = { ...env, AWS_CONFIG_FILE: config, AWS_PROFILE: 'sso', AWS_ENDPOINT_URL: server.endpoint }
    const { stdout } = await runOrThrow(programs.aws, ['s3', 'cp', `s3://${bucket}/k`, '-'], { env: cli })
    expect(stdout).toBe('for those who are let in')
  })
})

it('a role that is not let in reads nothing', async () => {
  const answer = await assume(await provider.tokenFor('erin', {}), { RoleArn: roleArn('only-erin') })
  const put = new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' })
  const attempt = s3Client({ ...server, ...sessionIn(answer) }).send(put)
  expect((await failureOf(attempt)).code).toBe('AccessDenied')
})

function keysOf(said: { AccessKeyId: string; SecretAccessKey: string; SessionToken: string }): SessionKeys {
  return { accessKeyId: said.AccessKeyId, secretAccessKey: said.SecretAccessKey, sessionToken: said.SessionToken }
}

function b64(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function decode(token: string): object {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}
