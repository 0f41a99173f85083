import { createHash, randomBytes } from 'node:crypto'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)

/** Around the edges that the store has: empty, inline limit, segment size. */
const SIZES = [0, 1, 15, 16, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 1_000_000, 5 * 1024 * 1024 + 3]

describe('objects', () => {
  it.each(SIZES)('gives back %i bytes as they were put, with their MD5 as ETag', async (sizeBytes) => {
    const body = randomBytes(sizeBytes)
    const etag = `"${createHash('md5').update(body).digest('hex')}"`
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `size-${sizeBytes}`, Body: body }))
    expect(put.ETag).toBe(etag)
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `size-${sizeBytes}` }))
    expect(got.ETag).toBe(etag)
    expect(got.ContentLength).toBe(sizeBytes)
    expect((await bytesOf(got)).equals(body)).toBe(true)
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: `size-${sizeBytes}` }))
    expect(head.ContentLength).toBe(sizeBytes)
    expect(head.ETag).toBe(etag)
    expect(head.AcceptRanges).toBe('bytes')
    expect(Math.abs(Date.now() - (head.LastModified?.getTime() ?? 0))).toBeLessThan(60_000)
  })

  it('replaces an object with the last one put', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'replaced', Body: randomBytes(300_000) }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'replaced', Body: 'second' }))
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'replaced' }))
    expect((await bytesOf(got)).toString()).toBe('second')
  })

  it('is gone once deleted, and deleting it again succeeds', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'gone', Body: 'x' }))
    const first = await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'gone' }))
    expect(first.$metadata.httpStatusCode).toBe(204)
    expect(await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'gone' })))).toEqual({
      code: 'NoSuchKey',
      status: 404,
    })
    expect((await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'gone' })))).status).toBe(404)
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'gone' }))
  })

  it('keeps user metadata and the standard headers', async () => {
    const standard = {
      CacheControl: 'max-age=3600, public',
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentEncoding: 'gzip',
      ContentLanguage: 'de-CH, en',
      ContentType: 'text/plain; charset=utf-8',
      Expires: new Date('2030-01-02T03:04:05Z'),
    }
    const metadata = { one: '1', 'with-dash': 'two words', empty: '' }
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'headers', Body: 'x', Metadata: metadata, ...standard }))
    for (const command of [
      new GetObjectCommand({ Bucket: bucket, Key: 'headers' }),
      new HeadObjectCommand({ Bucket: bucket, Key: 'headers' }),
    ]) {
      const output = await s3.send(command as GetObjectCommand)
      expect(output.Metadata).toEqual(metadata)
      expect(output.CacheControl).toBe(standard.CacheControl)
      expect(output.ContentDisposition).toBe(standard.ContentDisposition)
      expect(output.ContentEncoding).toBe('gzip')
      expect(output.ContentLanguage).toBe(standard.ContentLanguage)
      expect(output.ContentType).toBe(standard.ContentType)
      expect(new Date(output.ExpiresString ?? '').getTime()).toBe(standard.Expires.getTime())
    }
  })

  it('says binary/octet-stream where no type was given', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'untyped', Body: Buffer.from('x') }))
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'untyped' }))
    expect(['binary/octet-stream', 'application/octet-stream']).toContain(head.ContentType)
  })

  it('overrides response headers as a signed get asks', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'overrides', Body: 'x', ContentType: 'text/plain' }))
    const got = await s3.send(
      new GetObjectCommand({
        Bucket: bucket,
        Key: 'overrides',
        ResponseContentType: 'application/json',
        ResponseContentDisposition: 'inline',
        ResponseCacheControl: 'no-store',
        ResponseContentLanguage: 'fr',
      }),
    )
    expect(got.ContentType).toBe('application/json')
    expect(got.ContentDisposition).toBe('inline')
    expect(got.CacheControl).toBe('no-store')
    expect(got.ContentLanguage).toBe('fr')
  })

  it('refuses user metadata over 2 KB', async () => {
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'big-meta', Body: 'x', Metadata: { m: 'x'.repeat(2_100) } })
    expect(await failureOf(s3.send(put))).toEqual({ code: 'MetadataTooLarge', status: 400 })
    expect((await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'big-meta' })))).status).toBe(404)
  })

  it.each([
    'plain',
    'with space and + plus',
    'a/b/c/d',
    '/leading',
    'trailing/',
    'double//slash',
    './dot/../dots',
    'ümläut-ß-€-漢字-😀',
    'e\u0301 decomposed',
    'percent%20encoded%2F',
    'quo"te\'s <xml> & ;:@=,?#[]{}|\\^~`',
    'star*(paren)!',
    'tab\tand\nnewline',
    'x'.repeat(1024),
    '€'.repeat(341),
  ])('takes the key %j through put, get, list and delete', async (key) => {
    const keys = await newBucket(s3)
    const body = Buffer.from(`body of ${key}`)
    await s3.send(new PutObjectCommand({ Bucket: keys, Key: key, Body: body }))
    expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket: keys, Key: key })))).equals(body)).toBe(true)
    for (const EncodingType of [undefined, 'url'] as const) {
      const list = await s3.send(new ListObjectsV2Command({ Bucket: keys, ...(EncodingType && { EncodingType }) }))
      const listed = list.Contents?.map(({ Key }) => Key ?? '') ?? []
      expect(EncodingType ? listed.map((name) => decodeURIComponent(name.replaceAll('+', ' '))) : listed).toEqual([key])
    }
    await s3.send(new DeleteObjectCommand({ Bucket: keys, Key: key }))
    expect((await s3.send(new ListObjectsV2Command({ Bucket: keys }))).KeyCount).toBe(0)
  })

  it('keeps composed and decomposed names apart', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'nf-\u00e9', Body: 'composed' }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'nf-e\u0301', Body: 'decomposed' }))
    const composed = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'nf-\u00e9' }))
    expect((await bytesOf(composed)).toString()).toBe('composed')
  })

  it('refuses a key over 1,024 bytes', async () => {
    const put = s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'x'.repeat(1025), Body: 'x' }))
    expect(await failureOf(put)).toEqual({ code: 'KeyTooLongError', status: 400 })
    const wide = s3.send(new PutObjectCommand({ Bucket: bucket, Key: '€'.repeat(342), Body: 'x' }))
    expect(await failureOf(wide)).toEqual({ code: 'KeyTooLongError', status: 400 })
  })

  it('deletes many at once and says what it did', async () => {
    const many = await newBucket(s3)
    const keys = Array.from({ length: 120 }, (_, index) => `many/${index} <&>`)
    await Promise.all(keys.map(async (Key) => await s3.send(new PutObjectCommand({ Bucket: many, Key, Body: 'x' }))))
    const objects = [...keys.slice(0, 100), 'never-there'].map((Key) => ({ Key }))
    const deleted = await s3.send(new DeleteObjectsCommand({ Bucket: many, Delete: { Objects: objects } }))
    expect(deleted.Deleted?.map(({ Key }) => Key).sort()).toEqual(objects.map(({ Key }) => Key).sort())
    expect(deleted.Errors ?? []).toEqual([])
    expect((await s3.send(new ListObjectsV2Command({ Bucket: many }))).KeyCount).toBe(20)
    const rest = keys.slice(100).map((Key) => ({ Key }))
    const quiet = await s3.send(new DeleteObjectsCommand({ Bucket: many, Delete: { Objects: rest, Quiet: true } }))
    expect(quiet.Deleted ?? []).toEqual([])
    expect((await s3.send(new ListObjectsV2Command({ Bucket: many }))).KeyCount).toBe(0)
  })

  it('tells its size, ETag and storage class as attributes', async () => {
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'attributes', Body: 'twelve bytes' }))
    const attributes = await s3.send(
      new GetObjectAttributesCommand({
        Bucket: bucket,
        Key: 'attributes',
        ObjectAttributes: ['ETag', 'ObjectSize', 'StorageClass', 'Checksum'],
      }),
    )
    expect(attributes.ObjectSize).toBe(12)
    expect(attributes.ETag).toBe(put.ETag?.replaceAll('"', ''))
    expect(attributes.StorageClass).toBe('STANDARD')
    expect(attributes.Checksum?.ChecksumCRC32).toBe(put.ChecksumCRC32)
    expect(attributes.LastModified).toBeInstanceOf(Date)
  })
})
