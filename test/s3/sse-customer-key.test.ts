import { createHash, randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { type RawResponse, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, startServer } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)

const PREFIX = 'x-amz-server-side-encryption-customer'
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')

interface CustomerKey {
  readonly write: { SSECustomerAlgorithm: string; SSECustomerKey: string; SSECustomerKeyMD5: string }
  readonly source: {
    CopySourceSSECustomerAlgorithm: string
    CopySourceSSECustomerKey: string
    CopySourceSSECustomerKeyMD5: string
  }
  readonly headers: Record<string, string>
}

function customerKey(bytes = randomBytes(32)): CustomerKey {
  const [algorithm, key, digest] = ['AES256', bytes.toString('base64'), md5(bytes)]
  return {
    write: { SSECustomerAlgorithm: algorithm, SSECustomerKey: key, SSECustomerKeyMD5: digest },
    source: {
      CopySourceSSECustomerAlgorithm: algorithm,
      CopySourceSSECustomerKey: key,
      CopySourceSSECustomerKeyMD5: digest,
    },
    headers: { [`${PREFIX}-algorithm`]: algorithm, [`${PREFIX}-key`]: key, [`${PREFIX}-key-md5`]: digest },
  }
}

const one = customerKey()
const two = customerKey()

describe('objects under a customer key', () => {
  it.each([0, 1_000, 131_073, 2_000_000])('of %i bytes are given back to the key', async (sizeBytes) => {
    const Key = `customer-${sizeBytes}`
    const body = randomBytes(sizeBytes)
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body, ...one.write }))
    expect(put.SSECustomerAlgorithm).toBe('AES256')
    expect(put.SSECustomerKeyMD5).toBe(one.write.SSECustomerKeyMD5)
    expect(put.ServerSideEncryption).toBeUndefined()
    expect(put.ETag).not.toBe(`"${createHash('md5').update(body).digest('hex')}"`)
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, ...one.write }))
    expect((await bytesOf(got)).equals(body)).toBe(true)
    expect(got.SSECustomerKeyMD5).toBe(one.write.SSECustomerKeyMD5)
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key, ...one.write }))
    expect(head.ContentLength).toBe(sizeBytes)
    expect(head.ETag).toBe(put.ETag)
  })

  it('give ranges', async () => {
    const body = randomBytes(200_000)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'range', Body: body, ...one.write }))
    const get = new GetObjectCommand({ Bucket: bucket, Key: 'range', Range: 'bytes=65000-132000', ...one.write })
    expect((await bytesOf(await s3.send(get))).equals(body.subarray(65_000, 132_001))).toBe(true)
  })

  it('stay closed to another key and to none', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'closed', Body: 'x', ...one.write }))
    const closed = { Bucket: bucket, Key: 'closed' }
    expect(await failureOf(s3.send(new GetObjectCommand({ ...closed, ...two.write })))).toEqual({
      code: 'AccessDenied',
      status: 403,
    })
    expect((await failureOf(s3.send(new HeadObjectCommand({ ...closed, ...two.write })))).status).toBe(403)
    expect(await failureOf(s3.send(new GetObjectCommand(closed)))).toEqual({ code: 'InvalidRequest', status: 400 })
    expect((await failureOf(s3.send(new HeadObjectCommand(closed)))).status).toBe(400)
  })

  it('a key on an object that has none is refused', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'open', Body: 'x' }))
    const get = s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'open', ...one.write }))
    expect(await failureOf(get)).toEqual({ code: 'InvalidRequest', status: 400 })
  })
})

