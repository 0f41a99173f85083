import {
  CreateGrantCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  GetKeyPolicyCommand,
  ListGrantsCommand,
  ListRetirableGrantsCommand,
  PutKeyPolicyCommand,
  RetireGrantCommand,
} from '@aws-sdk/client-kms'
import {
  GetBucketPolicyCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { kmsClient } from '../kms-api/kms-client.ts'
import { callIam, callSts, iam, newUser, policy, type SessionKeys, sessionIn } from './query-api.ts'

// One worker: what was changed is in force at once.
const server = await serverForSuite({ workers: 1 })
const [s3, kms] = [s3Client(server), kmsClient(server)]
const of = (keys: SessionKeys) => ({ s3: s3Client({ ...server, ...keys }), kms: kmsClient({ ...server, ...keys }) })
const outcomeOf = (done: Promise<unknown>) =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )

let account = ''
let bucket = ''
const userArn = (name: string) => `arn:aws:iam::${account}:user/${name}`
const roleArn = (name: string) => `arn:aws:iam::${account}:role/${name}`
const idOf = async (name: string) => (await iam(server, 'GetUser', { UserName: name })).text('UserId')

const remakeUser = async (name: string, keys: SessionKeys): Promise<SessionKeys> => {
  await iam(server, 'DeleteAccessKey', { UserName: name, AccessKeyId: keys.accessKeyId })
  await iam(server, 'DeleteUser', { UserName: name })
  return newUser(server, name)
}
const trustOfAccount = () => policy({ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' })
const newRole = async (name: string, trust = trustOfAccount()) =>
  (await iam(server, 'CreateRole', { RoleName: name, AssumeRolePolicyDocument: trust })).text('RoleId')
const assume = (role: string, keys: SessionKeys, RoleSessionName = 'job') =>
  callSts(server, 'AssumeRole', { RoleArn: roleArn(role), RoleSessionName }, keys)
const putPolicy = (...AWS: string[]) =>
  s3.send(
    new PutBucketPolicyCommand({
      Bucket: bucket,
      Policy: policy({
        Effect: 'Allow',
        Principal: { AWS },
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${bucket}/*`,
      }),
    }),
  )
const shownNames = async (): Promise<unknown> => {
  const { Policy = '' } = await s3.send(new GetBucketPolicyCommand({ Bucket: bucket }))
  return JSON.parse(Policy).Statement[0].Principal.AWS
}
const read = (keys: SessionKeys) => outcomeOf(of(keys).s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))

/** May take every role that lets the account. */
let taker: SessionKeys

beforeAll(async () => {
  account = (await callSts(server, 'GetCallerIdentity')).text('Account')
  bucket = await newBucket(s3)
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'one' }))
  taker = await newUser(server, 'taker')
  const PolicyDocument = policy({ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' })
  await iam(server, 'PutUserPolicy', { UserName: 'taker', PolicyName: 'own', PolicyDocument })
})

describe('a bucket policy', () => {
  it('does not let in who was given the name of a user that it let in', async () => {
    const first = await newUser(server, 'ann')
    const firstId = await idOf('ann')
    await putPolicy(userArn('ann'), account)
    expect(await read(first)).toBe('done')
    expect(await shownNames()).toEqual([userArn('ann'), account])

    const second = await remakeUser('ann', first)
    expect(await read(second)).toBe('AccessDenied')
    expect(await shownNames()).toEqual([firstId, account])
    // As AWS: what it shows of who is gone can't be put back.
    expect(await outcomeOf(putPolicy(firstId, account))).toBe('MalformedPolicy')

    await putPolicy(userArn('ann'))
    expect(await read(second)).toBe('done')
    expect(await read(first)).toBe('InvalidAccessKeyId')
  })

  it('follows a user who is renamed, and does not let in who takes the old name', async () => {
    const keys = await newUser(server, 'cleo')
    await putPolicy(await idOf('cleo'))
    expect(await shownNames()).toEqual([userArn('cleo')])
    await iam(server, 'UpdateUser', { UserName: 'cleo', NewUserName: 'clio', NewPath: '/staff/' })
    const next = await newUser(server, 'cleo')
    expect(await read(keys)).toBe('done')
    expect(await read(next)).toBe('AccessDenied')
    expect(await shownNames()).toEqual([userArn('staff/clio')])
  })

  it('does not let in the sessions of a role that was made again, neither all nor one that it names', async () => {
    const id = await newRole('reader')
    const oneSession = `arn:aws:sts::${account}:assumed-role/reader/job`
    await putPolicy(roleArn('reader'))
    expect(await read(sessionIn(await assume('reader', taker)))).toBe('done')
    await iam(server, 'DeleteRole', { RoleName: 'reader' })
    const newId = await newRole('reader')
    expect(await read(sessionIn(await assume('reader', taker)))).toBe('AccessDenied')
    expect(await shownNames()).toEqual([id])

    await putPolicy(oneSession)
    expect(await read(sessionIn(await assume('reader', taker)))).toBe('done')
    expect(await read(sessionIn(await assume('reader', taker, 'other')))).toBe('AccessDenied')
    expect(await shownNames()).toEqual([oneSession])
    await iam(server, 'DeleteRole', { RoleName: 'reader' })
    await newRole('reader')
    expect(await read(sessionIn(await assume('reader', taker)))).toBe('AccessDenied')
    expect(await shownNames()).toEqual([`${newId}:job`])
  })

  it('does not let in federated users of a user who was made again', async () => {
    const federate = async (keys: SessionKeys) => {
      const PolicyDocument = policy({ Effect: 'Allow', Action: ['s3:*', 'sts:*'], Resource: '*' })
      await iam(server, 'PutUserPolicy', { UserName: 'fred', PolicyName: 'own', PolicyDocument })
      const Policy = policy({ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' })
      const given = sessionIn(await callSts(server, 'GetFederationToken', { Name: 'guest', Policy }, keys))
      await iam(server, 'DeleteUserPolicy', { UserName: 'fred', PolicyName: 'own' })
      return given
    }
    const first = await newUser(server, 'fred')
    await putPolicy(userArn('fred'))
    expect(await read(await federate(first))).toBe('done')
    const second = await remakeUser('fred', first)
    expect(await read(await federate(second))).toBe('AccessDenied')
    await putPolicy(`arn:aws:sts::${account}:federated-user/guest`)
    expect(await read(await federate(second))).toBe('done')
  })

  it('names only who is there: users, roles, sessions, accounts, each as it is written', async () => {
    await newUser(server, 'dora')
    await newRole('there')
    const { account: guest } = await cofferJson<{ account: { accountId: string; canonicalId: string } }>(server, [
      'account',
      'create',
      'guest',
    ])
    const { Owner } = await s3.send(new ListBucketsCommand({}))
    const known = [
      account,
      guest.accountId,
      `arn:aws:iam::${guest.accountId}:root`,
      userArn('dora'),
      `arn:aws:sts::${account}:assumed-role/there/any-name`,
      `arn:aws:sts::${account}:federated-user/anybody`,
    ]
    for (const name of known) expect([name, await outcomeOf(putPolicy(name))]).toEqual([name, 'done'])
    const nobody = [
      '000000000000',
      'arn:aws:iam::000000000000:root',
      'arn:aws:iam::000000000000:user/dora',
      userArn('nobody'),
      userArn('Dora'),
      userArn('path/dora'),
      roleArn('dora'),
      roleArn('nobody'),
      `arn:aws:sts::${account}:assumed-role/nobody/job`,
      `arn:aws:sts::${account}:assumed-role/there/a/b`,
      `arn:aws:sts::${account}:assumed-role/there`,
      `arn:aws:iam::${account}:assumed-role/there/job`,
      `arn:aws:sts::000000000000:federated-user/anybody`,
      `AIDA${'A'.repeat(17)}`,
      `AROA${'A'.repeat(17)}:job`,
      `${await idOf('dora')}:job`,
    ]
    for (const name of nobody) {
      expect([name, await outcomeOf(putPolicy(account, name))]).toEqual([name, 'MalformedPolicy'])
    }
    const byCanonicalId = (CanonicalUser: string) => {
      const Principal = { CanonicalUser }
      const Policy = policy({
        Effect: 'Allow',
        Principal,
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${bucket}/*`,
      })
      return outcomeOf(s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy })))
    }
    expect(await byCanonicalId(Owner?.ID ?? '')).toBe('done')
    expect(await byCanonicalId('0'.repeat(64))).toBe('MalformedPolicy')
  })
})

describe('a trust policy', () => {
  it('does not let a user or role take a role who was given the name of one that may', async () => {
    const first = await newUser(server, 'eve')
    const firstId = await idOf('eve')
    const names = [userArn('eve'), roleArn('middle')]
    const middleId = await newRole('middle')
    await newRole('trusting', policy({ Effect: 'Allow', Principal: { AWS: names }, Action: 'sts:AssumeRole' }))
    const byMiddle = async () => assume('trusting', sessionIn(await assume('middle', taker)))
    const allowAll = () =>
      iam(server, 'PutRolePolicy', {
        RoleName: 'middle',
        PolicyName: 'own',
        PolicyDocument: policy({ Effect: 'Allow', Action: 'sts:*', Resource: '*' }),
      })
    await allowAll()
    const trusted = async () => {
      const got = await iam(server, 'GetRole', { RoleName: 'trusting' })
      return JSON.parse(decodeURIComponent(got.text('AssumeRolePolicyDocument'))).Statement[0].Principal.AWS
    }
    expect((await assume('trusting', first)).status).toBe(200)
    expect((await byMiddle()).status).toBe(200)
    expect(await trusted()).toEqual(names)

    const second = await remakeUser('eve', first)
    await iam(server, 'DeleteRolePolicy', { RoleName: 'middle', PolicyName: 'own' })
    await iam(server, 'DeleteRole', { RoleName: 'middle' })
    await newRole('middle')
    await allowAll()
    expect((await assume('trusting', second)).code).toBe('AccessDenied')
    expect((await byMiddle()).code).toBe('AccessDenied')
    expect(await trusted()).toEqual([firstId, middleId])

    const PolicyDocument = policy({ Effect: 'Allow', Principal: { AWS: userArn('eve') }, Action: 'sts:AssumeRole' })
    await iam(server, 'UpdateAssumeRolePolicy', { RoleName: 'trusting', PolicyDocument })
    expect((await assume('trusting', second)).status).toBe(200)
  })

  it('names only who is there, a new role not itself', async () => {
    const naming = (AWS: string) => policy({ Effect: 'Allow', Principal: { AWS }, Action: 'sts:AssumeRole' })
    for (const name of [userArn('nobody'), roleArn('self'), '000000000000', `AIDA${'A'.repeat(17)}`]) {
      const made = await callIam(server, 'CreateRole', { RoleName: 'self', AssumeRolePolicyDocument: naming(name) })
      expect([name, made.status, made.code]).toEqual([name, 400, 'MalformedPolicyDocument'])
      expect(made.body).toContain('Invalid principal in policy')
    }
    await newRole('self')
    await iam(server, 'UpdateAssumeRolePolicy', { RoleName: 'self', PolicyDocument: naming(roleArn('self')) })
  })
})

describe('a master key', () => {
  const describes = (keys: SessionKeys, KeyId: string) =>
    outcomeOf(of(keys).kms.send(new DescribeKeyCommand({ KeyId })))
  const newKeyId = async () => (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''

  it('is not for who was given the name of a user that its policy names', async () => {
    const KeyId = await newKeyId()
    const first = await newUser(server, 'gus')
    const firstId = await idOf('gus')
    const put = (AWS: string) =>
      kms.send(
        new PutKeyPolicyCommand({
          KeyId,
          Policy: policy(
            { Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*', Resource: '*' },
            { Effect: 'Allow', Principal: { AWS }, Action: 'kms:DescribeKey', Resource: '*' },
          ),
        }),
      )
    await put(userArn('gus'))
    expect(await describes(first, KeyId)).toBe('done')
    const second = await remakeUser('gus', first)
    expect(await describes(second, KeyId)).toBe('AccessDeniedException')
    const { Policy = '' } = await kms.send(new GetKeyPolicyCommand({ KeyId }))
    expect(JSON.parse(Policy).Statement[1].Principal.AWS).toBe(firstId)
    for (const name of [firstId, userArn('nobody'), '000000000000']) {
      expect(await failureOf(put(name))).toMatchObject({ code: 'MalformedPolicyDocumentException' })
      const Policy = policy({ Effect: 'Allow', Principal: { AWS: [account, name] }, Action: 'kms:*', Resource: '*' })
      expect(await outcomeOf(kms.send(new CreateKeyCommand({ Policy })))).toBe('MalformedPolicyDocumentException')
    }
    await put(userArn('gus'))
    expect(await describes(second, KeyId)).toBe('done')
  })

  it('is not for who was given the name of a grantee, nor are grants theirs to retire', async () => {
    const KeyId = await newKeyId()
    const [first, firstClerk] = [await newUser(server, 'hal'), await newUser(server, 'clerk')]
    const [firstId, clerkId] = [await idOf('hal'), await idOf('clerk')]
    const grant = () =>
      kms.send(
        new CreateGrantCommand({
          KeyId,
          GranteePrincipal: userArn('hal'),
          RetiringPrincipal: userArn('clerk'),
          Operations: ['DescribeKey'],
          Name: 'one',
        }),
      )
    const { GrantId, GrantToken } = await grant()
    expect(await describes(first, KeyId)).toBe('done')
    const retire = (keys: SessionKeys, token = GrantToken) =>
      outcomeOf(of(keys).kms.send(new RetireGrantCommand({ GrantToken: token })))
    const listed = async (more: object = {}) => (await kms.send(new ListGrantsCommand({ KeyId, ...more }))).Grants ?? []
    const retirable = async () =>
      (await kms.send(new ListRetirableGrantsCommand({ RetiringPrincipal: userArn('clerk') }))).Grants ?? []
    expect(await listed({ GranteePrincipal: userArn('hal') })).toHaveLength(1)
    expect(await retirable()).toHaveLength(1)

    const [second, secondClerk] = [await remakeUser('hal', first), await remakeUser('clerk', firstClerk)]
    expect(await describes(second, KeyId)).toBe('AccessDeniedException')
    const byToken = new DescribeKeyCommand({ KeyId, GrantTokens: [GrantToken ?? ''] })
    expect(await outcomeOf(of(second).kms.send(byToken))).toBe('AccessDeniedException')
    expect(await retire(secondClerk)).toBe('AccessDeniedException')
    expect(await listed()).toMatchObject([{ GrantId, GranteePrincipal: firstId, RetiringPrincipal: clerkId }])
    expect(await listed({ GranteePrincipal: userArn('hal') })).toEqual([])
    expect(await listed({ GranteePrincipal: firstId })).toHaveLength(1)
    expect(await retirable()).toEqual([])

    // The same request is for somebody else now, and so another grant, whatever its name.
    const next = await grant()
    expect(next.GrantId).not.toBe(GrantId)
    expect(await describes(second, KeyId)).toBe('done')
    expect(await retire(secondClerk, next.GrantToken)).toBe('done')
  })
})
