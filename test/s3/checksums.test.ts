import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type ChecksumType,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
  type UploadPartCommandInput,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { CHECKSUM_NAMES, type ChecksumName, checksumOf, compositeOf } from '../harness/checksums.ts'
import { type RawResponse, send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { signedChunks, unsignedChunks } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const body = randomBytes(70_000)
const other = randomBytes(70_000)

const headerOf = (name: ChecksumName): string => `x-amz-checksum-${name.toLowerCase()}`
const fieldOf = (name: ChecksumName): `Checksum${ChecksumName}` => `Checksum${name}`

async function isAbsent(Key: string): Promise<boolean> {
  return (await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key })))).status === 404
}

async function putChunked(
  key: string,
  name: ChecksumName,
  value: string,
  how: { signed: boolean; payload?: Uint8Array },
): Promise<RawResponse> {
  const payload = how.payload ?? body
  const headers = {
    'x-amz-decoded-content-length': String(payload.length),
    'x-amz-trailer': headerOf(name),
    'content-encoding': 'aws-chunked',
  }
  const trailer = { name: headerOf(name), value }
  const words = how.signed ? 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' : 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
  const chunked = how.signed
    ? { chunked: (seed: Parameters<typeof signedChunks>[2]) => signedChunks(payload, 16_384, seed, trailer) }
    : { chunked: () => unsignedChunks(payload, 16_384, trailer) }
  return await sendSigned(
    server,
    { method: 'PUT', path: `/${bucket}/${key}`, headers },
    { payloadHash: words, ...chunked },
  )
}

describe.each(CHECKSUM_NAMES)('%s', (name) => {
  it('given in a header is verified, kept and given back', async () => {
    const Key = `header-${name}`
    const value = await checksumOf(name, body)
    const put = await s3.send(
      new PutObjectCommand({ Bucket: bucket, Key, Body: body, ChecksumAlgorithm: name, [fieldOf(name)]: value }),
    )
    expect(put[fieldOf(name)]).toBe(value)
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }))
    expect(head[fieldOf(name)]).toBe(value)
    expect(head.ChecksumType).toBe('FULL_OBJECT')
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }))
    expect(got[fieldOf(name)]).toBe(value)
    expect((await bytesOf(got)).equals(body)).toBe(true)
  })

  it('that is wrong in a header is refused and nothing is stored', async () => {
    const Key = `wrong-header-${name}`
    const headers = { [headerOf(name)]: await checksumOf(name, other) }
    const answer = await sendSigned(server, { method: 'PUT', path: `/${bucket}/${Key}`, headers, body })
    expect([answer.status, answer.code]).toEqual([400, 'BadDigest'])
    expect(await isAbsent(Key)).toBe(true)
  })

  it('that has the wrong length is refused', async () => {
    const headers = { [headerOf(name)]: 'AAA=' }
    const answer = await sendSigned(server, { method: 'PUT', path: `/${bucket}/length`, headers, body })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })

  it.each([true, false])('in a trailer is verified and kept (chunks signed: %s)', async (signed) => {
    const key = `trailer-${name}-${signed}`
    const value = await checksumOf(name, body)
    const answer = await putChunked(key, name, value, { signed })
    expect([answer.status, answer.code]).toEqual([200, ''])
    expect(answer.headers[headerOf(name)]).toBe(value)
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED' }))
    expect(got[fieldOf(name)]).toBe(value)
    expect(got.ContentEncoding ?? '').not.toContain('aws-chunked')
    expect((await bytesOf(got)).equals(body)).toBe(true)
  })

  it.each([true, false])('that is wrong in a trailer is refused (chunks signed: %s)', async (signed) => {
    const key = `wrong-trailer-${name}-${signed}`
    const answer = await putChunked(key, name, await checksumOf(name, other), { signed })
    expect([answer.status, answer.code]).toEqual([400, 'BadDigest'])
    expect(await isAbsent(key)).toBe(true)
  })

  it('of an upload is composite, or full-object where the algorithm can', async () => {
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(40_000)]
    const types: ChecksumType[] = []
    if (name !== 'CRC64NVME') types.push('COMPOSITE')
    if (name.startsWith('CRC')) types.push('FULL_OBJECT')
    for (const ChecksumType of types) {
      const Key = `upload-${name}-${ChecksumType}`
      const { UploadId } = await s3.send(
        new CreateMultipartUploadCommand({ Bucket: bucket, Key, ChecksumAlgorithm: name, ChecksumType }),
      )
      const Parts = []
      for (const [index, Body] of parts.entries()) {
        const upload = { Bucket: bucket, Key, UploadId, PartNumber: index + 1, Body, ChecksumAlgorithm: name }
        const value = await checksumOf(name, Body)
        const part = await s3.send(new UploadPartCommand({ ...upload, [fieldOf(name)]: value }))
        expect(part[fieldOf(name)]).toBe(value)
        Parts.push({ PartNumber: index + 1, ETag: part.ETag, [fieldOf(name)]: value })
      }
      const expected =
        ChecksumType === 'COMPOSITE' ? await compositeOf(name, parts) : await checksumOf(name, Buffer.concat(parts))
      const complete = { Bucket: bucket, Key, UploadId, MultipartUpload: { Parts }, ChecksumType }
      const wrong = new CompleteMultipartUploadCommand({ ...complete, [fieldOf(name)]: await checksumOf(name, other) })
      expect(await failureOf(s3.send(wrong))).toEqual({ code: 'BadDigest', status: 400 })
      const done = await s3.send(new CompleteMultipartUploadCommand({ ...complete, [fieldOf(name)]: expected }))
      expect(done[fieldOf(name)]).toBe(expected)
      expect(done.ChecksumType).toBe(ChecksumType)
      const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }))
      expect(head[fieldOf(name)]).toBe(expected)
      expect(head.ChecksumType).toBe(ChecksumType)
      for (const [index, part] of parts.entries()) {
        const read = { Bucket: bucket, Key, PartNumber: index + 1 }
        const got = await s3.send(new GetObjectCommand({ ...read, ChecksumMode: 'ENABLED' }))
        expect([got[fieldOf(name)], got.ChecksumType]).toEqual([await checksumOf(name, part), ChecksumType])
        expect((await bytesOf(got)).equals(part)).toBe(true)
      }
    }
  })

  it('of an upload that the client got wrong is refused at completion', async () => {
    const Key = `upload-wrong-${name}`
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket: bucket, Key, ChecksumAlgorithm: name }),
    )
    const part = await s3.send(
      new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber: 1, Body: body, ChecksumAlgorithm: name }),
    )
    const Parts = [{ PartNumber: 1, ETag: part.ETag, [fieldOf(name)]: await checksumOf(name, other) }]
    const complete = new CompleteMultipartUploadCommand({ Bucket: bucket, Key, UploadId, MultipartUpload: { Parts } })
    const failure = await failureOf(s3.send(complete))
    expect(failure.status).toBe(400)
    expect(['InvalidPart', 'BadDigest']).toContain(failure.code)
    expect(await isAbsent(Key)).toBe(true)
  })
})

