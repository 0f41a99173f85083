import { GetBucketTaggingCommand, PutBucketPolicyCommand, PutBucketTaggingCommand } from '@aws-sdk/client-s3'
import {
  GetPublicAccessBlockCommand,
  ListAccessPointsCommand,
  ListTagsForResourceCommand,
  type Tag,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-s3-control'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { type ClientTarget, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { s3ControlClient } from './control-client.ts'

interface Created {
  readonly account: { readonly accountId: string }
  readonly accessKey: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

const server = await serverForSuite()
const s3 = s3Client(server)
const control = s3ControlClient(server)
let AccountId = ''
let neighbour: ClientTarget & { readonly accountId: string }

beforeAll(async () => {
  const accounts = await cofferJson<{ name: string; accountId: string }[]>(server, ['account', 'list'])
  AccountId = accounts.find(({ name }) => name === 'root')?.accountId ?? ''
  const created = await cofferJson<Created>(server, ['account', 'create', 'neighbour'])
  neighbour = { ...server, ...created.accessKey, accountId: created.account.accountId }
})

const arnOf = (bucket: string) => `arn:aws:s3:::${bucket}`
const list = async (ResourceArn: string, client = control, account = AccountId) =>
  (await client.send(new ListTagsForResourceCommand({ AccountId: account, ResourceArn }))).Tags
const tag = (ResourceArn: string, Tags: Tag[], client = control, account = AccountId) =>
  client.send(new TagResourceCommand({ AccountId: account, ResourceArn, Tags }))
const untag = (ResourceArn: string, TagKeys: string[], client = control, account = AccountId) =>
  client.send(new UntagResourceCommand({ AccountId: account, ResourceArn, TagKeys }))
const tagsOf = (entries: Readonly<Record<string, string>>): Tag[] =>
  Object.entries(entries).map(([Key, Value]) => ({ Key, Value }))

describe('the tags of a bucket by the S3 Control API', () => {
  it('are added, changed and removed one by one, and are those of PutBucketTagging', async () => {
    const Bucket = await newBucket(s3)
    const arn = arnOf(Bucket)
    expect(await list(arn)).toEqual([])
    expect((await tag(arn, tagsOf({ team: 'payments', 'a b/c+d': 'straße 東京' }))).$metadata.httpStatusCode).toBe(204)
    await tag(arn, tagsOf({ team: 'ledger', stage: '' }))
    const expected = tagsOf({ 'a b/c+d': 'straße 東京', stage: '', team: 'ledger' })
    expect(await list(arn)).toEqual(expected)
    expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(expected)
    expect((await untag(arn, ['a b/c+d', 'stage', 'never'])).$metadata.httpStatusCode).toBe(204)
    expect(await list(arn)).toEqual(tagsOf({ team: 'ledger' }))
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: tagsOf({ whole: 'new' }) } }))
    expect(await list(arn)).toEqual(tagsOf({ whole: 'new' }))
    await untag(arn, ['whole'])
    expect(await list(arn)).toEqual([])
    expect((await failureOf(s3.send(new GetBucketTaggingCommand({ Bucket })))).code).toBe('NoSuchTagSet')
  })

  it('are none of them lost when many add theirs at once', async () => {
    const arn = arnOf(await newBucket(s3))
    await Promise.all(Array.from({ length: 12 }, (_, index) => tag(arn, tagsOf({ [`k${index}`]: 'v' }))))
    expect((await list(arn))?.length).toBe(12)
  })

  it('are 50 at most, also together with those that are there', async () => {
    const arn = arnOf(await newBucket(s3))
    const many = (from: number, count: number) =>
      tagsOf(Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${from + index}`, 'v'])))
    await tag(arn, many(0, 49))
    expect(await failureOf(tag(arn, many(49, 2)))).toEqual({ code: 'BadRequest', status: 400 })
    expect((await list(arn))?.length).toBe(49)
    await tag(arn, many(40, 10))
    expect((await list(arn))?.length).toBe(50)
  })

  it('are refused where AWS refuses them, and nothing changes', async () => {
    const arn = arnOf(await newBucket(s3))
    await tag(arn, tagsOf({ kept: 'yes' }))
    for (const bad of [
      [...tagsOf({ a: '1' }), ...tagsOf({ a: '2' })],
      tagsOf({ 'aws:x': '' }),
      tagsOf({ 'k<': '' }),
      tagsOf({ k: 'v'.repeat(257) }),
    ]) {
      expect(await failureOf(tag(arn, bad))).toEqual({ code: 'InvalidTag', status: 400 })
    }
    expect(await failureOf(untag(arn, []))).toEqual({ code: 'InvalidRequest', status: 400 })
    const path = `/v20180820/tags/${encodeURIComponent(arn)}`
    const headers = { 'x-amz-account-id': AccountId }
    const malformed = { method: 'POST', path, headers, body: '<TagResourceRequest><Tag/></TagResourceRequest>' }
    expect(await sendSigned(server, malformed)).toMatchObject({ status: 400, code: 'MalformedXML' })
    expect(await sendSigned(server, { method: 'PUT', path, headers })).toMatchObject({ status: 405 })
    expect(await list(arn)).toEqual(tagsOf({ kept: 'yes' }))
  })

  it('are of no resource that is not there, or is none', async () => {
    const absent = { code: 'NoSuchResource', status: 404 }
    expect(await failureOf(list(arnOf('nobody-made-this-bucket')))).toEqual(absent)
    expect(await failureOf(list(`arn:aws:s3:us-east-1:${AccountId}:accesspoint/here`))).toEqual(absent)
    expect(await failureOf(list(`${arnOf(await newBucket(s3))}/key`))).toEqual(absent)
    for (const arn of ['papers', 'arn:aws:iam::111122223333:user/a']) {
      expect(await failureOf(list(arn))).toEqual({ code: 'InvalidRequest', status: 400 })
    }
    const path = '/v20180820/tags/%E0%A4%A'
    const headers = { 'x-amz-account-id': AccountId }
    expect(await send(server, { method: 'GET', path, headers })).toMatchObject({ status: 400, code: 'InvalidURI' })
  })

  it("are nobody else's to read or change, whichever account is named", async () => {
    const arn = arnOf(await newBucket(s3))
    await tag(arn, tagsOf({ kept: 'yes' }))
    const denied = { code: 'AccessDenied', status: 403 }
    const theirs = s3ControlClient(neighbour)
    for (const account of [AccountId, neighbour.accountId]) {
      expect(await failureOf(list(arn, theirs, account))).toEqual(denied)
      expect(await failureOf(tag(arn, tagsOf({ a: '1' }), theirs, account))).toEqual(denied)
      expect(await failureOf(untag(arn, ['kept'], theirs, account))).toEqual(denied)
    }
    expect(await failureOf(tag(arn, tagsOf({ a: '1' }), control, neighbour.accountId))).toEqual(denied)
    const path = `/v20180820/tags/${encodeURIComponent(arn)}`
    const headers = { 'x-amz-account-id': AccountId }
    expect(await send(server, { method: 'GET', path, headers })).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await list(arn)).toEqual(tagsOf({ kept: 'yes' }))
  })

  it('are shown to whom the bucket policy shows them, and to nobody who may read them by GetBucketTagging', async () => {
    const Bucket = await newBucket(s3)
    const arn = arnOf(Bucket)
    await tag(arn, tagsOf({ team: 'ledger' }))
    const allow = async (action: string) => {
      const Statement = { Effect: 'Allow', Principal: { AWS: neighbour.accountId }, Action: action, Resource: arn }
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
      await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    }
    const theirs = s3ControlClient(neighbour)
    await allow('s3:GetBucketTagging')
    expect((await failureOf(list(arn, theirs))).code).toBe('AccessDenied')
    await allow('s3:ListTagsForResource')
    expect(await list(arn, theirs)).toEqual(tagsOf({ team: 'ledger' }))
    expect((await failureOf(tag(arn, tagsOf({ a: '1' }), theirs))).code).toBe('AccessDenied')
  })
})

describe('errors of the S3 Control API', () => {
  it('say which of its calls there are, where another is made', async () => {
    const points = control.send(new ListAccessPointsCommand({ AccountId }))
    expect(await failureOf(points)).toEqual({ code: 'NotImplemented', status: 501 })
  })

  it('stand in an element of their own, where its SDKs look for them; those of S3 do not', async () => {
    const block = control.send(new GetPublicAccessBlockCommand({ AccountId }))
    expect(await failureOf(block)).toEqual({ code: 'NoSuchPublicAccessBlockConfiguration', status: 404 })
    const path = '/v20180820/configuration/publicAccessBlock'
    const headers = { 'x-amz-account-id': AccountId }
    const { body } = await sendSigned(server, { method: 'GET', path, headers })
    expect(body.toString()).toMatch(/<ErrorResponse [^>]*><Error><Code>NoSuchPublicAccessBlockConfiguration<\/Code>/)
    const plain = await sendSigned(server, { method: 'GET', path })
    expect(plain.body.toString()).toMatch(/<Error><Code>NoSuchBucket<\/Code>/)
    expect(plain.body.toString()).not.toContain('ErrorResponse')
  })
})
