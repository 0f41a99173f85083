import {
  DeleteBucketTaggingCommand,
  GetBucketAbacCommand,
  GetBucketTaggingCommand,
  GetObjectCommand,
  PutBucketAbacCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { TagResourceCommand } from '@aws-sdk/client-s3-control'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callSts, iam, newUser, policy } from '../iam/query-api.ts'
import { s3ControlClient } from './control-client.ts'

/*
 * Attribute-based access control (S3 User Guide, "Using tags with S3 general purpose buckets"): PutBucketAbac.
 */

const server = await serverForSuite({ workers: 1 })
const s3 = s3Client(server)
const outcomeOf = (done: Promise<unknown>) =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )
let AccountId = ''
let Bucket = ''
let blue: SigningKeys
const tag = (team: string, keys: SigningKeys = server) =>
  s3ControlClient({ ...server, ...keys }).send(
    new TagResourceCommand({ AccountId, ResourceArn: `arn:aws:s3:::${Bucket}`, Tags: [{ Key: 'team', Value: team }] }),
  )
const abac = (Status: 'Enabled' | 'Disabled', keys: SigningKeys = server) =>
  s3Client({ ...server, ...keys }).send(new PutBucketAbacCommand({ Bucket, AbacStatus: { Status } }))
const read = (keys: SigningKeys) =>
  outcomeOf(s3Client({ ...server, ...keys }).send(new GetObjectCommand({ Bucket, Key: 'k' })))

async function user(UserName: string, ...statements: object[]): Promise<SigningKeys> {
  const keys = await newUser(server, UserName)
  await iam(server, 'PutUserPolicy', { UserName, PolicyName: 'p', PolicyDocument: policy(...statements) })
  return keys
}

beforeAll(async () => {
  AccountId = (await callSts(server, 'GetCallerIdentity')).text('Account')
  Bucket = await newBucket(s3)
  await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
  const Condition = { StringEquals: { 'aws:ResourceTag/team': 'blue' } }
  blue = await user('blue', { Effect: 'Allow', Action: ['s3:GetObject', 's3:TagResource'], Resource: '*', Condition })
})

describe('the tags of a bucket', () => {
  it('say nothing to policies before access by them is on, and then decide, by either name of the key', async () => {
    await tag('blue')
    const status = async () => (await s3.send(new GetBucketAbacCommand({ Bucket }))).AbacStatus?.Status
    expect(await status()).toBe('Disabled')
    expect(await read(blue)).toBe('AccessDenied')
    await abac('Enabled')
    expect(await status()).toBe('Enabled')
    expect(await read(blue)).toBe('done')
    await tag('red')
    expect(await read(blue)).toBe('AccessDenied')
    const statement = { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }
    const red = await user('red', { ...statement, Condition: { StringEquals: { 's3:BucketTag/team': 'red' } } })
    expect(await read(red)).toBe('done')
    await abac('Disabled')
    expect(await read(red)).toBe('AccessDenied')
  })

  it('count in the policy of the bucket, with those of who asks', async () => {
    await abac('Enabled')
    await tag('green')
    const keys = await newUser(server, 'green')
    await iam(server, 'TagUser', { UserName: 'green', 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'green' })
    const statement = {
      ...{
        Effect: 'Allow',
        Principal: { AWS: AccountId },
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the policy language
      Condition: { StringEquals: { 'aws:ResourceTag/team': '${aws:PrincipalTag/team}' } },
    }
    const own = policy({ Effect: 'Allow', Action: 's3:GetObject', Resource: '*', Condition: statement.Condition })
    await iam(server, 'PutUserPolicy', { UserName: 'green', PolicyName: 'p', PolicyDocument: own })
    expect(await read(keys)).toBe('done')
    await tag('red')
    expect(await read(keys)).toBe('AccessDenied')
    const Deny = {
      ...statement,
      Effect: 'Deny',
      Principal: '*',
      Condition: { StringEquals: { 's3:BucketTag/team': 'red' } },
    }
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(Deny) }))
    expect(await read(server)).toBe('AccessDenied')
    await tag('green')
    expect(await read(server)).toBe('done')
  })

  it('that decide are changed by nobody who may only put them all, nor turned on or off without leave', async () => {
    await abac('Enabled')
    await tag('red')
    const statement = { Effect: 'Allow', Action: ['s3:PutBucketTagging', 's3:GetBucketTagging'], Resource: '*' }
    const keys = await user('putter', statement)
    const client = s3Client({ ...server, ...keys })
    const put = new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'team', Value: 'blue' }] } })
    expect(await outcomeOf(client.send(put))).toBe('InvalidRequest')
    expect(await outcomeOf(client.send(new DeleteBucketTaggingCommand({ Bucket })))).toBe('InvalidRequest')
    expect((await client.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual([{ Key: 'team', Value: 'red' }])
    expect(await outcomeOf(abac('Disabled', keys))).toBe('AccessDenied')
    // Who may tag what is blue may not make it so.
    expect(await outcomeOf(tag('blue', blue))).toBe('AccessDenied')
    expect(await read(blue)).toBe('AccessDenied')
  })

  it('are weighed by coffer iam explain', async () => {
    await tag('blue')
    const asked = ['--action', 's3:GetObject', '--resource', `arn:aws:s3:::${Bucket}/k`]
    const explained = await cofferJson<{ effect: string }>(server, ['iam', 'explain', '--user', 'blue', ...asked])
    expect(explained).toMatchObject({ effect: 'allow', valuesMissing: [] })
  })
})
