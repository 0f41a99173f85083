import { GetObjectCommand, ListBucketsCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { beforeAll, describe, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { send } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { cleanEnvironment, serverForSuite } from '../harness/start-server.ts'
import { callIam, callSts, iam, newUser, policy, type SessionKeys, sessionIn } from './query-api.ts'

// One worker: what was changed is in force at once. Others follow within a second.
const server = await serverForSuite({ workers: 1 })
const root = s3Client(server)
const session = (keys: SessionKeys) => s3Client({ ...server, ...keys })
const code = async (attempt: Promise<unknown>) => (await failureOf(attempt)).code
const statement = (Action: string | string[], Resource: string | string[] = '*', more: object = {}) => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...more,
})
const trust = (Principal: object, more: object = {}, Action: string | string[] = 'sts:AssumeRole') =>
  policy({ Effect: 'Allow', Principal, Action, ...more })

let account = ''
let bucket = ''
let alice: SigningKeys
const roleArn = (name: string) => `arn:aws:iam::${account}:role/${name}`

async function newRole(name: string, trustPolicy: string, ...statements: object[]): Promise<string> {
  await iam(server, 'CreateRole', { RoleName: name, AssumeRolePolicyDocument: trustPolicy })
  if (statements.length > 0) {
    const PolicyDocument = policy(...statements)
    await iam(server, 'PutRolePolicy', { RoleName: name, PolicyName: 'own', PolicyDocument })
  }
  return roleArn(name)
}

const assume = (name: string, keys: SessionKeys, more: Record<string, string> = {}) =>
  callSts(server, 'AssumeRole', { RoleArn: roleArn(name), RoleSessionName: 'job', ...more }, keys)

beforeAll(async () => {
  account = (await callSts(server, 'GetCallerIdentity')).text('Account')
  bucket = await newBucket(root)
  await root.send(new PutObjectCommand({ Bucket: bucket, Key: 'a/one', Body: 'one' }))
  await root.send(new PutObjectCommand({ Bucket: bucket, Key: 'b/two', Body: 'two' }))
  alice = await newUser(server, 'alice')
  const ofAlice = trust({ AWS: `arn:aws:iam::${account}:user/alice` })
  await newRole('reader', ofAlice, statement('s3:GetObject', `arn:aws:s3:::${bucket}/*`))
})

const get = (keys: SessionKeys, Key = 'a/one') => session(keys).send(new GetObjectCommand({ Bucket: bucket, Key }))

