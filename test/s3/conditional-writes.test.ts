import { createHash } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  type CopyObjectCommandInput,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  RenameObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)

async function textOf(Key: string): Promise<string> {
  return (await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))).toString()
}

describe('conditional writes', () => {
  it('If-None-Match: * writes only where nothing is', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'once', Body: 'first', IfNoneMatch: '*' }))
    const second = s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'once', Body: 'second', IfNoneMatch: '*' }))
    expect(await failureOf(second)).toEqual({ code: 'PreconditionFailed', status: 412 })
    expect(await textOf('once')).toBe('first')
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'once' }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'once', Body: 'third', IfNoneMatch: '*' }))
    expect(await textOf('once')).toBe('third')
  })

  it('If-Match writes only over that ETag', async () => {
    const first = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'match', Body: 'first' }))
    const second = await s3.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'match', Body: 'second', IfMatch: first.ETag ?? '' }),
    )
    const stale = s3.send(
      new PutObjectCommand({ Bucket: bucket, Key: 'match', Body: 'stale', IfMatch: first.ETag ?? '' }),
    )
    expect(await failureOf(stale)).toEqual({ code: 'PreconditionFailed', status: 412 })
    expect(await textOf('match')).toBe('second')
    expect(second.ETag).not.toBe(first.ETag)
  })

  it('If-Match on a key that is not there says NoSuchKey', async () => {
    const put = s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'absent', Body: 'x', IfMatch: '"0123"' }))
    expect(await failureOf(put)).toEqual({ code: 'NoSuchKey', status: 404 })
  })

  it('lets exactly one of many writers create a key', async () => {
    for (let round = 0; round < 5; round++) {
      const Key = `race-${round}`
      const writers = Array.from({ length: 12 }, async (_, index) => {
        const put = new PutObjectCommand({ Bucket: bucket, Key, Body: `writer ${index}`, IfNoneMatch: '*' })
        return await s3.send(put).then(
          () => index,
          (error: { name: string }) => {
            expect(['PreconditionFailed', 'ConditionalRequestConflict']).toContain(error.name)
            return undefined
          },
        )
      })
      const winners = (await Promise.all(writers)).filter((index) => index !== undefined)
      expect(winners).toHaveLength(1)
      expect(await textOf(Key)).toBe(`writer ${winners[0]}`)
    }
  })

  it('makes a counter of If-Match: no increment is lost', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'counter', Body: '0' }))
    const increment = async (): Promise<void> => {
      for (;;) {
        const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'counter' }))
        const Body = String(Number((await bytesOf(got)).toString()) + 1)
        // The ETag names the content, and a count is never repeated.
        const put = new PutObjectCommand({ Bucket: bucket, Key: 'counter', Body, IfMatch: got.ETag ?? '' })
        const failure = await s3.send(put).then(
          () => undefined,
          (error: { name: string }) => error.name,
        )
        if (failure === undefined) return
        expect(['PreconditionFailed', 'ConditionalRequestConflict']).toContain(failure)
      }
    }
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        for (let round = 0; round < 5; round++) await increment()
      }),
    )
    expect(await textOf('counter')).toBe('30')
  })

  it('If-None-Match on completing an upload keeps what came between', async () => {
    const Key = 'upload'
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
    const part = await s3.send(
      new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber: 1, Body: 'from the upload' }),
    )
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'came between' }))
    const parts = { Parts: [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }] }
    const complete = { Bucket: bucket, Key, UploadId, MultipartUpload: parts }
    const failure = await failureOf(s3.send(new CompleteMultipartUploadCommand({ ...complete, IfNoneMatch: '*' })))
    expect(failure).toEqual({ code: 'PreconditionFailed', status: 412 })
    expect(await textOf(Key)).toBe('came between')
    await s3.send(new CompleteMultipartUploadCommand(complete))
    expect(await textOf(Key)).toBe('from the upload')
  })
})

describe('conditional copies', () => {
  const copyTo = (Key: string, condition: Partial<CopyObjectCommandInput> = {}) =>
    s3.send(new CopyObjectCommand({ Bucket: bucket, Key, CopySource: `${bucket}/copied`, ...condition }))
  const refused = { code: 'PreconditionFailed', status: 412 }

  it('If-None-Match: * copies only where nothing is, If-Match only over that ETag', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'copied', Body: 'copied' }))
    const there = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'there', Body: 'there' }))
    expect(await failureOf(copyTo('there', { IfNoneMatch: '*' }))).toEqual(refused)
    expect(await failureOf(copyTo('there', { IfMatch: '"0123"' }))).toEqual(refused)
    expect(await failureOf(copyTo('nowhere', { IfMatch: '"0123"' }))).toEqual({ code: 'NoSuchKey', status: 404 })
    expect(await textOf('there')).toBe('there')
    await copyTo('there', { IfMatch: there.ETag ?? '' })
    await copyTo('fresh', { IfNoneMatch: '*' })
    expect([await textOf('there'), await textOf('fresh')]).toEqual(['copied', 'copied'])
  })

  it('of many at once one makes the key', async () => {
    const copies = Array.from({ length: 10 }, () => copyTo('contested', { IfNoneMatch: '*' }).then(() => 'made'))
    const outcomes = await Promise.all(copies.map((copy) => copy.catch((error: Error) => error.name)))
    expect(outcomes.filter((outcome) => outcome === 'made')).toHaveLength(1)
  })
})

