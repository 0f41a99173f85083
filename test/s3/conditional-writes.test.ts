import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
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
