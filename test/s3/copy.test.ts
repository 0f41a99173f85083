import { randomBytes } from 'node:crypto'
import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const other = await newBucket(s3)

describe('copy', () => {
  it.each([0, 10, 131_073, 3_000_000])(
    'copies %i bytes to another bucket with metadata and ETag',
    async (sizeBytes) => {
      const body = randomBytes(sizeBytes)
      const source = `source ü ${sizeBytes}`
      const put = await s3.send(
        new PutObjectCommand({ Bucket: bucket, Key: source, Body: body, ContentType: 'a/b', Metadata: { a: '1' } }),
      )
      const copied = await s3.send(
        new CopyObjectCommand({ Bucket: other, Key: 'copy', CopySource: encodeURI(`${bucket}/${source}`) }),
      )
      expect(copied.CopyObjectResult?.ETag).toBe(put.ETag)
      expect(copied.CopyObjectResult?.LastModified).toBeInstanceOf(Date)
      const got = await s3.send(new GetObjectCommand({ Bucket: other, Key: 'copy' }))
      expect((await bytesOf(got)).equals(body)).toBe(true)
      expect(got.ContentType).toBe('a/b')
      expect(got.Metadata).toEqual({ a: '1' })
    },
  )

  it('replaces metadata where the directive says so', async () => {
    await s3.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'm', Body: 'x', ContentType: 'a/b', Metadata: { old: '1' } }),
    )
    await s3.send(
      new CopyObjectCommand({
        Bucket: bucket,
        Key: 'm2',
        CopySource: `/${bucket}/m`,
        MetadataDirective: 'REPLACE',
        ContentType: 'c/d',
        Metadata: { new: '2' },
      }),
    )
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'm2' }))
    expect(head.ContentType).toBe('c/d')
    expect(head.Metadata).toEqual({ new: '2' })
  })

  it('onto itself needs a change', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'self', Body: 'x', Metadata: { old: '1' } }))
    const self = { Bucket: bucket, Key: 'self', CopySource: `${bucket}/self` }
    expect(await failureOf(s3.send(new CopyObjectCommand(self)))).toEqual({ code: 'InvalidRequest', status: 400 })
    await s3.send(new CopyObjectCommand({ ...self, MetadataDirective: 'REPLACE', Metadata: { new: '2' } }))
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'self' }))
    expect(got.Metadata).toEqual({ new: '2' })
    expect((await bytesOf(got)).toString()).toBe('x')
  })

  it('says what is missing', async () => {
    const noKey = new CopyObjectCommand({ Bucket: bucket, Key: 'k', CopySource: `${bucket}/absent` })
    expect(await failureOf(s3.send(noKey))).toEqual({ code: 'NoSuchKey', status: 404 })
    const noSource = new CopyObjectCommand({ Bucket: bucket, Key: 'k', CopySource: 'absent-bucket/k' })
    expect(await failureOf(s3.send(noSource))).toEqual({ code: 'NoSuchBucket', status: 404 })
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'there', Body: 'x' }))
    const noTarget = new CopyObjectCommand({ Bucket: 'absent-bucket', Key: 'k', CopySource: `${bucket}/there` })
    expect(await failureOf(s3.send(noTarget))).toEqual({ code: 'NoSuchBucket', status: 404 })
  })

  it('keeps the conditions on its source', async () => {
    const { ETag = '' } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'cond', Body: 'x' }))
    const copy = { Bucket: bucket, Key: 'cond-copy', CopySource: `${bucket}/cond` }
    const refused = { code: 'PreconditionFailed', status: 412 }
    expect(await failureOf(s3.send(new CopyObjectCommand({ ...copy, CopySourceIfMatch: '"0123"' })))).toEqual(refused)
    expect(await failureOf(s3.send(new CopyObjectCommand({ ...copy, CopySourceIfNoneMatch: ETag })))).toEqual(refused)
    const past = new Date(Date.now() - 3_600_000)
    const unmodified = new CopyObjectCommand({ ...copy, CopySourceIfUnmodifiedSince: past })
    expect(await failureOf(s3.send(unmodified))).toEqual(refused)
    await s3.send(new CopyObjectCommand({ ...copy, CopySourceIfMatch: ETag }))
    await s3.send(new CopyObjectCommand({ ...copy, CopySourceIfNoneMatch: '"0123"' }))
    await s3.send(new CopyObjectCommand({ ...copy, CopySourceIfModifiedSince: past }))
  })

  it('refuses a source that is not bucket/key', async () => {
    const copy = new CopyObjectCommand({ Bucket: bucket, Key: 'k', CopySource: 'no-slash' })
    expect(await failureOf(s3.send(copy))).toMatchObject({ status: 400 })
  })
})
