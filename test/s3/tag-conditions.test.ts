import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type Tag,
} from '@aws-sdk/client-s3'
import { TagResourceCommand, UntagResourceCommand } from '@aws-sdk/client-s3-control'
import { beforeAll, describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iam, newUser, policy } from '../iam/query-api.ts'
import { s3ControlClient } from './control-client.ts'

const server = await serverForSuite({ workers: 1 })
const root = s3Client(server)
const OBJECT_ACTIONS = ['s3:PutObjectTagging', 's3:PutObjectVersionTagging', 's3:PutObject']
const BUCKET_ACTIONS = ['s3:CreateBucket', 's3:TagResource', 's3:UntagResource']
const outcomeOf = (done: Promise<unknown>) =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )
const tagsOf = (tags: Readonly<Record<string, string>>): Tag[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

/** May give objects and buckets tags, as long as these conditions hold. */
async function tagger(allow: object, deny?: object): Promise<SigningKeys> {
  const UserName = `tagger-${randomBytes(6).toString('hex')}`
  const keys = await newUser(server, UserName)
  const on = { Action: [...OBJECT_ACTIONS, ...BUCKET_ACTIONS], Resource: '*' }
  const statements = [{ Effect: 'Allow', ...on, ...allow }, ...(deny ? [{ Effect: 'Deny', ...on, ...deny }] : [])]
  await iam(server, 'PutUserPolicy', { UserName, PolicyName: 'p', PolicyDocument: policy(...statements) })
  return keys
}

describe('a policy that says which tags a request may give an object', () => {
  let Bucket = ''
  beforeAll(async () => {
    Bucket = await newBucket(root)
    await root.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
  })

  const tag = (keys: SigningKeys, tags: Readonly<Record<string, string>>) => {
    const command = new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet: tagsOf(tags) } })
    return outcomeOf(s3Client({ ...server, ...keys }).send(command))
  }

  // IAM User Guide, "Example policies": keys of tags that may be used.
  it('looks into the body of PutObjectTagging for their keys', async () => {
    const Condition = { 'ForAllValues:StringLike': { 's3:RequestObjectTagKeys': ['Owner', 'Created*'] } }
    const keys = await tagger({ Condition })
    expect(await tag(keys, { Owner: 'me', CreatedAt: 'today' })).toBe('done')
    expect(await tag(keys, { Owner: 'me', classification: 'public' })).toBe('AccessDenied')
    expect(await tag(keys, { classification: 'public' })).toBe('AccessDenied')
  })

  it('and for their values, whether it allows or refuses', async () => {
    const asked = { StringEquals: { 's3:RequestObjectTag/classification': 'public' } }
    const refused = await tagger({}, { Condition: asked })
    expect(await tag(refused, { classification: 'public' })).toBe('AccessDenied')
    expect(await tag(refused, { classification: 'secret' })).toBe('done')
    const allowed = await tagger({ Condition: asked })
    expect(await tag(allowed, { classification: 'public' })).toBe('done')
    expect(await tag(allowed, { classification: 'secret' })).toBe('AccessDenied')
  })

  it('is not told of tags by a header that does nothing', async () => {
    const keys = await tagger({ Condition: { StringEquals: { 's3:RequestObjectTag/classification': 'public' } } })
    const body = '<Tagging><TagSet><Tag><Key>classification</Key><Value>secret</Value></Tag></TagSet></Tagging>'
    const headers = { 'x-amz-tagging': 'classification=public' }
    const put = { method: 'PUT', path: `/${Bucket}/k`, query: { tagging: '' }, headers, body }
    expect(await sendSigned(server, put, { keys })).toMatchObject({ status: 403, code: 'AccessDenied' })
    const { TagSet } = await root.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }))
    expect(TagSet).toEqual([{ Key: 'classification', Value: 'public' }])
    const { UploadId = '' } = await root.send(new CreateMultipartUploadCommand({ Bucket, Key: 'k' }))
    const part = {
      ...{ method: 'PUT', path: `/${Bucket}/k`, headers, body: 'x' },
      query: { partNumber: '1', uploadId: UploadId },
    }
    expect(await sendSigned(server, part, { keys })).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  it('leaves it to the operation to refuse a body that says nothing', async () => {
    const Condition = { 'ForAllValues:StringLike': { 's3:RequestObjectTagKeys': ['Owner'] } }
    const keys = await tagger({ Condition })
    const put = { method: 'PUT', path: `/${Bucket}/k`, query: { tagging: '' } }
    const twice = '<Tag><Key>classification</Key><Value>v</Value></Tag>'.repeat(2)
    for (const body of ['<Tagging>', `<Tagging><TagSet>${twice}</TagSet></Tagging>`, ' '.repeat(70_000)]) {
      expect(await sendSigned(server, { ...put, body }, { keys })).toMatchObject({ status: 400 })
    }
  })
})

// S3 User Guide, "Using tags with S3 general purpose buckets".
describe('a policy that says which tags a request may give a bucket', () => {
  const account = async () => (await iam(server, 'GetUser')).text('Arn').split(':')[4]
  const named = () => `b-${randomBytes(8).toString('hex')}`
  const create = (keys: SigningKeys, tags?: Readonly<Record<string, string>>) =>
    outcomeOf(
      s3Client({ ...server, ...keys }).send(
        new CreateBucketCommand({
          Bucket: named(),
          ...(tags && { CreateBucketConfiguration: { Tags: tagsOf(tags) } }),
        }),
      ),
    )

  it('looks into the bodies of TagResource and CreateBucket, and at what UntagResource takes away', async () => {
    const to = { AccountId: await account(), ResourceArn: `arn:aws:s3:::${await newBucket(root)}` }
    const keys = await tagger({ Condition: { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['team'] } } })
    const control = s3ControlClient({ ...server, ...keys })
    const give = (tags: Readonly<Record<string, string>>) =>
      outcomeOf(control.send(new TagResourceCommand({ ...to, Tags: tagsOf(tags) })))
    expect(await give({ team: 'a' })).toBe('done')
    expect(await give({ team: 'a', owner: 'me' })).toBe('AccessDenied')
    const take = (...TagKeys: string[]) => outcomeOf(control.send(new UntagResourceCommand({ ...to, TagKeys })))
    expect(await take('team', 'owner')).toBe('AccessDenied')
    expect(await take('team')).toBe('done')
    expect(await create(keys, { owner: 'me' })).toBe('AccessDenied')
    expect(await create(keys, { team: 'a' })).toBe('done')
    expect(await create(keys)).toBe('done')
  })

  it('knows their values too', async () => {
    const keys = await tagger({ Condition: { StringEquals: { 'aws:RequestTag/team': 'a' } } })
    expect(await create(keys, { team: 'a' })).toBe('done')
    expect(await create(keys, { team: 'b' })).toBe('AccessDenied')
    expect(await create(keys)).toBe('AccessDenied')
  })
})
