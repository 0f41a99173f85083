import { randomBytes } from 'node:crypto'
import { GetObjectCommand, type GetObjectCommandInput, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)

const HOUR_MS = 3_600_000

describe.each([
  ['inline', 100_000],
  ['blob', 400_000],
])('ranges of an object kept as %s', async (kind, sizeBytes) => {
  const body = randomBytes(sizeBytes)
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: kind, Body: body }))
  const end = sizeBytes - 1

  it.each([
    ['bytes=0-0', 0, 0],
    ['bytes=0-9', 0, 9],
    ['bytes=65535-65536', 65_535, 65_536],
    ['bytes=65536-65536', 65_536, 65_536],
    ['bytes=1-70000', 1, 70_000],
    [`bytes=${end}-`, end, end],
    ['bytes=-1', end, end],
    ['bytes=-70000', sizeBytes - 70_000, end],
    [`bytes=-${sizeBytes * 2}`, 0, end],
    [`bytes=10-${sizeBytes * 2}`, 10, end],
    [`bytes=0-${end}`, 0, end],
  ])('gives %s', async (range, first, last) => {
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: kind, Range: range }))
    expect(got.$metadata.httpStatusCode).toBe(206)
    expect(got.ContentRange).toBe(`bytes ${first}-${last}/${sizeBytes}`)
    expect(got.ContentLength).toBe(last - first + 1)
    expect((await bytesOf(got)).equals(body.subarray(first, last + 1))).toBe(true)
  })

  it('gives the same bytes for random ranges', async () => {
    for (let round = 0; round < 25; round++) {
      const first = Math.floor(Math.random() * sizeBytes)
      const last = first + Math.floor(Math.random() * (sizeBytes - first))
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: kind, Range: `bytes=${first}-${last}` }))
      expect((await bytesOf(got)).equals(body.subarray(first, last + 1)), `${first}-${last}`).toBe(true)
    }
  })

  it.each([`bytes=${sizeBytes}-`, `bytes=${sizeBytes}-${sizeBytes + 5}`, 'bytes=-0'])(
    'refuses %s, which holds nothing',
    async (range) => {
      const failure = await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: kind, Range: range })))
      expect(failure).toEqual({ code: 'InvalidRange', status: 416 })
    },
  )

  it.each(['bytes=5-2', 'bites=0-1', 'bytes=a-b'])('ignores %s, which is no range', async (range) => {
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: kind, Range: range }))
    expect(got.$metadata.httpStatusCode).toBe(200)
    expect((await bytesOf(got)).equals(body)).toBe(true)
  })

  it('answers a head with a range like a get', async () => {
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: kind, Range: 'bytes=1-10' }))
    expect(head.$metadata.httpStatusCode).toBe(206)
    expect(head.ContentLength).toBe(10)
  })
})

describe('an empty object', () => {
  it('has no range to give', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'empty', Body: '' }))
    const get = s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'empty', Range: 'bytes=0-0' }))
    expect(await failureOf(get)).toEqual({ code: 'InvalidRange', status: 416 })
  })
})

describe('conditions of a read', async () => {
  const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'conditions', Body: 'x' }))
  const etag = put.ETag ?? ''
  const before = new Date(Date.now() - HOUR_MS)
  const after = new Date(Date.now() - 1_000 + HOUR_MS)

  const cases: [string, Partial<GetObjectCommandInput>, number][] = [
    ['If-Match with its ETag', { IfMatch: etag }, 200],
    ['If-Match with any', { IfMatch: '*' }, 200],
    ['If-Match with another ETag', { IfMatch: '"0123"' }, 412],
    ['If-Match with a list that has it', { IfMatch: `"0123", ${etag}` }, 200],
    ['If-None-Match with its ETag', { IfNoneMatch: etag }, 304],
    ['If-None-Match with any', { IfNoneMatch: '*' }, 304],
    ['If-None-Match with another ETag', { IfNoneMatch: '"0123"' }, 200],
    ['If-Modified-Since before', { IfModifiedSince: before }, 200],
    ['If-Unmodified-Since before', { IfUnmodifiedSince: before }, 412],
    ['If-Unmodified-Since after', { IfUnmodifiedSince: after }, 200],
    ['If-Match true and If-Unmodified-Since false', { IfMatch: etag, IfUnmodifiedSince: before }, 200],
    ['If-None-Match false and If-Modified-Since true', { IfNoneMatch: etag, IfModifiedSince: before }, 304],
    ['If-None-Match true and If-Modified-Since false', { IfNoneMatch: '"0123"', IfModifiedSince: after }, 200],
  ]

  it.each(cases)('%s', async (_name, condition, status) => {
    for (const command of [
      new GetObjectCommand({ Bucket: bucket, Key: 'conditions', ...condition }),
      new HeadObjectCommand({ Bucket: bucket, Key: 'conditions', ...condition }) as unknown as GetObjectCommand,
    ]) {
      if (status === 200) {
        const output = await s3.send(command)
        expect(output.$metadata.httpStatusCode).toBe(200)
      } else {
        expect((await failureOf(s3.send(command))).status).toBe(status)
      }
    }
  })

  it('answers 304 for an object not modified since its own date', async () => {
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'conditions' }))
    const since = head.LastModified ?? new Date(0)
    const get = s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'conditions', IfModifiedSince: since }))
    expect((await failureOf(get)).status).toBe(304)
  })

  it('names the error of a failed precondition', async () => {
    const get = s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'conditions', IfMatch: '"0123"' }))
    expect(await failureOf(get)).toEqual({ code: 'PreconditionFailed', status: 412 })
  })
})