describe('bad customer keys', () => {
  async function put(headers: Record<string, string>): Promise<RawResponse> {
    return await sendSigned(server, { method: 'PUT', path: `/${bucket}/bad-key`, headers, body: 'plain' })
  }
  const without = (name: string): Record<string, string> =>
    Object.fromEntries(Object.entries(one.headers).filter(([header]) => header !== `${PREFIX}-${name}`))
  const short = randomBytes(16)

  it.each([
    ['no key', without('key'), 'InvalidArgument'],
    ['no MD5', without('key-md5'), 'InvalidArgument'],
    ['no algorithm', without('algorithm'), 'InvalidArgument'],
    ['another algorithm', { ...one.headers, [`${PREFIX}-algorithm`]: 'AES128' }, 'InvalidEncryptionAlgorithmError'],
    ['a short key', customerKey(short).headers, 'InvalidArgument'],
    ['a long key', customerKey(randomBytes(64)).headers, 'InvalidArgument'],
    ['a key that is no base64', { ...one.headers, [`${PREFIX}-key`]: '*'.repeat(44) }, 'InvalidArgument'],
    ['the MD5 of another key', { ...one.headers, [`${PREFIX}-key-md5`]: md5(short) }, 'InvalidArgument'],
    ['SSE-S3 as well', { ...one.headers, 'x-amz-server-side-encryption': 'AES256' }, 'InvalidArgument'],
  ])('with %s are refused and nothing is stored', async (_what, headers, code) => {
    const answer = await put(headers)
    expect([answer.status, answer.code], answer.body.toString()).toEqual([400, code])
    expect((await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'bad-key' })))).status).toBe(404)
    const text = answer.body.toString()
    for (const secret of [one.write.SSECustomerKey, two.write.SSECustomerKey]) expect(text).not.toContain(secret)
  })

  it('over plain HTTP are refused', async () => {
    const plain = await startServer({ env: { COFFER_ALLOW_HTTP: 'true' } })
    try {
      const client = s3Client(plain)
      const own = await newBucket(client)
      await client.send(new PutObjectCommand({ Bucket: own, Key: 'open', Body: 'x' }))
      for (const method of ['PUT', 'GET', 'HEAD']) {
        const raw = { method, path: `/${own}/open`, headers: one.headers, ...(method === 'PUT' && { body: 'x' }) }
        const answer = await sendSigned(plain, raw)
        expect(answer.status).toBe(400)
        if (method !== 'HEAD') expect(answer.code).toBe('InvalidRequest')
      }
    } finally {
      await plain.dispose()
    }
  })

  it('never reach the log', () => {
    for (const key of [one, two]) expect(server.logs()).not.toContain(key.write.SSECustomerKey)
  })
})

describe('copies between modes', () => {
  const body = randomBytes(200_000)
  const modes: Record<string, CustomerKey | undefined> = { 'SSE-S3': undefined, 'key one': one, 'key two': two }
  const names = Object.keys(modes)
  const pairs = names.flatMap((from) => names.map((to) => [from, to] as const))

  it.each(pairs)('from %s to %s keep the bytes', async (from, to) => {
    const [source, target] = [modes[from], modes[to]]
    const Key = `from ${from}`.replaceAll(' ', '-')
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body, ...source?.write }))
    const copy = { Bucket: bucket, Key: `${Key}-to-${to}`, CopySource: `${bucket}/${Key}` }
    await s3.send(new CopyObjectCommand({ ...copy, ...source?.source, ...target?.write }))
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: copy.Key, ...target?.write }))
    expect((await bytesOf(got)).equals(body)).toBe(true)
    expect(got.ServerSideEncryption).toBe(target ? undefined : 'AES256')
    if (source) {
      expect((await failureOf(s3.send(new CopyObjectCommand({ ...copy, ...target?.write })))).status).toBe(400)
      const wrong = { ...copy, ...customerKey().source, ...target?.write }
      expect(await failureOf(s3.send(new CopyObjectCommand(wrong)))).toEqual({ code: 'AccessDenied', status: 403 })
    }
  })

  it('onto itself under a new key re-encrypts', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'rekey', Body: body, ...one.write }))
    const self = { Bucket: bucket, Key: 'rekey', CopySource: `${bucket}/rekey` }
    await s3.send(new CopyObjectCommand({ ...self, ...one.source, ...two.write }))
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'rekey', ...two.write }))
    expect((await bytesOf(got)).equals(body)).toBe(true)
    expect(
      (await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'rekey', ...one.write })))).status,
    ).toBe(403)
  })

  it('onto itself under a new key moves no data: ETag, date and metadata stay, and the old key opens nothing', async () => {
    const large = randomBytes(3_000_000)
    const self = { Bucket: bucket, Key: 'in-place', CopySource: `${bucket}/in-place` }
    await s3.send(new PutObjectCommand({ ...self, Body: large, Metadata: { a: 'b' }, ...one.write }))
    const headUnder = async (key: CustomerKey) => {
      const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'in-place', ...key.write }))
      return { ETag: head.ETag, LastModified: head.LastModified, Metadata: head.Metadata }
    }
    const before = await headUnder(one)
    const three = customerKey()
    const wrong = s3.send(new CopyObjectCommand({ ...self, ...three.source, ...two.write }))
    expect(await failureOf(wrong)).toEqual({ code: 'AccessDenied', status: 403 })
    const copied = await s3.send(new CopyObjectCommand({ ...self, ...one.source, ...two.write }))
    expect(copied.CopyObjectResult?.ETag).toBe(before.ETag)
    expect(copied.SSECustomerKeyMD5).toBe(two.write.SSECustomerKeyMD5)
    expect(await headUnder(two)).toEqual(before)
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'in-place', ...two.write }))
    expect((await bytesOf(got)).equals(large)).toBe(true)
    expect((await failureOf(headUnder(one))).status).toBe(403)
    const met = s3.send(new CopyObjectCommand({ ...self, ...two.source, ...one.write, IfMatch: '"0"' }))
    expect(await failureOf(met)).toEqual({ code: 'PreconditionFailed', status: 412 })
  })

  it('onto itself in a versioned bucket is a new version, and the old one keeps its key', async () => {
    const name = await newBucket(s3, { versioning: 'Enabled' })
    const self = { Bucket: name, Key: 'k', CopySource: `${name}/k` }
    const first = await s3.send(new PutObjectCommand({ ...self, Body: body, ...one.write }))
    const second = await s3.send(new CopyObjectCommand({ ...self, ...one.source, ...two.write }))
    expect(second.VersionId).not.toBe(first.VersionId)
    const old = { Bucket: name, Key: 'k', VersionId: first.VersionId, ...one.write }
    expect((await bytesOf(await s3.send(new GetObjectCommand(old)))).equals(body)).toBe(true)
  })
})