describe('an object whose client names no checksum', () => {
  const plain = s3Client(server, { checksums: 'WHEN_REQUIRED' })

  async function crc64Of(Key: string): Promise<[string | undefined, string | undefined]> {
    const head = await plain.send(new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }))
    return [head.ChecksumCRC64NVME, head.ChecksumType]
  }

  it.each([0, 5, 70_000, 300_000])('has the CRC-64/NVME of its %d bytes', async (sizeBytes) => {
    const Key = `default-${sizeBytes}`
    const Body = randomBytes(sizeBytes)
    const value = await checksumOf('CRC64NVME', Body)
    const put = await plain.send(new PutObjectCommand({ Bucket: bucket, Key, Body }))
    expect([put.ChecksumCRC64NVME, put.ChecksumType]).toEqual([value, 'FULL_OBJECT'])
    expect(await crc64Of(Key)).toEqual([value, 'FULL_OBJECT'])
    const copy = { Bucket: bucket, Key: `${Key}-copy`, CopySource: `${bucket}/${Key}` }
    expect((await plain.send(new CopyObjectCommand(copy))).CopyObjectResult?.ChecksumCRC64NVME).toBe(value)
    const list = await plain.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: Key, MaxKeys: 1 }))
    expect(list.Contents?.[0]).toMatchObject({ ChecksumAlgorithm: ['CRC64NVME'], ChecksumType: 'FULL_OBJECT' })
  })

  async function upload(Key: string, parts: readonly Buffer[], lastPart: Partial<UploadPartCommandInput> = {}) {
    const { UploadId } = await plain.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
    const Parts = []
    for (const [index, Body] of parts.entries()) {
      const part = { Bucket: bucket, Key, UploadId, PartNumber: index + 1, Body }
      const last = index === parts.length - 1 ? lastPart : {}
      const { ETag } = await plain.send(new UploadPartCommand({ ...part, ...last }))
      Parts.push({ PartNumber: index + 1, ETag })
    }
    const complete = { Bucket: bucket, Key, UploadId, MultipartUpload: { Parts } }
    return await plain.send(new CompleteMultipartUploadCommand(complete))
  }

  it('has it when it was uploaded in parts, too', async () => {
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(12_345)]
    const value = await checksumOf('CRC64NVME', Buffer.concat(parts))
    const done = await upload('default-parts', parts)
    expect([done.ChecksumCRC64NVME, done.ChecksumType]).toEqual([value, 'FULL_OBJECT'])
    expect(await crc64Of('default-parts')).toEqual([value, 'FULL_OBJECT'])
  })

  it('has it where a part of it came with another, which is checked but not kept', async () => {
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(12_345)]
    const value = await checksumOf('CRC64NVME', Buffer.concat(parts))
    await upload('mixed-parts', parts, { ChecksumAlgorithm: 'SHA256' })
    expect(await crc64Of('mixed-parts')).toEqual([value, 'FULL_OBJECT'])
    const wrong = { ChecksumSHA256: createHash('sha256').update('other').digest('base64') }
    await expect(upload('wrong-parts', parts, wrong)).rejects.toThrow(expect.objectContaining({ name: 'BadDigest' }))
    const lastPart = new GetObjectCommand({
      Bucket: bucket,
      Key: 'mixed-parts',
      PartNumber: 2,
      ChecksumMode: 'ENABLED',
    })
    expect((await plain.send(lastPart)).ChecksumCRC64NVME).toBe(await checksumOf('CRC64NVME', parts[1] ?? Buffer.of()))
  })
})

