import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DeleteAliasCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  PutKeyPolicyCommand,
} from '@aws-sdk/client-kms'
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteBucketEncryptionCommand,
  DeleteBucketPolicyCommand,
  DeletePublicAccessBlockCommand,
  GetObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutBucketRequestPaymentCommand,
  PutObjectCommand,
  PutPublicAccessBlockCommand,
  RenameObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { kmsClient } from '../kms-api/kms-client.ts'
import { callSts, iam, newUser, policy, type SessionKeys, sessionIn } from './query-api.ts'

interface Explained {
  readonly effect: string
  readonly reason: string
  readonly action: string
  readonly statement?: {
    readonly kind: string
    readonly policyId: string
    readonly index: number
    readonly sid?: string
  }
  readonly policies: readonly string[]
  readonly resourcePolicy: string
  readonly valuesMissing: readonly string[]
}

// One worker: what was changed is in force at once.
const server = await serverForSuite({ workers: 1 })
const [s3, kms] = [s3Client(server), kmsClient(server)]
const bucket = await newBucket(s3)
const bare = await newBucket(s3)
const { account: guest, accessKey: guestRoot } = await cofferJson<{
  account: { accountId: string }
  accessKey: { accessKeyId: string; secretAccessKey: string }
}>(server, ['account', 'create', 'guest'])
const guestServer = { ...server, ...guestRoot }
const GET = ['s3:GetObject'] as const
const objects = (key: string, name = bucket) => `arn:aws:s3:::${name}/${key}`

const allow = (Action: readonly string[], Resource: string) => ({ Effect: 'Allow', Action, Resource })
const outcomeOf = (done: Promise<unknown>): Promise<string> =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )
const explain = (user: string, action: string, resource: string, account = 'root', more: readonly string[] = []) =>
  cofferJson<Explained>(server, [
    ...['iam', 'explain', '--account', account, '--user', user, '--action', action, '--resource', resource],
    ...more,
  ])

let owner = ''
let [key, keyArn, otherKey, otherArn] = ['', '', '', '']
const keys: Record<string, SessionKeys> = {}
const clientsOf = (name: string) => ({
  s3: s3Client({ ...server, ...keys[name] }),
  kms: kmsClient({ ...server, ...keys[name] }),
})
const read = (name: string, Key: string, Bucket = bucket) =>
  outcomeOf(clientsOf(name).s3.send(new GetObjectCommand({ Bucket, Key })))

async function addUser(
  name: string,
  statements: readonly object[],
  target: typeof guestServer | typeof server = server,
) {
  keys[name] = await newUser(target, name)
  if (statements.length === 0) return
  const PolicyDocument = policy(...statements)
  await iam(target, 'PutUserPolicy', { UserName: name, PolicyName: 'own', PolicyDocument })
}

async function newMasterKey(...statements: readonly object[]): Promise<readonly [id: string, arn: string]> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  const { KeyId = '', Arn = '' } = KeyMetadata ?? {}
  if (statements.length > 0) await kms.send(new PutKeyPolicyCommand({ KeyId, Policy: policy(...statements) }))
  return [KeyId, Arn]
}