describe('uploads under a customer key', () => {
  it('join their parts, need the key on each, and are read with it', async () => {
    const create = { Bucket: bucket, Key: 'upload', ...one.write }
    const created = await s3.send(new CreateMultipartUploadCommand(create))
    expect(created.SSECustomerKeyMD5).toBe(one.write.SSECustomerKeyMD5)
    const upload = { Bucket: bucket, Key: 'upload', UploadId: created.UploadId ?? '' }
    const [head, tail] = [randomBytes(5 * 1024 * 1024), randomBytes(77_777)]
    const bare = s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'x' }))
    expect(await failureOf(bare)).toEqual({ code: 'InvalidRequest', status: 400 })
    const wrong = await failureOf(s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'x', ...two.write })))
    expect([400, 403]).toContain(wrong.status)
    const first = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: head, ...one.write }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'part-source', Body: tail, ...two.write }))
    const copyPart = { ...upload, PartNumber: 2, CopySource: `${bucket}/part-source` }
    const second = await s3.send(new UploadPartCopyCommand({ ...copyPart, ...two.source, ...one.write }))
    const Parts = [
      { PartNumber: 1, ETag: first.ETag, ChecksumCRC32: first.ChecksumCRC32 },
      { PartNumber: 2, ETag: second.CopyPartResult?.ETag, ChecksumCRC32: second.CopyPartResult?.ChecksumCRC32 },
    ]
    const complete = { ...upload, MultipartUpload: { Parts } }
    await s3.send(new CompleteMultipartUploadCommand({ ...complete, ...one.write }))
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'upload', ...one.write }))
    expect((await bytesOf(got)).equals(Buffer.concat([head, tail]))).toBe(true)
    expect(
      (await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'upload', ...two.write })))).status,
    ).toBe(403)
  })

  it('a key on a part of an upload without one is refused', async () => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'plain-upload' }))
    const part = { Bucket: bucket, Key: 'plain-upload', UploadId, PartNumber: 1, Body: 'x', ...one.write }
    expect((await failureOf(s3.send(new UploadPartCommand(part)))).status).toBe(400)
  })
})
