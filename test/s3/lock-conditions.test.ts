import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iam, newUser, policy } from '../iam/query-api.ts'

const server = await serverForSuite({ workers: 1 })
const root = s3Client(server)
const DAY_MS = 86_400_000
const inDays = (days: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * DAY_MS)
const outcomeOf = (done: Promise<unknown>) =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )

async function lockBucket(...statements: object[]): Promise<string> {
  const Bucket = `b-${randomBytes(8).toString('hex')}`
  await root.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  await root.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'kept' }))
  const Resource = [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`]
  const Policy = policy(...statements.map((one) => ({ Effect: 'Deny', Principal: '*', Resource, ...one })))
  await root.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  return Bucket
}

const retain = (Bucket: string, days: number, Mode: 'GOVERNANCE' | 'COMPLIANCE' = 'GOVERNANCE', s3 = root) =>
  outcomeOf(
    s3.send(new PutObjectRetentionCommand({ Bucket, Key: 'k', Retention: { Mode, RetainUntilDate: inDays(days) } })),
  )
const lockFor = (days: number) => ({
  ObjectLockMode: 'GOVERNANCE' as const,
  ObjectLockRetainUntilDate: inDays(days),
})

describe('a policy that limits how long objects are locked', () => {
  let bucket = ''
  beforeAll(async () => {
    const Condition = { NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '10' } }
    bucket = await lockBucket({ Action: ['s3:PutObjectRetention', 's3:PutObject'], Condition })
  })

  it('looks into the body of PutObjectRetention', async () => {
    expect(await retain(bucket, 5)).toBe('done')
    expect(await retain(bucket, 10)).toBe('done')
    expect(await retain(bucket, 11)).toBe('AccessDenied')
  })

  it('looks at the headers of puts, copies and uploads', async () => {
    const to = (Key: string, days: number) => ({ Bucket: bucket, Key, ...lockFor(days) })
    for (const [days, outcome] of [
      [9, 'done'],
      [30, 'AccessDenied'],
    ] as const) {
      expect(await outcomeOf(root.send(new PutObjectCommand({ ...to('put', days), Body: 'x' })))).toBe(outcome)
      const CopySource = `${bucket}/k`
      expect(await outcomeOf(root.send(new CopyObjectCommand({ ...to('copy', days), CopySource })))).toBe(outcome)
      expect(await outcomeOf(root.send(new CreateMultipartUploadCommand(to('parts', days))))).toBe(outcome)
    }
    expect(await outcomeOf(root.send(new PutObjectCommand({ Bucket: bucket, Key: 'free', Body: 'x' })))).toBe('done')
  })

  it('leaves what is wrong in itself to be told as such', async () => {
    const path = `/${bucket}/k`
    const put = (body: string) => sendSigned(server, { method: 'PUT', path, query: { retention: '' }, body })
    expect(await put('<Retention><Mode>GOVERNANCE</Mode></Retention>')).toMatchObject({ code: 'MalformedXML' })
    expect(await put('no document')).toMatchObject({ code: 'MalformedXML' })
  })
})

describe('a policy that asks for a lock', () => {
  it('counts the parts of an upload as the upload', async () => {
    const bucket = await lockBucket({ Action: 's3:PutObject', Condition: { Null: { 's3:object-lock-mode': 'true' } } })
    const Key = 'parts'
    expect(await outcomeOf(root.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' })))).toBe('AccessDenied')
    expect(await outcomeOf(root.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key })))).toBe('AccessDenied')
    const { UploadId } = await root.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key, ...lockFor(1) }))
    const part = { Bucket: bucket, Key, PartNumber: 1, Body: 'part' }
    expect(await outcomeOf(root.send(new UploadPartCommand({ ...part, UploadId })))).toBe('done')
    // Headers of a part say nothing of the object's lock.
    const headers = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': inDays(1).toISOString(),
    }
    const query = { partNumber: '1', uploadId: '0'.repeat(32) }
    const claimed = await sendSigned(server, { method: 'PUT', path: `/${bucket}/${Key}`, query, headers, body: 'part' })
    expect(claimed).toMatchObject({ code: 'AccessDenied' })
  })

  it('can say in which mode, also as the one thing that it allows, and whether a hold may end', async () => {
    const bucket = await lockBucket({
      Action: 's3:PutObjectLegalHold',
      Condition: { StringEquals: { 's3:object-lock-legal-hold': 'OFF' } },
    })
    const keys = await newUser(server, 'keeper')
    const PolicyDocument = policy(
      {
        Effect: 'Allow',
        Action: 's3:PutObjectRetention',
        Resource: '*',
        Condition: { StringEquals: { 's3:object-lock-mode': 'GOVERNANCE' } },
      },
      { Effect: 'Allow', Action: 's3:PutObjectLegalHold', Resource: '*' },
    )
    await iam(server, 'PutUserPolicy', { UserName: 'keeper', PolicyName: 'own', PolicyDocument })
    const keeper = s3Client({ ...server, ...keys })
    expect(await retain(bucket, 1, 'COMPLIANCE', keeper)).toBe('AccessDenied')
    expect(await retain(bucket, 1, 'GOVERNANCE', keeper)).toBe('done')
    const hold = (Status: 'ON' | 'OFF') =>
      outcomeOf(keeper.send(new PutObjectLegalHoldCommand({ Bucket: bucket, Key: 'k', LegalHold: { Status } })))
    expect(await hold('ON')).toBe('done')
    expect(await hold('OFF')).toBe('AccessDenied')
  })
})

describe('policies that ask for the connection and the place', () => {
  it('know the version of TLS', async () => {
    const bucket = await newBucket(root)
    await root.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
    const Condition = { NumericLessThan: { 's3:TlsVersion': '1.3' } }
    const Resource = `arn:aws:s3:::${bucket}/*`
    const Policy = policy({ Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource, Condition })
    await root.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
    expect(await outcomeOf(root.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))).toBe('done')
    const agent = new Agent({ ca: readFileSync(server.caFile), maxVersion: 'TLSv1.2' })
    const older = await sendSigned(server, { method: 'GET', path: `/${bucket}/k`, agent })
    agent.destroy()
    expect(older).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  it('know the region, and where a new bucket is to be', async () => {
    const keys = await newUser(server, 'builder')
    const put = async (Condition: object) => {
      const PolicyDocument = policy({ Effect: 'Allow', Action: 's3:CreateBucket', Resource: '*', Condition })
      await iam(server, 'PutUserPolicy', { UserName: 'builder', PolicyName: 'own', PolicyDocument })
    }
    const create = async (location?: string) => {
      const body =
        location &&
        `<CreateBucketConfiguration><LocationConstraint>${location}</LocationConstraint></CreateBucketConfiguration>`
      const raw = { method: 'PUT', path: `/b-${randomBytes(8).toString('hex')}`, ...(body && { body }) }
      const { status, code } = await sendSigned(server, raw, { keys })
      return status === 200 ? 'done' : code
    }
    await put({ StringEquals: { 'aws:RequestedRegion': 'us-east-1' } })
    expect(await create()).toBe('done')
    await put({ StringEquals: { 'aws:RequestedRegion': 'eu-west-1' } })
    expect(await create()).toBe('AccessDenied')
    await put({ StringEquals: { 's3:LocationConstraint': 'us-east-1' } })
    expect(await create('us-east-1')).toBe('done')
    expect(await create()).toBe('AccessDenied')
    expect(await create('eu-west-1')).toBe('AccessDenied')
  })
})
