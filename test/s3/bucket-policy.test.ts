import { randomBytes } from 'node:crypto'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketPolicyCommand,
  GetBucketPolicyStatusCommand,
  GetObjectCommand,
  GetPublicAccessBlockCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { send } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const owner = s3Client(server)
const created = await coffer(['account', 'create', 'guest', '--json'], server.env)
const { account, accessKey } = JSON.parse(created.stdout)
const guest = s3Client({ ...server, ...accessKey })
const GUEST = `arn:aws:iam::${account.accountId}:root`
const DENIED = { code: 'AccessDenied', status: 403 }

/** A bucket with `k`, which the policy may make public. */
async function bucketWith(statements: (bucket: string) => object | readonly object[]): Promise<string> {
  const Bucket = await newBucket(owner)
  await owner.send(new DeletePublicAccessBlockCommand({ Bucket }))
  await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', Tagging: 'level=open' }))
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: statements(Bucket) })
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  return Bucket
}

const arn = (bucket: string, key = '') => `arn:aws:s3:::${bucket}${key && `/${key}`}`
const anonymously = async (bucket: string, key: string) =>
  (await send(server, { method: 'GET', path: `/${bucket}/${key}` })).status

describe('a bucket policy', () => {
  it('is given back as it was put, and deleted', async () => {
    const Bucket = await newBucket(owner)
    const statement = { Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: arn(Bucket, 'secret/*') }
    const text = `{ "Version":"2012-10-17",\n "Statement": ${JSON.stringify(statement)} }`
    expect(await failureOf(owner.send(new GetBucketPolicyCommand({ Bucket })))).toMatchObject({
      code: 'NoSuchBucketPolicy',
      status: 404,
    })
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: text }))
    expect((await owner.send(new GetBucketPolicyCommand({ Bucket }))).Policy).toBe(text)
    expect(await failureOf(owner.send(new PutObjectCommand({ Bucket, Key: 'secret/x', Body: 'x' })))).toEqual(DENIED)
    await owner.send(new DeleteBucketPolicyCommand({ Bucket }))
    await owner.send(new PutObjectCommand({ Bucket, Key: 'secret/x', Body: 'x' }))
  })

  it('may have statements of one Sid, which all count', async () => {
    const Bucket = await bucketWith((bucket) => [
      { Sid: 'same', Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: arn(bucket, '*') },
      { Sid: 'same', Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource: arn(bucket, 'hidden') },
    ])
    await owner.send(new PutObjectCommand({ Bucket, Key: 'hidden', Body: 'x' }))
    expect([await anonymously(Bucket, 'k'), await anonymously(Bucket, 'hidden')]).toEqual([200, 403])
  })

  it('that cannot be meant is refused with its reason', async () => {
    const Bucket = await newBucket(owner)
    const statement = { Effect: 'Allow', Principal: { AWS: GUEST }, Action: 's3:GetObject', Resource: arn(Bucket, '*') }
    for (const wrong of [
      { Resource: 'arn:aws:s3:::other/*' },
      { Action: 'ec2:*' },
      { Effect: 'Maybe' },
      { Principal: 'guest' },
    ]) {
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement: { ...statement, ...wrong } })
      const failure = await failureOf(owner.send(new PutBucketPolicyCommand({ Bucket, Policy })))
      expect(failure).toMatchObject({ code: 'MalformedPolicy', status: 400 })
    }
    expect((await failureOf(owner.send(new PutBucketPolicyCommand({ Bucket, Policy: '{' })))).code).toBe(
      'MalformedPolicy',
    )
  })

  it('lets in another account for what it names, and no further', async () => {
    const Bucket = await bucketWith((bucket) => ({
      Effect: 'Allow',
      Principal: { AWS: GUEST },
      Action: ['s3:GetObject', 's3:PutObject'],
      Resource: arn(bucket, '*'),
    }))
    expect((await bytesOf(await guest.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toString()).toBe('x')
    await guest.send(new PutObjectCommand({ Bucket, Key: 'theirs', Body: 'y' }))
    for (const refused of [
      () => guest.send(new ListObjectsV2Command({ Bucket })),
      () => guest.send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet: [] } })),
      () => guest.send(new PutObjectCommand({ Bucket, Key: 'tagged', Body: 'x', Tagging: 'a=b' })),
      () => guest.send(new GetBucketPolicyCommand({ Bucket })),
      () => guest.send(new DeleteBucketPolicyCommand({ Bucket })),
    ]) {
      expect(await failureOf(refused())).toEqual(DENIED)
    }
    expect(await anonymously(Bucket, 'k')).toBe(403)
    // Who may not list is not told what is not there.
    expect(await failureOf(guest.send(new GetObjectCommand({ Bucket, Key: 'none' })))).toEqual(DENIED)
    expect((await failureOf(guest.send(new HeadObjectCommand({ Bucket, Key: 'none' })))).status).toBe(403)
    expect((await failureOf(owner.send(new GetObjectCommand({ Bucket, Key: 'none' })))).status).toBe(404)
  })

  it('for everybody lets in who says no name, and its owner is shown as the owner', async () => {
    const Bucket = await bucketWith((bucket) => [
      { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: arn(bucket, 'k') },
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:ListBucket',
        Resource: arn(bucket),
        Condition: { StringEquals: { 's3:prefix': 'k' } },
      },
    ])
    expect(await anonymously(Bucket, 'k')).toBe(200)
    expect(await anonymously(Bucket, 'other')).toBe(403)
    const list = (query: Record<string, string>) => send(server, { method: 'GET', path: `/${Bucket}`, query })
    const listed = await list({ prefix: 'k' })
    expect([listed.status, listed.body.toString()]).toEqual([200, expect.stringContaining('<Key>k</Key>')])
    expect(listed.body.toString()).toContain('<DisplayName>root</DisplayName>')
    expect((await list({})).status).toBe(403)
    expect((await list({ prefix: 'kk' })).status).toBe(403)
    expect((await send(server, { method: 'PUT', path: `/${Bucket}/k`, body: 'z' })).status).toBe(403)
    expect((await send(server, { method: 'GET', path: '/' })).status).toBe(403)
  })

  it('is asked for each key of a multi-delete, and for the source of a copy', async () => {
    const Bucket = await bucketWith((bucket) => ({
      Effect: 'Allow',
      Principal: { AWS: GUEST },
      Action: 's3:DeleteObject',
      Resource: arn(bucket, 'mine/*'),
    }))
    await owner.send(new PutObjectCommand({ Bucket, Key: 'mine/a', Body: 'x' }))
    const Objects = [{ Key: 'mine/a' }, { Key: 'k' }, { Key: 'mine/../k' }]
    const { Deleted, Errors } = await guest.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    expect(Deleted?.map(({ Key }) => Key).sort()).toEqual(['mine/../k', 'mine/a'])
    expect(Errors).toMatchObject([{ Key: 'k', Code: 'AccessDenied' }])
    const ofGuest = await newBucket(guest)
    const copy = guest.send(new CopyObjectCommand({ Bucket: ofGuest, Key: 'stolen', CopySource: `${Bucket}/k` }))
    expect(await failureOf(copy)).toEqual(DENIED)
  })

  it('is asked for each key whether governance may be bypassed', async () => {
    const Bucket = `locked-${randomBytes(6).toString('hex')}`
    await owner.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    const ObjectLockRetainUntilDate = new Date(Date.now() + 3_600_000)
    const hold = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate } as const
    const { VersionId } = await owner.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...hold }))
    const deny = { Effect: 'Deny', Principal: '*', Action: 's3:BypassGovernanceRetention', Resource: arn(Bucket, '*') }
    await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Statement: deny }) }))
    const remove = async () =>
      await owner.send(
        new DeleteObjectsCommand({
          Bucket,
          BypassGovernanceRetention: true,
          Delete: { Objects: [{ Key: 'k', VersionId }] },
        }),
      )
    expect((await remove()).Errors).toMatchObject([{ Key: 'k', Code: 'AccessDenied' }])
    await owner.send(new DeleteBucketPolicyCommand({ Bucket }))
    expect((await remove()).Errors).toBeUndefined()
  })

  it('refuses writes that do not ask for encryption as it wants, even of the owner', async () => {
    const Bucket = await bucketWith((bucket) => ({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: arn(bucket, '*'),
      Condition: { StringNotEquals: { 's3:x-amz-server-side-encryption': 'aws:kms' } },
    }))
    const put = (more: object) => owner.send(new PutObjectCommand({ Bucket, Key: 'n', Body: 'x', ...more }))
    expect(await failureOf(put({}))).toEqual(DENIED)
    expect(await failureOf(put({ ServerSideEncryption: 'AES256' }))).toEqual(DENIED)
    await put({ ServerSideEncryption: 'aws:kms' })
  })

  it('may go by the address of the client, and by the tags that an object has', async () => {
    const by = (Condition: object) => (bucket: string) => ({
      Effect: 'Allow',
      Principal: { AWS: GUEST },
      Action: 's3:GetObject',
      Resource: arn(bucket, '*'),
      Condition,
    })
    const read = async (Bucket: string) =>
      await guest.send(new GetObjectCommand({ Bucket, Key: 'k' })).then(
        () => 200,
        (error) => error.$metadata.httpStatusCode,
      )
    expect(await read(await bucketWith(by({ IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } })))).toBe(200)
    expect(await read(await bucketWith(by({ IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } })))).toBe(403)
    expect(await read(await bucketWith(by({ Bool: { 'aws:SecureTransport': 'true' } })))).toBe(200)
    const byTag = await bucketWith(by({ StringEquals: { 's3:ExistingObjectTag/level': 'open' } }))
    expect(await read(byTag)).toBe(200)
    const TagSet = [{ Key: 'level', Value: 'secret' }]
    await owner.send(new PutObjectTaggingCommand({ Bucket: byTag, Key: 'k', Tagging: { TagSet } }))
    expect(await read(byTag)).toBe(403)
  })

  it('that denies everything does not lock out its owner, who can mend it', async () => {
    const Bucket = await bucketWith((bucket) => ({
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*',
      Resource: [arn(bucket), arn(bucket, '*')],
    }))
    expect(await failureOf(owner.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toEqual(DENIED)
    await owner.send(new DeleteBucketPolicyCommand({ Bucket }))
    await bytesOf(await owner.send(new GetObjectCommand({ Bucket, Key: 'k' })))
  })
})