beforeAll(async () => {
  owner = (await callSts(server, 'GetCallerIdentity')).text('Account')
  const rootOnly = { Sid: 'RootOnly', Effect: 'Allow', Principal: { AWS: owner }, Action: 'kms:*', Resource: '*' }
  const notReader = {
    ...rootOnly,
    Sid: 'NotReader',
    Effect: 'Deny',
    Principal: { AWS: `arn:aws:iam::${owner}:user/reader` },
  }
  const everything = allow(['s3:GetObject', 'kms:*'], '*')
  await addUser('reader', [everything])
  await addUser('nobody', [])
  await addUser('bounded', [allow(GET, '*')])
  await addUser('both', [allow(GET, '*')], guestServer)
  await addUser('half', [], guestServer)
  ;[key, keyArn] = await newMasterKey(rootOnly, { ...notReader, Action: ['kms:Decrypt', 'kms:GenerateDataKey'] })
  ;[otherKey, otherArn] = await newMasterKey()
  const edge = await iam(server, 'CreatePolicy', {
    PolicyName: 'edge',
    PolicyDocument: policy(allow(['s3:ListBucket'], '*')),
  })
  await iam(server, 'PutUserPermissionsBoundary', { UserName: 'bounded', PermissionsBoundary: edge.text('Arn') })
  for (const Key of ['own/k', 'named/k', 'denied/k', 'shared/k']) {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
  }
  await s3.send(new PutObjectCommand({ Bucket: bare, Key: 'k', Body: 'x' }))
  const sealed = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: key } as const
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'sealed/k', Body: 'x', ...sealed }))
  const on = (Sid: string, Effect: string, AWS: string, prefix: string) => ({
    ...{ Sid, Effect, Principal: { AWS }, Action: 's3:GetObject', Resource: objects(`${prefix}/*`) },
  })
  const Policy = policy(
    on('Named', 'Allow', `arn:aws:iam::${owner}:user/nobody`, 'named'),
    on('Denied', 'Deny', '*', 'denied'),
    on('Shared', 'Allow', guest.accountId, 'shared'),
  )
  await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
})

