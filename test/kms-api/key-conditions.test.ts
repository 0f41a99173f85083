import {
  CreateAliasCommand,
  CreateKeyCommand,
  type CreateKeyCommandInput,
  DeleteAliasCommand,
  EncryptCommand,
  PutKeyPolicyCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-kms'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callSts, iam, newUser, policy } from '../iam/query-api.ts'
import { kmsClient } from './kms-client.ts'
import { outcomeOf } from './tenants.ts'

/** One worker: what was changed is in force at once. */
const server = await serverForSuite({ workers: 1 })
const root = kmsClient(server)
const bucket = await newBucket(s3Client(server))
const account = (await callSts(server, 'GetCallerIdentity')).text('Account')
const user = { ...server, ...(await newUser(server, 'ann')) }
const [ann, annS3] = [kmsClient(user), s3Client(user)]
const REFUSED = 'AccessDeniedException'
const TEAM = { TagKey: 'Team', TagValue: 'blue' }

let KeyId = ''

const allow = (Action: string | readonly string[], Condition: object = {}) =>
  iam(server, 'PutUserPolicy', {
    ...{ UserName: 'ann', PolicyName: 'own' },
    PolicyDocument: policy(
      { Effect: 'Allow', Action, Resource: '*', Condition },
      { Effect: 'Allow', Action: 's3:*', Resource: '*' },
    ),
  })
const encrypt = (id = KeyId) => outcomeOf(ann.send(new EncryptCommand({ KeyId: id, Plaintext: Buffer.from('p') })))
const put = () => {
  const under = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyId } as const
  return outcomeOf(annS3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x', ...under })))
}
const tag = (...Tags: (typeof TEAM)[]) => root.send(new TagResourceCommand({ KeyId, Tags }))
const alias = (AliasName: string) => root.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId }))
const create = (input: CreateKeyCommandInput) => outcomeOf(ann.send(new CreateKeyCommand(input)))

beforeAll(async () => {
  KeyId = (await root.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''
})

describe('conditions on a master key', () => {
  it('aws:ResourceTag is asked of the key’s tags, by the KMS API and in S3', async () => {
    await allow(['kms:Encrypt', 'kms:GenerateDataKey'], { StringEquals: { 'aws:ResourceTag/team': 'blue' } })
    expect([await encrypt(), await put()]).toEqual([REFUSED, 'AccessDenied'])
    await tag({ ...TEAM, TagValue: 'red' })
    expect([await encrypt(), await put()]).toEqual([REFUSED, 'AccessDenied'])
    await tag(TEAM)
    expect([await encrypt(), await put()]).toEqual(['done', 'done'])
    const arn = `arn:aws:kms:us-east-1:${account}:key/${KeyId}`
    const explained = await cofferJson<{ effect: string }>(server, [
      ...['iam', 'explain', '--user', 'ann', '--action', 'kms:Encrypt', '--resource', arn],
    ])
    expect(explained.effect).toBe('allow')
    await root.send(new UntagResourceCommand({ KeyId, TagKeys: [TEAM.TagKey] }))
    expect([await encrypt(), await put()]).toEqual([REFUSED, 'AccessDenied'])
  })

  it('kms:RequestAlias is the alias that the request names it by', async () => {
    await allow('kms:Encrypt', { StringEquals: { 'kms:RequestAlias': 'alias/app' } })
    for (const name of ['alias/app', 'alias/other']) await alias(name)
    expect(await encrypt('alias/app')).toBe('done')
    expect(await encrypt(`arn:aws:kms:us-east-1:${account}:alias/app`)).toBe('done')
    expect([await encrypt(), await encrypt('alias/other')]).toEqual([REFUSED, REFUSED])
  })

  it('kms:ResourceAliases are all of its aliases, whatever the request names it by', async () => {
    await allow('kms:*', { 'ForAnyValue:StringLike': { 'kms:ResourceAliases': 'alias/team-*' } })
    expect([await encrypt(), await put()]).toEqual([REFUSED, 'AccessDenied'])
    await alias('alias/team-1')
    expect([await encrypt(), await encrypt('alias/other'), await put()]).toEqual(['done', 'done', 'done'])
    await root.send(new DeleteAliasCommand({ AliasName: 'alias/team-1' }))
    expect([await encrypt(), await put()]).toEqual([REFUSED, 'AccessDenied'])
  })

  it('count in the policy of the key as well', async () => {
    const Statement = [
      { Effect: 'Allow', Principal: { AWS: account }, Action: 'kms:*', Resource: '*' },
      {
        ...{ Effect: 'Deny', Principal: '*', Action: 'kms:Encrypt', Resource: '*' },
        Condition: { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/closed' } },
      },
    ]
    await root.send(new PutKeyPolicyCommand({ KeyId, Policy: policy(...Statement) }))
    await allow('kms:*')
    expect(await encrypt()).toBe('done')
    await alias('alias/closed')
    expect(await encrypt()).toBe(REFUSED)
  })
})

describe('CreateKey with tags', () => {
  it('needs kms:TagResource too, and conditions are told of the tags', async () => {
    await allow('kms:CreateKey')
    expect([await create({}), await create({ Tags: [] }), await create({ Tags: [TEAM] })]).toEqual([
      ...['done', 'done', REFUSED],
    ])
    await allow(['kms:CreateKey', 'kms:TagResource'], { StringEquals: { 'aws:RequestTag/Team': 'blue' } })
    expect(await create({ Tags: [TEAM] })).toBe('done')
    expect(await create({ Tags: [{ ...TEAM, TagValue: 'red' }] })).toBe(REFUSED)
    expect(await create({})).toBe(REFUSED)
    await allow(['kms:CreateKey', 'kms:TagResource'], { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['Team'] } })
    expect(await create({ Tags: [TEAM] })).toBe('done')
    expect(await create({ Tags: [TEAM, { TagKey: 'class', TagValue: 'open' }] })).toBe(REFUSED)
  })
})