describe('AssumeRole', () => {
  it('gives credentials that may do what the role may, and nothing else', async () => {
    const answer = await assume('reader', alice)
    const keys = sessionIn(answer)
    expect(answer.text('Arn')).toBe(`arn:aws:sts::${account}:assumed-role/reader/job`)
    expect(keys.accessKeyId).toMatch(/^ASIA/)
    await get(keys)
    expect(await code(session(keys).send(new ListBucketsCommand({})))).toBe('AccessDenied')
    expect(await code(get(alice))).toBe('AccessDenied')
    const identity = await callSts(server, 'GetCallerIdentity', {}, keys)
    expect(identity.text('Arn')).toBe(`arn:aws:sts::${account}:assumed-role/reader/job`)
  })

  it('is told of as the last use of the role, once its credentials are used', async () => {
    await newRole('unused', trust({ AWS: `arn:aws:iam::${account}:user/alice` }))
    const lastUsed = () => iam(server, 'GetRole', { RoleName: 'unused' })
    const keys = sessionIn(await assume('unused', alice))
    expect((await lastUsed()).body).toContain('<RoleLastUsed></RoleLastUsed>')
    await code(get(keys))
    await expect.poll(async () => (await lastUsed()).text('LastUsedDate'), { timeout: 60_000 }).toMatch(/^20\d\d-/)
    expect((await lastUsed()).text('Region')).toBe('us-east-1')
    const details = await iam(server, 'GetAccountAuthorizationDetails', { 'Filter.member.1': 'Role' })
    expect(details.texts('LastUsedDate').length).toBeGreaterThan(0)
  })

  it('is refused to whom the role does not trust, to a root, and for what is no role, all alike', async () => {
    const bob = await newUser(server, 'bob')
    expect(await assume('reader', bob)).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await assume('no-such-role', alice)).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await assume('reader', server)).toMatchObject({ status: 403, code: 'AccessDenied' })
    const unsigned = await callSts(server, 'AssumeRole', { RoleArn: roleArn('reader'), RoleSessionName: 'x' }, 'none')
    expect(unsigned).toMatchObject({ status: 403, code: 'MissingAuthenticationToken' })
  })

  it('needs an identity policy too where the trust policy names only the account', async () => {
    await newRole('open', trust({ AWS: `arn:aws:iam::${account}:root` }), statement('s3:*'))
    expect(await assume('open', alice)).toMatchObject({ code: 'AccessDenied' })
    // Also the root, which the trust policy names itself.
    expect(await assume('open', server)).toMatchObject({ status: 403, code: 'AccessDenied' })
    const PolicyDocument = policy(statement('sts:AssumeRole', roleArn('open')))
    await iam(server, 'PutUserPolicy', { UserName: 'alice', PolicyName: 'assume', PolicyDocument })
    await get(sessionIn(await assume('open', alice)), 'b/two')
  })

  it('keeps the source identity that was set, and each role has to let one be set', async () => {
    const both = ['sts:AssumeRole', 'sts:SetSourceIdentity']
    await newRole('named', trust({ AWS: `arn:aws:iam::${account}:user/alice` }, {}, both), statement('sts:*'))
    await newRole('next', trust({ AWS: roleArn('named') }, {}, both))
    await newRole('nameless', trust({ AWS: roleArn('named') }))
    const denied = { status: 403, code: 'AccessDenied' }
    expect(await assume('reader', alice, { SourceIdentity: 'alice' })).toMatchObject(denied)
    const named = await assume('named', alice, { SourceIdentity: 'alice' })
    expect(named.text('SourceIdentity')).toBe('alice')
    const keys = sessionIn(named)
    expect(await assume('next', keys, { SourceIdentity: 'mallory' })).toMatchObject(denied)
    expect((await assume('next', keys)).text('SourceIdentity')).toBe('alice')
    expect(await assume('nameless', keys)).toMatchObject(denied)
  })

  it('is asked of the tags and the account of the role', async () => {
    const team = await newUser(server, 'team')
    const Condition = { StringEquals: { 'aws:ResourceTag/team': 'blue', 'aws:ResourceAccount': account } }
    const PolicyDocument = policy(statement('sts:AssumeRole', '*', { Condition }))
    await iam(server, 'PutUserPolicy', { UserName: 'team', PolicyName: 'assume', PolicyDocument })
    for (const name of ['blue', 'red']) {
      await newRole(name, trust({ AWS: `arn:aws:iam::${account}:root` }))
      await iam(server, 'TagRole', { RoleName: name, 'Tags.member.1.Key': 'Team', 'Tags.member.1.Value': name })
    }
    expect(await assume('blue', team)).toMatchObject({ status: 200 })
    expect(await assume('red', team)).toMatchObject({ code: 'AccessDenied' })
    const own = trust({ AWS: `arn:aws:iam::${account}:user/team` }, { Condition })
    await newRole('by-trust', own)
    expect(await assume('by-trust', team)).toMatchObject({ code: 'AccessDenied' })
    await iam(server, 'TagRole', { RoleName: 'by-trust', 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'blue' })
    expect(await assume('by-trust', team)).toMatchObject({ status: 200 })
  })

  it('is held to what is passed with the session', async () => {
    const Policy = policy(statement('s3:GetObject', `arn:aws:s3:::${bucket}/a/*`))
    const keys = sessionIn(await assume('open', alice, { Policy }))
    await get(keys)
    expect(await code(get(keys, 'b/two'))).toBe('AccessDenied')
    const readOnly = { 'PolicyArns.member.1.arn': 'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess' }
    const reading = sessionIn(await assume('open', alice, readOnly))
    await get(reading)
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'a/new', Body: 'x' })
    expect(await code(session(reading).send(put))).toBe('AccessDenied')
    expect(await assume('open', alice, { Policy: '{"Statement":[]' })).toMatchObject({
      code: 'MalformedPolicyDocument',
    })
  })

  it('checks the external id', async () => {
    const Condition = { StringEquals: { 'sts:ExternalId': 'agreed' } }
    await newRole('third-party', trust({ AWS: `arn:aws:iam::${account}:user/alice` }, { Condition }))
    expect(await assume('third-party', alice)).toMatchObject({ code: 'AccessDenied' })
    expect(await assume('third-party', alice, { ExternalId: 'guessed' })).toMatchObject({ code: 'AccessDenied' })
    expect(await assume('third-party', alice, { ExternalId: 'agreed' })).toMatchObject({ status: 200 })
  })

  it('lets policies go by the tags of the session, which it may only set where the role lets it', async () => {
    const byTag = { Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue' } } }
    const principal = { AWS: `arn:aws:iam::${account}:user/alice` }
    const both = trust(principal, {}, ['sts:AssumeRole', 'sts:TagSession'])
    await newRole('tagged', both, statement('s3:GetObject', '*', byTag))
    const team = (Value: string) => ({ 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': Value })
    await get(sessionIn(await assume('tagged', alice, team('blue'))))
    expect(await code(get(sessionIn(await assume('tagged', alice, team('red')))))).toBe('AccessDenied')
    expect(await assume('reader', alice, team('blue'))).toMatchObject({ code: 'AccessDenied' })
  })

  it('is chained for an hour at most, and hands transitive tags on', async () => {
    const first = await newRole(
      'first',
      trust({ AWS: `arn:aws:iam::${account}:user/alice` }, {}, ['sts:AssumeRole', 'sts:TagSession']),
      statement(['sts:AssumeRole', 'sts:TagSession'], roleArn('second')),
    )
    await iam(server, 'UpdateRole', { RoleName: 'first', MaxSessionDuration: '43200' })
    const byTag = { Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue' } } }
    await newRole(
      'second',
      trust({ AWS: first }, {}, ['sts:AssumeRole', 'sts:TagSession']),
      statement('s3:GetObject', '*', byTag),
    )
    await iam(server, 'UpdateRole', { RoleName: 'second', MaxSessionDuration: '43200' })
    const tags = { 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'blue', 'TransitiveTagKeys.member.1': 'team' }
    const one = sessionIn(await assume('first', alice, { ...tags, DurationSeconds: '43200' }))
    await get(sessionIn(await assume('second', one)))
    expect(await assume('second', one, { DurationSeconds: '7200' })).toMatchObject({ code: 'ValidationError' })
    const other = { 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'red' }
    expect(await assume('second', one, other)).toMatchObject({ code: 'ValidationError' })
  })

  it.each([
    ['a session name with a space', { RoleSessionName: 'a b' }],
    ['a duration that is too short', { DurationSeconds: '899' }],
    ['a duration that the role does not let', { DurationSeconds: '7200' }],
    ['what it does not know', { Surprise: '1' }],
  ])('refuses %s', async (_what, more) => {
    expect(await assume('reader', alice, more)).toMatchObject({ status: 400, code: 'ValidationError' })
  })
})

describe('temporary credentials', () => {
  it('are nothing without their token, with another one, or with a changed one', async () => {
    const keys = sessionIn(await assume('reader', alice))
    const others = sessionIn(await assume('reader', alice))
    const { sessionToken, ...bare } = keys
    expect(await code(get(bare))).toBe('InvalidAccessKeyId')
    expect(await code(get({ ...keys, sessionToken: others.sessionToken }))).toBe('InvalidToken')
    expect(await code(get({ ...keys, sessionToken: sessionToken.replace(/.$/, (c) => (c === 'A' ? 'Q' : 'A')) }))).toBe(
      'InvalidToken',
    )
    expect(await code(get({ ...alice, sessionToken }))).toMatch(/InvalidToken|InvalidAccessKeyId/)
    expect(await code(get({ ...keys, secretAccessKey: others.secretAccessKey }))).toBe('SignatureDoesNotMatch')
  })

  it('make presigned URLs that hold their token', async () => {
    const keys = sessionIn(await assume('reader', alice))
    const command = new GetObjectCommand({ Bucket: bucket, Key: 'a/one' })
    const { pathname, search } = new URL(await getSignedUrl(session(keys), command, { expiresIn: 60 }))
    expect((await send(server, { method: 'GET', path: pathname + search })).body.toString()).toBe('one')
    const without = search.replace(/&X-Amz-Security-Token=[^&]*/, '')
    expect(without).not.toBe(search)
    expect((await send(server, { method: 'GET', path: pathname + without })).code).toBe('InvalidAccessKeyId')
  })

  it('of a role end within a second when its sessions are revoked, as AWS revokes them', async () => {
    const keys = sessionIn(await assume('reader', alice))
    await get(keys)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const Condition = { DateLessThan: { 'aws:TokenIssueTime': new Date().toISOString() } }
    const PolicyDocument = policy({ Effect: 'Deny', Action: '*', Resource: '*', Condition })
    const revocation = { RoleName: 'reader', PolicyName: 'AWSRevokeOlderSessions' }
    await iam(server, 'PutRolePolicy', { ...revocation, PolicyDocument })
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    for (let attempt = 0; attempt < 4; attempt++) expect(await code(get(keys))).toBe('AccessDenied')
    await get(sessionIn(await assume('reader', alice)))
    await iam(server, 'DeleteRolePolicy', revocation)
  })

  it('end with their role', async () => {
    await newRole('passing', trust({ AWS: `arn:aws:iam::${account}:user/alice` }))
    const keys = sessionIn(await assume('passing', alice))
    await iam(server, 'DeleteRole', { RoleName: 'passing' })
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(await callSts(server, 'GetCallerIdentity', {}, keys)).toMatchObject({ code: 'InvalidClientTokenId' })
  })

  it('of the root end within an hour, however long it asks for, and of a user later', async () => {
    const leftMs = async (keys?: SigningKeys) => {
      const answer = await callSts(server, 'GetSessionToken', { DurationSeconds: '43200' }, keys)
      return Date.parse(answer.text('Expiration')) - Date.now()
    }
    expect(await leftMs()).toBeLessThanOrEqual(3_600_000)
    expect(await leftMs(alice)).toBeGreaterThan(3_600_000)
  })

  it('of a user can do what the user can, but make no access keys', async () => {
    const carol = await newUser(server, 'carol')
    const PolicyDocument = policy(statement(['s3:GetObject', 'iam:*']))
    await iam(server, 'PutUserPolicy', { UserName: 'carol', PolicyName: 'own', PolicyDocument })
    const keys = sessionIn(await callSts(server, 'GetSessionToken', { DurationSeconds: '900' }, carol))
    await get(keys)
    expect(await callSts(server, 'GetSessionToken', {}, keys)).toMatchObject({ code: 'AccessDenied' })
    const identity = await callSts(server, 'GetCallerIdentity', {}, keys)
    expect(identity.text('Arn')).toBe(`arn:aws:iam::${account}:user/carol`)
    expect(await callIam(server, 'ListUsers', {}, { keys: { ...keys } })).toMatchObject({
      code: 'InvalidClientTokenId',
    })
  })

  it('of a federated user can do only what both sides allow', async () => {
    const dave = await newUser(server, 'dave')
    const PolicyDocument = policy(statement(['s3:GetObject', 'sts:GetFederationToken']))
    await iam(server, 'PutUserPolicy', { UserName: 'dave', PolicyName: 'own', PolicyDocument })
    const federate = (more: Record<string, string>) =>
      callSts(server, 'GetFederationToken', { Name: 'guest', ...more }, dave)
    const Policy = policy(statement(['s3:GetObject', 's3:ListAllMyBuckets'], '*'))
    const keys = sessionIn(await federate({ Policy }))
    await get(keys)
    expect(await code(session(keys).send(new ListBucketsCommand({})))).toBe('AccessDenied')
    expect(await code(get(sessionIn(await federate({}))))).toBe('AccessDenied')
  })

  it('of a federated user take no role, whatever was passed', async () => {
    const erin = await newUser(server, 'erin')
    const PolicyDocument = policy(statement('sts:*'))
    await iam(server, 'PutUserPolicy', { UserName: 'erin', PolicyName: 'own', PolicyDocument })
    await newRole('anybodys', trust({ AWS: account }))
    const federated = await callSts(server, 'GetFederationToken', { Name: 'guest', Policy: PolicyDocument }, erin)
    expect((await assume('anybodys', erin)).status).toBe(200)
    expect((await assume('anybodys', sessionIn(federated))).code).toBe('AccessDenied')
  })
})

describeWithPrograms('the AWS CLI', ['aws'], (programs) => {
  it('takes a role, and reads with it', async () => {
    const env = cleanEnvironment({
      AWS_ACCESS_KEY_ID: alice.accessKeyId,
      AWS_SECRET_ACCESS_KEY: alice.secretAccessKey,
      AWS_CA_BUNDLE: server.caFile,
      AWS_ENDPOINT_URL: server.endpoint,
      AWS_DEFAULT_REGION: 'us-east-1',
    })
    const args = ['sts', 'assume-role', '--role-arn', roleArn('reader'), '--role-session-name', 'cli']
    const { stdout } = await runOrThrow(programs.aws, [...args, '--output', 'json'], { env })
    const { Credentials } = JSON.parse(stdout)
    const ofSession = {
      ...env,
      AWS_ACCESS_KEY_ID: Credentials.AccessKeyId,
      AWS_SECRET_ACCESS_KEY: Credentials.SecretAccessKey,
      AWS_SESSION_TOKEN: Credentials.SessionToken,
    }
    const read = await runOrThrow(programs.aws, ['s3', 'cp', `s3://${bucket}/a/one`, '-'], { env: ofSession })
    expect(read.stdout).toBe('one')
  })
})
