import {
  CreateBucketCommand,
  DeletePublicAccessBlockCommand,
  PutBucketPolicyCommand,
  PutObjectAclCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { type RawResponse, send, sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const PATH = '/v20180820/configuration/publicAccessBlock'
const SETTINGS = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'] as const
let accountId = ''

beforeAll(async () => {
  const { stdout } = await coffer(['account', 'list', '--json'], server.env)
  const accounts = JSON.parse(stdout) as { name: string; accountId: string }[]
  accountId = accounts.find(({ name }) => name === 'root')?.accountId ?? ''
  expect(accountId).toMatch(/^\d{12}$/)
})

async function control(method: string, body?: string, account = accountId): Promise<RawResponse> {
  const headers = { 'x-amz-account-id': account }
  return await sendSigned(server, { method, path: PATH, headers, ...(body !== undefined && { body }) })
}

/** As SDKs write it. */
function block(on: readonly (typeof SETTINGS)[number][]): string {
  const settings = SETTINGS.map((name) => `<${name}>${on.includes(name)}</${name}>`).join('')
  return `<PublicAccessBlockConfiguration xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/">${settings}</PublicAccessBlockConfiguration>`
}

const policyOf = (bucket: string, Condition: object = {}) => {
  const Resource = `arn:aws:s3:::${bucket}/*`
  const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource, Condition }
  return JSON.stringify({ Version: '2012-10-17', Statement })
}

/** A bucket that says nothing against public access itself. */
async function openBucket(): Promise<string> {
  const bucket = await newBucket(s3)
  await s3.send(new DeletePublicAccessBlockCommand({ Bucket: bucket }))
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'v' }))
  return bucket
}

const readByNobodyKnown = async (bucket: string) => (await send(server, { method: 'GET', path: `/${bucket}/k` })).status

afterEach(async () => {
  expect((await control('DELETE')).status).toBe(204)
})

describe('the public access block of an account', () => {
  it('is absent, set, told and deleted', async () => {
    expect(await control('GET')).toMatchObject({ status: 404, code: 'NoSuchPublicAccessBlockConfiguration' })
    expect((await control('PUT', block(['IgnorePublicAcls', 'BlockPublicPolicy']))).status).toBe(200)
    const told = await control('GET')
    expect(told.status).toBe(200)
    for (const name of SETTINGS) {
      const isOn = name === 'IgnorePublicAcls' || name === 'BlockPublicPolicy'
      expect(told.body.toString()).toContain(`<${name}>${isOn}</${name}>`)
    }
    expect((await control('DELETE')).status).toBe(204)
    expect((await control('GET')).status).toBe(404)
  })

  it('shuts a bucket that is public by its policy, from the next request on, and opens it again', async () => {
    const bucket = await openBucket()
    await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policyOf(bucket) }))
    expect(await readByNobodyKnown(bucket)).toBe(200)
    await control('PUT', block(['RestrictPublicBuckets']))
    expect(await readByNobodyKnown(bucket)).toBe(403)
    await control('DELETE')
    expect(await readByNobodyKnown(bucket)).toBe(200)
  })

  it('is not got round by conditions that everybody meets', async () => {
    const Bucket = await openBucket()
    for (const Condition of [
      // Nobody in particular has no account, and so none that is another.
      { 'ForAllValues:StringEquals': { 'aws:PrincipalAccount': accountId } },
      { StringLike: { 'aws:SourceIp': '*' } },
      { StringEquals: { 'aws:SourceIp': `\${aws:SourceIp}` } },
      { IpAddress: { 'aws:SourceIp': '::ffff:0:0/96' } },
    ]) {
      const put = () => s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policyOf(Bucket, Condition) }))
      await put()
      expect(await readByNobodyKnown(Bucket)).toBe(200)
      await control('PUT', block(['RestrictPublicBuckets', 'BlockPublicPolicy']))
      expect(await readByNobodyKnown(Bucket)).toBe(403)
      expect(await failureOf(put())).toEqual({ code: 'AccessDenied', status: 403 })
      await control('DELETE')
    }
  })

  it('refuses public policies of all buckets', async () => {
    const bucket = await openBucket()
    await control('PUT', block(['BlockPublicPolicy']))
    const put = s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policyOf(bucket) }))
    expect(await failureOf(put)).toEqual({ code: 'AccessDenied', status: 403 })
    expect(await readByNobodyKnown(bucket)).toBe(403)
  })

  it('refuses public lists, or makes them count for nothing', async () => {
    const Bucket = `listed-${Date.now()}`
    await s3.send(new CreateBucketCommand({ Bucket, ObjectOwnership: 'ObjectWriter' }))
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v', ACL: 'public-read' }))
    expect(await readByNobodyKnown(Bucket)).toBe(200)
    await control('PUT', block(['IgnorePublicAcls']))
    expect(await readByNobodyKnown(Bucket)).toBe(403)
    await control('PUT', block(['BlockPublicAcls']))
    expect(await readByNobodyKnown(Bucket)).toBe(200)
    const refused = { code: 'AccessDenied', status: 403 }
    const list = new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'public-read' })
    expect(await failureOf(s3.send(list))).toEqual(refused)
    const put = new PutObjectCommand({ Bucket, Key: 'other', Body: 'v', ACL: 'public-read' })
    expect(await failureOf(s3.send(put))).toEqual(refused)
    const named = { Bucket: `${Bucket}-2`, ObjectOwnership: 'ObjectWriter', ACL: 'public-read' } as const
    expect(await failureOf(s3.send(new CreateBucketCommand(named)))).toEqual(refused)
  })

  it("is nobody else's to read or change, and holds for no other account's buckets", async () => {
    const { stdout } = await coffer(['account', 'create', 'neighbour', '--json'], server.env)
    const { accessKey } = JSON.parse(stdout) as { accessKey: { accessKeyId: string; secretAccessKey: string } }
    const headers = { 'x-amz-account-id': accountId }
    for (const [method, body] of [['GET'], ['PUT', block([])], ['DELETE']] as const) {
      const request = { method, path: PATH, headers, ...(body !== undefined && { body }) }
      expect(await sendSigned({ ...server, ...accessKey }, request)).toMatchObject({
        status: 403,
        code: 'AccessDenied',
      })
      expect(await send(server, request)).toMatchObject({ status: 403, code: 'AccessDenied' })
    }
    const bucket = await openBucket()
    await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policyOf(bucket) }))
    const hers = { 'x-amz-account-id': '000000000000' }
    expect((await control('PUT', block([...SETTINGS]), hers['x-amz-account-id'])).status).toBe(403)
    expect(await readByNobodyKnown(bucket)).toBe(200)
  })

  it('is told from a bucket of that name by its header, and has no other methods', async () => {
    const [bucket = ''] = PATH.slice(1).split('/')
    await newBucket(s3, { name: bucket })
    const Key = PATH.slice(bucket.length + 2)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'an object' }))
    expect((await sendSigned(server, { method: 'GET', path: PATH })).body.toString()).toBe('an object')
    expect(await control('POST', '')).toMatchObject({ status: 405, code: 'MethodNotAllowed' })
    expect(await control('PUT', '<PublicAccessBlockConfiguration>')).toMatchObject({
      status: 400,
      code: 'MalformedXML',
    })
  })
})
