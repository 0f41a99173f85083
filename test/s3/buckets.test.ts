import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketAccelerateConfigurationCommand,
  GetBucketLocationCommand,
  GetBucketLoggingCommand,
  GetBucketNotificationConfigurationCommand,
  GetBucketReplicationCommand,
  GetBucketRequestPaymentCommand,
  GetBucketWebsiteCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutBucketAccelerateConfigurationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)

describe('buckets', () => {
  it('are listed by region, which is told then', async () => {
    const bucket = await newBucket(s3)
    const listed = await s3.send(new ListBucketsCommand({ Prefix: bucket, BucketRegion: 'us-east-1' }))
    expect(listed.Buckets).toMatchObject([{ Name: bucket, BucketRegion: 'us-east-1' }])
    const elsewhere = await s3.send(new ListBucketsCommand({ BucketRegion: 'eu-west-1' }))
    expect(elsewhere.Buckets ?? []).toEqual([])
    expect(elsewhere.ContinuationToken).toBeUndefined()
  })

  it.each([0, 10_001])('are not listed %d a page', async (MaxBuckets) => {
    const failure = await failureOf(s3.send(new ListBucketsCommand({ MaxBuckets })))
    expect(failure).toEqual({ code: 'InvalidArgument', status: 400 })
  })

  it('is there once created: head, location and the list agree', async () => {
    const bucket = await newBucket(s3)
    const head = await s3.send(new HeadBucketCommand({ Bucket: bucket }))
    expect(head.$metadata.httpStatusCode).toBe(200)
    expect([head.BucketRegion, head.AccessPointAlias]).toEqual(['us-east-1', false])
    const location = await s3.send(new GetBucketLocationCommand({ Bucket: bucket }))
    expect(location.LocationConstraint ?? '').toBe('')
    const list = await s3.send(new ListBucketsCommand({}))
    const found = list.Buckets?.find(({ Name }) => Name === bucket)
    expect(found?.CreationDate?.getTime()).toBeGreaterThan(Date.now() - 600_000)
    expect(list.Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
  })

  it('answers create with its location', async () => {
    const created = await s3.send(new CreateBucketCommand({ Bucket: 'located-bucket' }))
    expect(created.Location).toBe('/located-bucket')
  })

  it('is gone once deleted', async () => {
    const bucket = await newBucket(s3)
    const deleted = await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    expect(deleted.$metadata.httpStatusCode).toBe(204)
    expect((await failureOf(s3.send(new HeadBucketCommand({ Bucket: bucket })))).status).toBe(404)
    const list = await s3.send(new ListBucketsCommand({}))
    expect(list.Buckets?.map(({ Name }) => Name)).not.toContain(bucket)
    expect(await failureOf(s3.send(new DeleteBucketCommand({ Bucket: bucket })))).toEqual({
      code: 'NoSuchBucket',
      status: 404,
    })
  })

  it('is not deleted while it holds an object', async () => {
    const bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'v' }))
    expect(await failureOf(s3.send(new DeleteBucketCommand({ Bucket: bucket })))).toEqual({
      code: 'BucketNotEmpty',
      status: 409,
    })
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  })

  it('is deleted with its uploads in progress, but only while it holds no object', async () => {
    const bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'v' }))
    const upload = { Bucket: bucket, Key: 'unfinished' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
    const part = { ...upload, UploadId, PartNumber: 1 }
    await s3.send(new UploadPartCommand({ ...part, Body: 'part' }))
    expect((await failureOf(s3.send(new DeleteBucketCommand({ Bucket: bucket })))).code).toBe('BucketNotEmpty')
    await s3.send(new UploadPartCommand({ ...part, Body: 'the upload is still there' }))
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    await newBucket(s3, { name: bucket })
    expect((await failureOf(s3.send(new UploadPartCommand({ ...part, Body: 'late' })))).code).toBe('NoSuchUpload')
  })

  it('made again under an old name does not show the old objects', async () => {
    const bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'v' }))
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
    await newBucket(s3, { name: bucket })
    const body = s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'new' }))
    await expect(body).resolves.toBeDefined()
  })

  it('created twice by its owner is accepted in us-east-1, as AWS does', async () => {
    const bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'v' }))
    const again = await s3.send(new CreateBucketCommand({ Bucket: bucket }))
    expect(again.$metadata.httpStatusCode).toBe(200)
    expect((await failureOf(s3.send(new DeleteBucketCommand({ Bucket: bucket })))).code).toBe('BucketNotEmpty')
  })

  it.each([
    ['too short', 'ab'],
    ['upper case', 'Upper-case'],
    ['underscore', 'under_score'],
    ['an IP address', '192.168.5.4'],
    ['two dots', 'two..dots'],
    ['a hyphen first', '-first'],
    ['a hyphen last', 'last-'],
    ['too long', 'x'.repeat(64)],
    ['a reserved prefix', 'xn--bucket'],
    ['a reserved suffix', 'bucket-s3alias'],
  ])('refuses a name with %s', async (_reason, name) => {
    const failure = await failureOf(s3.send(new CreateBucketCommand({ Bucket: name })))
    expect(failure).toEqual({ code: 'InvalidBucketName', status: 400 })
  })

  it.each(['abc', 'with.dots.in-it', '0-9', 'x'.repeat(63)])('accepts the name %s', async (name) => {
    await s3.send(new CreateBucketCommand({ Bucket: name }))
    await s3.send(new DeleteBucketCommand({ Bucket: name }))
  })

  it('lists page by page, in order, by prefix', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `paged-${index}`)
    for (const name of names) await s3.send(new CreateBucketCommand({ Bucket: name }))
    const seen: string[] = []
    let token: string | undefined
    do {
      const page = await s3.send(
        new ListBucketsCommand({ Prefix: 'paged-', MaxBuckets: 3, ...(token && { ContinuationToken: token }) }),
      )
      expect(page.Buckets?.length).toBeLessThanOrEqual(3)
      seen.push(...(page.Buckets ?? []).map(({ Name }) => Name ?? ''))
      token = page.ContinuationToken
    } while (token)
    expect(seen).toEqual(names)
  })

  it('answers for configurations that nobody has set as AWS does, and refuses to set them', async () => {
    const Bucket = await newBucket(s3)
    expect((await s3.send(new GetBucketLoggingCommand({ Bucket }))).LoggingEnabled).toBeUndefined()
    expect((await s3.send(new GetBucketAccelerateConfigurationCommand({ Bucket }))).Status).toBeUndefined()
    expect((await s3.send(new GetBucketRequestPaymentCommand({ Bucket }))).Payer).toBe('BucketOwner')
    const { $metadata: _, ...notified } = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket }))
    expect(notified).toEqual({})
    const website = await failureOf(s3.send(new GetBucketWebsiteCommand({ Bucket })))
    expect(website).toEqual({ code: 'NoSuchWebsiteConfiguration', status: 404 })
    const replication = await failureOf(s3.send(new GetBucketReplicationCommand({ Bucket })))
    expect(replication).toEqual({ code: 'ReplicationConfigurationNotFoundError', status: 404 })
    const accelerated = { Bucket, AccelerateConfiguration: { Status: 'Enabled' as const } }
    const refused = await failureOf(s3.send(new PutBucketAccelerateConfigurationCommand(accelerated)))
    expect(refused.code).toBe('NotImplemented')
  })

  it('says NoSuchBucket for every operation on a bucket that is not there', async () => {
    const Bucket = 'no-such-bucket-here'
    const failures = await Promise.all([
      failureOf(s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))),
      failureOf(s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))),
      failureOf(s3.send(new GetBucketLocationCommand({ Bucket }))),
    ])
    for (const failure of failures) expect(failure).toEqual({ code: 'NoSuchBucket', status: 404 })
  })
})