describe('coffer iam explain says what requests are told', () => {
  // User, key of the object, what a request gets, and why.
  const rows = [
    ['reader', 'own/k', 'done', 'identity-policy', 'user/reader/own', 1],
    ['nobody', 'own/k', 'AccessDenied', 'no-identity-policy', undefined, undefined],
    ['bounded', 'own/k', 'AccessDenied', 'not-in-boundary', undefined, undefined],
    ['nobody', 'named/k', 'done', 'resource-policy', 'bucket', 'Named'],
    ['reader', 'denied/k', 'AccessDenied', 'explicit-deny', 'bucket', 'Denied'],
    ['both', 'shared/k', 'done', 'identity-policy', 'user/both/own', 1],
    ['half', 'shared/k', 'AccessDenied', 'no-identity-policy', undefined, undefined],
    ['both', 'own/k', 'AccessDenied', 'no-resource-policy', undefined, undefined],
    ['reader', 'sealed/k', 'AccessDenied', 'explicit-deny', 'key', 'NotReader'],
  ] as const
  it.each(rows)('%s, %s: %s, %s', async (user, objectKey, outcome, reason, policyId, named) => {
    expect(await read(user, objectKey)).toBe(outcome)
    const account = user === 'both' || user === 'half' ? 'guest' : 'root'
    const answer = await explain(user, 's3:GetObject', objects(objectKey), account)
    expect(answer).toMatchObject({ effect: outcome === 'done' ? 'allow' : 'deny', reason, resourcePolicy: 'asked' })
    const id = policyId === 'bucket' ? `bucket/${bucket}` : policyId === 'key' ? keyArn : policyId
    expect(answer.statement?.policyId).toBe(id)
    expect(answer.statement && (answer.statement.sid ?? answer.statement.index + 1)).toBe(named)
    expect(answer.action).toBe(policyId === 'key' ? 'kms:Decrypt' : 's3:GetObject')
  })

  it('of a user who was given the name that a bucket policy let in', async () => {
    const AccessKeyId = keys.nobody?.accessKeyId ?? ''
    await iam(server, 'DeleteAccessKey', { UserName: 'nobody', AccessKeyId })
    await iam(server, 'DeleteUser', { UserName: 'nobody' })
    await addUser('nobody', [])
    expect(await read('nobody', 'named/k')).toBe('AccessDenied')
    const answer = await explain('nobody', 's3:GetObject', objects('named/k'))
    expect(answer).toMatchObject({ effect: 'deny', reason: 'no-identity-policy' })
  })

  it('of a public policy that the public access block shuts', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
    const open = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: objects('*', Bucket) }
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(open) }))
    expect(await read('both', 'k', Bucket)).toBe('done')
    expect((await explain('both', 's3:GetObject', objects('k', Bucket), 'guest')).effect).toBe('allow')
    const PublicAccessBlockConfiguration = { RestrictPublicBuckets: true }
    await s3.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }))
    expect(await read('both', 'k', Bucket)).toBe('AccessDenied')
    const shut = await explain('both', 's3:GetObject', objects('k', Bucket), 'guest')
    expect(shut).toMatchObject({ effect: 'deny', reason: 'public-access-block' })
  })

  it('of master keys: their policies, and grants', async () => {
    const use = (name: string, KeyId: string) =>
      outcomeOf(clientsOf(name).kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })))
    expect(await use('reader', otherArn)).toBe('done')
    const own = await explain('reader', 'kms:GenerateDataKey', otherArn)
    expect(own).toMatchObject({ effect: 'allow', reason: 'identity-policy', policies: ['user/reader/own', otherArn] })
    expect(await use('reader', keyArn)).toBe('AccessDeniedException')
    const refused = await explain('reader', 'kms:GenerateDataKey', keyArn)
    expect(refused).toMatchObject({ effect: 'deny', reason: 'explicit-deny', statement: { sid: 'NotReader' } })
    expect(await use('half', otherArn)).toBe('AccessDeniedException')
    const foreign = await explain('half', 'kms:GenerateDataKey', otherArn, 'guest')
    expect(foreign).toMatchObject({ effect: 'deny', reason: 'no-resource-policy' })
  })

  it('of a grant that asks for an encryption context', async () => {
    const GranteePrincipal = `arn:aws:iam::${guest.accountId}:user/half`
    const Constraints = { EncryptionContextSubset: { Team: 'a' } }
    const grant = { KeyId: otherKey, GranteePrincipal, Constraints, Operations: ['Encrypt'] } as const
    await kms.send(new CreateGrantCommand({ ...grant, Operations: [...grant.Operations] }))
    const encrypt = (EncryptionContext: Record<string, string>) =>
      outcomeOf(
        clientsOf('half').kms.send(
          new EncryptCommand({ KeyId: otherArn, Plaintext: Buffer.from('x'), EncryptionContext }),
        ),
      )
    const context = (pair: string) => ['--context', `kms:EncryptionContext:${pair}`]
    // The server may go by the grants that it knows for a second.
    await expect.poll(() => encrypt({ Team: 'a' }), { timeout: 60_000 }).toBe('done')
    expect(await encrypt({ team: 'a' })).toBe('AccessDeniedException')
    const met = await explain('half', 'kms:Encrypt', otherArn, 'guest', context('Team=a'))
    expect(met).toMatchObject({ effect: 'allow', reason: 'resource-policy' })
    expect(met.statement?.policyId).toMatch(/ grant [0-9a-f]{64}$/)
    expect((await explain('half', 'kms:Encrypt', otherArn, 'guest', context('team=a'))).effect).toBe('deny')
  })
})