describe('policies that ask for conditions', () => {
  /** As AWS' guide has it ("Enforce conditional writes"), said the other way round: for the owner, too. */
  async function bucketThatAsksFor(...statements: object[]): Promise<string> {
    const Bucket = await newBucket(s3)
    const Resource = `arn:aws:s3:::${Bucket}/*`
    const Statement = statements.map((statement) => ({ Effect: 'Deny', Principal: '*', Resource, ...statement }))
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    return Bucket
  }
  const denied = { code: 'AccessDenied', status: 403 }

  it('make a bucket in which nothing is overwritten, by puts, copies, renames and uploads', async () => {
    const Bucket = await bucketThatAsksFor({
      Action: 's3:PutObject',
      Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
    })
    const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
      s3.send(new PutObjectCommand({ Bucket, Key, Body: 'v', ...more }))
    expect(await failureOf(put('a'))).toEqual(denied)
    await put('a', { IfNoneMatch: '*' })
    expect((await failureOf(put('a', { IfNoneMatch: '*' }))).code).toBe('PreconditionFailed')
    // It would overwrite: the object has another ETag.
    expect(await failureOf(put('a', { IfNoneMatch: '"another"' }))).toEqual(denied)
    const CopySource = `${Bucket}/a`
    expect(await failureOf(s3.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource })))).toEqual(denied)
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource, IfNoneMatch: '*' }))
    expect(await failureOf(s3.send(new RenameObjectCommand({ Bucket, Key: 'c', RenameSource: 'b' })))).toEqual(denied)
    const moved = { Bucket, Key: 'c', RenameSource: 'b', DestinationIfNoneMatch: '*' }
    await s3.send(new RenameObjectCommand(moved))
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'd' }))
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key: 'd', UploadId, PartNumber: 1, Body: 'v' }))
    const complete = { Bucket, Key: 'd', UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }
    expect(await failureOf(s3.send(new CompleteMultipartUploadCommand(complete)))).toEqual(denied)
    await s3.send(new CompleteMultipartUploadCommand({ ...complete, IfNoneMatch: '*' }))
  })

  it('ask for the ETag of what is deleted, key by key', async () => {
    const Condition = { Null: { 's3:if-match': 'true' } }
    const Bucket = await bucketThatAsksFor({ Action: 's3:DeleteObject', Condition })
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    expect(await failureOf(s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' })))).toEqual(denied)
    const outcomeOf = async (entry: { Key: string; ETag?: string }, headers: Record<string, string> = {}) => {
      const etag = entry.ETag === undefined ? '' : `<ETag>${entry.ETag}</ETag>`
      const body = `<Delete><Object><Key>${entry.Key}</Key>${etag}</Object></Delete>`
      const md5 = createHash('md5').update(body).digest('base64')
      const request = { method: 'POST', path: `/${Bucket}`, query: { delete: '' }, body }
      return (await sendSigned(server, { ...request, headers: { 'content-md5': md5, ...headers } })).body.toString()
    }
    expect(await outcomeOf({ Key: 'k' })).toContain('<Code>AccessDenied</Code>')
    // The request's own header is not of its keys.
    expect(await outcomeOf({ Key: 'k' }, { 'if-match': ETag ?? '' })).toContain('<Code>AccessDenied</Code>')
    expect(await outcomeOf({ Key: 'k', ETag: '"0123"' })).toContain('<Code>PreconditionFailed</Code>')
    expect(await outcomeOf({ Key: 'k', ...(ETag && { ETag }) })).toContain('<Deleted>')
    const again = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'v' }))
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', IfMatch: again.ETag }))
  })
})

describe('conditional deletes', () => {
  const LONG_AGO = new Date('2015-01-01T00:00:00Z')

  /** Each as a DeleteObject and as a DeleteObjects of one key. */
  const forms = [
    [
      'DeleteObject',
      async (Key: string, condition: { size?: number; modified?: Date }) =>
        await s3.send(
          new DeleteObjectCommand({
            Bucket: bucket,
            Key,
            ...(condition.size !== undefined && { IfMatchSize: condition.size }),
            ...(condition.modified && { IfMatchLastModifiedTime: condition.modified }),
          }),
        ),
    ],
    [
      'DeleteObjects',
      async (Key: string, condition: { size?: number; modified?: Date }) => {
        const entry = {
          Key,
          ...(condition.size !== undefined && { Size: condition.size }),
          ...(condition.modified && { LastModifiedTime: condition.modified }),
        }
        const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: [entry] } }))
        if (Errors?.[0]) throw Object.assign(new Error(), { name: Errors[0].Code })
      },
    ],
  ] as const

  it.each(forms)('%s of another size or time is refused and deletes nothing', async (form, remove) => {
    const Key = `guarded-${form}`
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'four' }))
    const { LastModified } = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }))
    if (LastModified === undefined) throw new Error('no time')
    for (const condition of [{ size: 5 }, { modified: LONG_AGO }, { size: 4, modified: LONG_AGO }]) {
      expect((await failureOf(remove(Key, condition))).code).toBe('PreconditionFailed')
    }
    expect(await textOf(Key)).toBe('four')
    await remove(Key, { size: 4, modified: LastModified })
    expect((await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key })))).status).toBe(404)
    await remove(Key, { size: 5 })
  })

  it.each([
    ['x-amz-if-match-size', 'four'],
    ['x-amz-if-match-last-modified-time', 'yesterday'],
  ])('whose %s can not be read delete nothing', async (name, value) => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'kept', Body: 'kept' }))
    const answer = await sendSigned(server, { method: 'DELETE', path: `/${bucket}/kept`, headers: { [name]: value } })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidArgument'])
    expect(await textOf('kept')).toBe('kept')
  })
})