describe('public access', () => {
  const publicPolicy = (Bucket: string) =>
    JSON.stringify({
      Statement: { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: arn(Bucket, '*') },
    })

  it('is blocked in new buckets, until their owner allows it', async () => {
    const Bucket = await newBucket(owner)
    const { PublicAccessBlockConfiguration } = await owner.send(new GetPublicAccessBlockCommand({ Bucket }))
    expect(Object.values(PublicAccessBlockConfiguration ?? {})).toEqual([true, true, true, true])
    const put = () => owner.send(new PutBucketPolicyCommand({ Bucket, Policy: publicPolicy(Bucket) }))
    expect(await failureOf(put())).toEqual(DENIED)
    await owner.send(new DeletePublicAccessBlockCommand({ Bucket }))
    const missing = await failureOf(owner.send(new GetPublicAccessBlockCommand({ Bucket })))
    expect(missing).toMatchObject({ code: 'NoSuchPublicAccessBlockConfiguration', status: 404 })
    await put()
    const status = await owner.send(new GetBucketPolicyStatusCommand({ Bucket }))
    expect(status.PolicyStatus?.IsPublic).toBe(true)
  })

  it('that a policy gives ends when the bucket restricts it', async () => {
    const Bucket = await bucketWith((bucket) => JSON.parse(publicPolicy(bucket)).Statement)
    expect(await anonymously(Bucket, 'k')).toBe(200)
    const PublicAccessBlockConfiguration = { RestrictPublicBuckets: true }
    await owner.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration }))
    expect(await anonymously(Bucket, 'k')).toBe(403)
    expect(await failureOf(guest.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toEqual(DENIED)
    await bytesOf(await owner.send(new GetObjectCommand({ Bucket, Key: 'k' })))
  })
})