describe('checksums in general', () => {
  it('are not shown unless asked for', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'quiet', Body: body, ChecksumAlgorithm: 'SHA256' }))
    const silent = s3Client(server, { checksums: 'WHEN_REQUIRED' })
    const head = await silent.send(new HeadObjectCommand({ Bucket: bucket, Key: 'quiet' }))
    expect(head.ChecksumSHA256).toBeUndefined()
    const attributes = await s3.send(
      new GetObjectAttributesCommand({ Bucket: bucket, Key: 'quiet', ObjectAttributes: ['Checksum'] }),
    )
    expect(attributes.Checksum?.ChecksumSHA256).toBe(await checksumOf('SHA256', body))
    const list = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'quiet' }))
    expect(list.Contents?.[0]?.ChecksumAlgorithm).toEqual(['SHA256'])
  })

  it('of a stream travel in the trailer that the SDK writes', async () => {
    const put = new PutObjectCommand({
      Bucket: bucket,
      Key: 'stream',
      Body: Readable.from([body.subarray(0, 30_000), body.subarray(30_000)]),
      ContentLength: body.length,
      ChecksumAlgorithm: 'SHA1',
    })
    expect((await s3.send(put)).ChecksumSHA1).toBe(await checksumOf('SHA1', body))
  })

  it('one algorithm only', async () => {
    const headers = {
      'x-amz-checksum-sha1': await checksumOf('SHA1', body),
      'x-amz-checksum-sha256': await checksumOf('SHA256', body),
    }
    const answer = await sendSigned(server, { method: 'PUT', path: `/${bucket}/two`, headers, body })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })

  it('an algorithm that is not known is refused', async () => {
    const headers = { 'x-amz-sdk-checksum-algorithm': 'MD17', 'x-amz-checksum-md17': 'AAAA' }
    const answer = await sendSigned(server, { method: 'PUT', path: `/${bucket}/unknown`, headers, body })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
    expect(await isAbsent('unknown')).toBe(true)
  })

  it('a trailer that was announced and did not come is refused', async () => {
    const headers = {
      'x-amz-decoded-content-length': '3',
      'x-amz-trailer': 'x-amz-checksum-crc32',
      'content-encoding': 'aws-chunked',
    }
    const answer = await sendSigned(
      server,
      { method: 'PUT', path: `/${bucket}/no-trailer`, headers },
      { payloadHash: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER', chunked: () => Buffer.from('3\r\nabc\r\n0\r\n\r\n') },
    )
    expect(answer.status).toBe(400)
    expect(await isAbsent('no-trailer')).toBe(true)
  })

  it('a Content-MD5 that is wrong, or is none, is refused', async () => {
    const put = async (md5: string): Promise<RawResponse> =>
      await sendSigned(server, { method: 'PUT', path: `/${bucket}/md5`, headers: { 'content-md5': md5 }, body })
    const wrong = await put('AAAAAAAAAAAAAAAAAAAAAA==')
    expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
    const none = await put('not base64 of 16 bytes')
    expect([none.status, none.code]).toEqual([400, 'InvalidDigest'])
    expect(await isAbsent('md5')).toBe(true)
  })

  it('an unsigned request is refused before its body is read', async () => {
    const answer = await send(server, { method: 'PUT', path: `/${bucket}/anonymous`, body: 'x' })
    expect([answer.status, answer.code]).toEqual([403, 'AccessDenied'])
  })
})