describe('coffer iam explain says what else a request is told', () => {
  const write = (name: string, Key: string, more: object = {}) =>
    outcomeOf(clientsOf(name).s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x', ...more })))

  it('of the master key that a new object will be under, by its request or by its bucket', async () => {
    await iam(server, 'PutUserPolicy', {
      UserName: 'reader',
      PolicyName: 'writes',
      PolicyDocument: policy(allow(['s3:PutObject'], '*')),
    })
    const sse = 's3:x-amz-server-side-encryption'
    const said = ['--context', `${sse}=aws:kms`, '--context', `${sse}-aws-kms-key-id=${keyArn}`]
    const put = (more: readonly string[]) => explain('reader', 's3:PutObject', objects('new/k'), 'root', more)
    expect(await write('reader', 'new/k')).toBe('done')
    expect(await put([])).toMatchObject({ effect: 'allow', action: 's3:PutObject' })
    expect(await write('reader', 'new/k', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyArn })).toBe(
      'AccessDenied',
    )
    const refused = { effect: 'deny', action: 'kms:GenerateDataKey', statement: { sid: 'NotReader' } }
    expect(await put(said)).toMatchObject(refused)
    const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: keyArn } as const
    const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault }]
    const ServerSideEncryptionConfiguration = { Rules }
    await s3.send(new PutBucketEncryptionCommand({ Bucket: bucket, ServerSideEncryptionConfiguration }))
    expect(await write('reader', 'new/k')).toBe('AccessDenied')
    expect(await put([])).toMatchObject(refused)
    await s3.send(new DeleteBucketEncryptionCommand({ Bucket: bucket }))
  })

  it('of the source of a copy or a rename, and of an upload in parts, whose keys are asked too', async () => {
    const Condition = { StringLike: { 's3:x-amz-copy-source': `${bucket}/*` } }
    await addUser('writer', [
      { ...allow(['s3:PutObject'], '*'), Sid: 'Put' },
      allow(['s3:GetObject'], objects('sealed/*')),
      allow(['s3:GetObject'], objects('own/*')),
      allow(['s3:DeleteObject'], objects('own/*')),
      allow(['kms:GenerateDataKey'], '*'),
      { ...allow(['s3:PutObject'], objects('denied/*')), Sid: 'NoCopies', Effect: 'Deny', Condition },
    ])
    const { s3: writer } = clientsOf('writer')
    const asked = (Key: string, ...more: string[]) => explain('writer', 's3:PutObject', objects(Key), 'root', more)
    const copy = (source: string, Key = 'new/copy') =>
      outcomeOf(writer.send(new CopyObjectCommand({ Bucket: bucket, Key, CopySource: `${bucket}/${source}` })))
    const from = (source: string) => ['--copy-source', objects(source)]
    expect(await copy('own/k')).toBe('done')
    expect(await asked('new/copy', ...from('own/k'))).toMatchObject({ effect: 'allow', action: 's3:PutObject' })
    expect(await copy('shared/k')).toBe('AccessDenied')
    const unread = { effect: 'deny', action: 's3:GetObject', reason: 'no-identity-policy' }
    expect(await asked('new/copy', ...from('shared/k'))).toMatchObject(unread)
    expect(await copy('sealed/k')).toBe('AccessDenied')
    const unopened = { effect: 'deny', action: 'kms:Decrypt', reason: 'no-identity-policy' }
    expect(await asked('new/copy', ...from('sealed/k'))).toMatchObject(unopened)
    expect(await copy('own/k', 'denied/copy')).toBe('AccessDenied')
    const byCondition = { effect: 'deny', statement: { sid: 'NoCopies' } }
    expect(await asked('denied/copy', ...from('own/k'))).toMatchObject(byCondition)

    const rename = (source: string, Key: string) =>
      outcomeOf(writer.send(new RenameObjectCommand({ Bucket: bucket, Key, RenameSource: `${bucket}/${source}` })))
    expect(await rename('sealed/k', 'new/k')).toBe('AccessDenied')
    const renamed = (source: string) => asked('new/k', '--rename-source', objects(source))
    expect(await renamed('sealed/k')).toMatchObject({ effect: 'deny', action: 's3:DeleteObject' })

    const sse = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: otherArn } as const
    const said = ['', '-aws-kms-key-id'].flatMap((name, index) => [
      ...['--context', `s3:x-amz-server-side-encryption${name}=${index === 0 ? 'aws:kms' : otherArn}`],
    ])
    expect(await write('writer', 'new/k', sse)).toBe('done')
    expect(await asked('new/k', ...said)).toMatchObject({
      effect: 'allow',
      policies: expect.arrayContaining([otherArn]),
    })
    const made = await writer.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'new/k', ...sse }))
    const part = { Bucket: bucket, Key: 'new/k', UploadId: made.UploadId, PartNumber: 1, Body: 'x' }
    expect(await outcomeOf(writer.send(new UploadPartCommand(part)))).toBe('AccessDenied')
    expect(await asked('new/k', ...said, '--in-parts')).toMatchObject(unopened)
  })

  it('of whose a bucket is expected to be, and of who pays', async () => {
    const Bucket = bare
    const Principal = { AWS: guest.accountId }
    const Policy = policy({ ...allow(GET, objects('*', Bucket)), Principal })
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    const asked = (...more: string[]) => explain('both', 's3:GetObject', objects('k', Bucket), 'guest', more)
    const get = (more: object = {}) =>
      outcomeOf(clientsOf('both').s3.send(new GetObjectCommand({ Bucket, Key: 'k', ...more })))
    expect(await get({ ExpectedBucketOwner: guest.accountId })).toBe('AccessDenied')
    const otherOwner = { effect: 'deny', reason: 'other-bucket-owner' }
    expect(await asked('--expected-bucket-owner', guest.accountId)).toMatchObject(otherOwner)
    const RequestPaymentConfiguration = { Payer: 'Requester' } as const
    await s3.send(new PutBucketRequestPaymentCommand({ Bucket, RequestPaymentConfiguration }))
    expect(await get()).toBe('AccessDenied')
    expect(await asked()).toMatchObject({ effect: 'deny', reason: 'requester-pays' })
    expect(await get({ RequestPayer: 'requester', ExpectedBucketOwner: owner })).toBe('done')
    expect(await asked('--requester-pays', '--expected-bucket-owner', owner)).toMatchObject({ effect: 'allow' })
    await s3.send(new DeleteBucketPolicyCommand({ Bucket }))
  })

  it('of an alias, and of the keys that get or lose it', async () => {
    const alias = (name: string) => `arn:aws:kms:us-east-1:${owner}:alias/${name}`
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/kept', TargetKeyId: otherKey }))
    await addUser('namer', [
      allow(['kms:CreateAlias', 'kms:DeleteAlias'], alias('*')),
      allow(['kms:CreateAlias'], otherArn),
    ])
    const create = (AliasName: string, TargetKeyId: string) =>
      outcomeOf(clientsOf('namer').kms.send(new CreateAliasCommand({ AliasName, TargetKeyId })))
    const asked = (action: string, name: string, ...more: string[]) =>
      explain('namer', action, alias(name), 'root', more)
    expect(await create('alias/one', otherKey)).toBe('done')
    expect(await asked('kms:CreateAlias', 'two', '--target-key', otherKey)).toMatchObject({ effect: 'allow' })
    expect(await create('alias/two', key)).toBe('AccessDeniedException')
    const refused = { effect: 'deny', resource: keyArn }
    expect(await asked('kms:CreateAlias', 'two', '--target-key', key)).toMatchObject(refused)
    const remove = clientsOf('namer').kms.send(new DeleteAliasCommand({ AliasName: 'alias/kept' }))
    expect(await outcomeOf(remove)).toBe('AccessDeniedException')
    expect(await asked('kms:DeleteAlias', 'kept')).toMatchObject({ effect: 'deny', resource: otherArn })
  })

  it('of a role: whether it may be taken, by its trust policy too', async () => {
    const RoleArn = `arn:aws:iam::${owner}:role/team/taken`
    const Condition = { StringEquals: { 'sts:ExternalId': 'x-1' } }
    const Principal = { AWS: `arn:aws:iam::${owner}:user/reader` }
    const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole', Condition })
    await iam(server, 'CreateRole', { RoleName: 'taken', Path: '/team/', AssumeRolePolicyDocument })
    const assume = async (name: string, more: Record<string, string> = {}) =>
      (await callSts(server, 'AssumeRole', { RoleArn, RoleSessionName: 'job', ...more }, keys[name])).status
    const asked = (name: string, ...more: string[]) => explain(name, 'sts:AssumeRole', RoleArn, 'root', more)
    expect(await assume('reader', { ExternalId: 'x-1' })).toBe(200)
    const met = await asked('reader', '--context', 'sts:ExternalId=x-1')
    expect(met).toMatchObject({ effect: 'allow', statement: { policyId: 'role/taken/trust' } })
    expect(await assume('reader')).toBe(403)
    expect(await asked('reader')).toMatchObject({ effect: 'deny', valuesMissing: ['sts:externalid'] })
    expect(await assume('bounded', { ExternalId: 'x-1' })).toBe(403)
    expect(await asked('bounded', '--context', 'sts:ExternalId=x-1')).toMatchObject({ effect: 'deny' })
    const nowhere = ['iam', 'explain', '--user', 'reader', '--action', 'sts:AssumeRole', '--resource']
    const absent = await coffer([...nowhere, RoleArn.replace('team', 'other')], server.env)
    expect(absent.stderr).toContain('[COFFER_NOT_EXPLAINED]')
  })

  it('of a policy that is passed with a session', async () => {
    const Principal = { AWS: `arn:aws:iam::${owner}:user/reader` }
    const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' })
    const named = { RoleName: 'held', AssumeRolePolicyDocument }
    const RoleArn = (await iam(server, 'CreateRole', named)).text('Arn')
    const PolicyDocument = policy(allow(GET, '*'))
    await iam(server, 'PutRolePolicy', { RoleName: 'held', PolicyName: 'own', PolicyDocument })
    const Policy = policy(allow(GET, objects('named/*')))
    const parameters = { RoleArn, RoleSessionName: 'job', Policy }
    keys.held = sessionIn(await callSts(server, 'AssumeRole', parameters, keys.reader))
    const path = join(temporaryDirectory('explain'), 'session.json')
    writeFileSync(path, Policy)
    const asked = (objectKey: string, file = path) => [
      ...['iam', 'explain', '--role', 'held', '--action', 's3:GetObject', '--resource', objects(objectKey)],
      ...['--session-policy', file],
    ]
    expect(await read('held', 'named/k')).toBe('done')
    expect(await cofferJson(server, asked('named/k'))).toMatchObject({
      effect: 'allow',
      policies: ['role/held/own', path, `bucket/${bucket}`],
    })
    expect(await read('held', 'own/k')).toBe('AccessDenied')
    expect(await cofferJson(server, asked('own/k'))).toMatchObject({ effect: 'deny', reason: 'not-in-session-policy' })
    writeFileSync(`${path}.bad`, '{"Statement": [')
    expect((await coffer(asked('own/k', `${path}.bad`), server.env)).stderr).toContain('[COFFER_NOT_EXPLAINED]')
  })
})

it('says so where a bucket has no policy, or is not there', async () => {
  const args = ['iam', 'explain', '--user', 'reader', '--action', 's3:GetObject', '--resource']
  const none = await coffer([...args, objects('k', bare)], server.env)
  expect(none.stdout, none.stderr).toContain('The bucket has no policy.')
  const absent = await coffer([...args, objects('k', 'not-there-at-all')], server.env)
  expect(absent.stdout, absent.stderr).toContain('There is no such bucket')
})

it('refuses what no request could ask', async () => {
  const args = ['iam', 'explain', '--user', 'reader', '--action']
  for (const [action = '', resource = ''] of [
    ['s3:GetObject', '*'],
    ['s3:GetObject', otherArn],
    ['kms:Decrypt', 'arn:aws:kms:nowhere:1:key/x'],
    ['kms:RetireGrant', otherArn],
  ]) {
    const { code, stderr } = await coffer([...args, action, '--resource', resource], server.env)
    expect(stderr).toContain('[COFFER_NOT_EXPLAINED]')
    expect(code).toBe(1)
  }
})
