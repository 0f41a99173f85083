import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  RenameObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { type ChecksumName, checksumOf, compositeOf } from '../harness/checksums.ts'
import { coffer } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const plain = s3Client(server, { checksums: 'WHEN_REQUIRED' })
const Bucket = await newBucket(s3)

const put = (Key: string, Body: Uint8Array | string, more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const append = (
  Key: string,
  WriteOffsetBytes: number,
  Body: Uint8Array | string,
  more: Partial<PutObjectCommandInput> = {},
) => put(Key, Body, { WriteOffsetBytes, ...more })
const read = async (Key: string, more: object = {}) =>
  await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key, ...more })))

describe('an append', () => {
  it.each([
    ['a small object', 10, 20],
    ['a small object, of much', 10, 300_000],
    ['a large object', 300_000, 5],
    ['an empty object', 0, 7],
  ])('to %s adds to it, and all is read as one', async (name, beforeBytes, addedBytes) => {
    const Key = `log ${name}`
    const pieces = [randomBytes(beforeBytes), randomBytes(addedBytes), randomBytes(addedBytes), randomBytes(70_000)]
    const tags = { Metadata: { colour: 'blue' }, Tagging: 'team=blue', ContentType: 'text/x' }
    let { ETag } = await put(Key, pieces[0] ?? '', tags)
    let sizeBytes = beforeBytes
    for (const piece of pieces.slice(1)) {
      const appended = await append(Key, sizeBytes, piece)
      sizeBytes += piece.length
      expect(appended.Size).toBe(sizeBytes)
      expect(appended.ETag).not.toBe(ETag)
      ETag = appended.ETag
    }
    const whole = Buffer.concat(pieces)
    expect((await read(Key)).equals(whole)).toBe(true)
    const [from, to] = [Math.max(0, beforeBytes - 3), beforeBytes + addedBytes + 2]
    expect((await read(Key, { Range: `bytes=${from}-${to}` })).equals(whole.subarray(from, to + 1))).toBe(true)
    expect((await read(Key, { PartNumber: 3 })).equals(pieces[2] ?? Buffer.alloc(0))).toBe(true)
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    expect(head).toMatchObject({ ETag, ContentLength: sizeBytes, ContentType: 'text/x', Metadata: { colour: 'blue' } })
    expect(head.ChecksumCRC32).toBe(await checksumOf('CRC32', whole))
    expect((await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet).toEqual([
      { Key: 'team', Value: 'blue' },
    ])
  })

  it('at 0 begins an object that is not there', async () => {
    await append('fresh', 0, 'one')
    await append('fresh', 3, 'two')
    expect((await read('fresh')).toString()).toBe('onetwo')
  })

  it('keeps a CRC-64 of the whole, and composites of other checksums', async () => {
    const parts = [randomBytes(1000), randomBytes(2000), randomBytes(3000)]
    const sum = async (name: ChecksumName, how: Partial<PutObjectCommandInput>) => {
      const client = how.ChecksumAlgorithm === undefined ? plain : s3
      let offset = 0
      for (const Body of parts) {
        const at = offset === 0 ? {} : { WriteOffsetBytes: offset }
        await client.send(new PutObjectCommand({ Bucket, Key: `sum-${name}`, Body, ...how, ...at }))
        offset += Body.length
      }
      return await s3.send(new HeadObjectCommand({ Bucket, Key: `sum-${name}`, ChecksumMode: 'ENABLED' }))
    }
    const crc = await sum('CRC64NVME', {})
    expect([crc.ChecksumCRC64NVME, crc.ChecksumType]).toEqual([
      await checksumOf('CRC64NVME', Buffer.concat(parts)),
      'FULL_OBJECT',
    ])
    const sha = await sum('SHA256', { ChecksumAlgorithm: 'SHA256' })
    expect([sha.ChecksumSHA256, sha.ChecksumType]).toEqual([await compositeOf('SHA256', parts), 'COMPOSITE'])
    const other = append('sum-SHA256', 6000, 'x', { ChecksumAlgorithm: 'CRC32' })
    expect(await failureOf(other)).toEqual({ code: 'InvalidRequest', status: 400 })
  })

  it('to an object that came in parts, that was renamed and that is copied', async () => {
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(1000)]
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
    const Parts = []
    for (const [index, Body] of parts.entries()) {
      const part = await s3.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber: index + 1, Body }))
      Parts.push({ PartNumber: index + 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 })
    }
    const complete = { Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } }
    await s3.send(new CompleteMultipartUploadCommand(complete))
    await s3.send(new RenameObjectCommand({ Bucket, Key: 'moved', RenameSource: 'parts' }))
    const before = Buffer.concat(parts)
    await append('moved', before.length, 'tail')
    const whole = Buffer.concat([before, Buffer.from('tail')])
    expect((await read('moved')).equals(whole)).toBe(true)
    // What objects in parts get by themselves, though the SDK brings another checksum with each piece.
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'moved', ChecksumMode: 'ENABLED' }))
    expect(head.ChecksumCRC64NVME).toBe(await checksumOf('CRC64NVME', whole))
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/moved` }))
    expect((await read('copied')).equals(whole)).toBe(true)
    await s3.send(new RenameObjectCommand({ Bucket, Key: 'moved again', RenameSource: 'moved' }))
    expect((await read('moved again')).equals(whole)).toBe(true)
  })

  it('keeps the encryption, of every kind, and refuses another', async () => {
    expect(await coffer(['key', 'create', 'appends'], server.env)).toMatchObject({ code: 0 })
    const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: randomBytes(32).toString('base64') }
    const kinds: [string, Partial<PutObjectCommandInput>, Partial<PutObjectCommandInput>][] = [
      ['kms', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'appends' }, {}],
      ['dsse', { ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId: 'appends' }, {}],
      ['customer', customer, customer],
    ]
    for (const [Key, how, again] of kinds) {
      await put(Key, 'first', how)
      await append(Key, 5, 'second', again)
      await append(Key, 11, 'third', again)
      expect((await read(Key, again)).toString()).toBe('firstsecondthird')
    }
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'dsse' }))
    expect(head.ServerSideEncryption).toBe('aws:kms:dsse')
    const other = append('kms', 16, 'x', { ServerSideEncryption: 'AES256' })
    expect(await failureOf(other)).toEqual({ code: 'EncryptionTypeMismatch', status: 400 })
    const wrong = { ...customer, SSECustomerKey: randomBytes(32).toString('base64') }
    expect(await failureOf(append('customer', 16, 'x', wrong))).toEqual({ code: 'AccessDenied', status: 403 })
    expect(await failureOf(append('customer', 16, 'x'))).toEqual({ code: 'InvalidRequest', status: 400 })
    expect((await read('customer', customer)).toString()).toBe('firstsecondthird')
  })

  it('of many at once one is made at each place, and nothing is lost', async () => {
    await put('race', new Uint8Array(0))
    const writer = async (name: string) => {
      for (let round = 0; round < 4; ) {
        const { ContentLength = 0 } = await s3.send(new HeadObjectCommand({ Bucket, Key: 'race' }))
        const failure = await append('race', ContentLength, `${name}${round};`).then(
          () => undefined,
          (error: Error) => error.name,
        )
        if (failure === undefined) round += 1
        else expect(failure).toBe('InvalidWriteOffset')
      }
    }
    await Promise.all(['a', 'b', 'c'].map(writer))
    const words = (await read('race')).toString().split(';').filter(Boolean)
    expect(words.toSorted()).toEqual(['a', 'b', 'c'].flatMap((name) => [0, 1, 2, 3].map((round) => `${name}${round}`)))
    for (const name of ['a', 'b', 'c']) {
      expect(words.filter((word) => word.startsWith(name))).toEqual([0, 1, 2, 3].map((round) => `${name}${round}`))
    }
  })
})

describe('an append is refused, and what is there is kept,', () => {
  it.each([
    ['before the end', 2, 'InvalidWriteOffset'],
    ['after the end', 6, 'InvalidWriteOffset'],
  ])('%s', async (_, offset, code) => {
    await put('kept', 'first')
    expect(await failureOf(append('kept', offset, 'x'))).toEqual({ code, status: 400 })
    expect((await read('kept')).toString()).toBe('first')
  })

  it('where there is nothing, of nothing, with metadata, at no number, and under a condition that fails', async () => {
    await put('kept', 'first')
    expect((await failureOf(append('absent', 5, 'x'))).code).toBe('InvalidWriteOffset')
    expect((await failureOf(append('kept', 5, new Uint8Array(0)))).code).toBe('InvalidRequest')
    expect((await failureOf(append('kept', 5, 'x', { Metadata: { a: 'b' } }))).code).toBe('InvalidRequest')
    expect((await failureOf(append('kept', 5, 'x', { Tagging: 'a=b' }))).code).toBe('InvalidRequest')
    expect((await failureOf(append('kept', 5, 'x', { IfNoneMatch: '*' }))).code).toBe('PreconditionFailed')
    expect((await failureOf(append('kept', 5, 'x', { IfMatch: '"0123"' }))).code).toBe('PreconditionFailed')
    const headers = { 'x-amz-write-offset-bytes': 'five' }
    const bad = await sendSigned(server, { method: 'PUT', path: `/${Bucket}/kept`, headers, body: 'x' })
    expect([bad.status, bad.code]).toEqual([400, 'InvalidArgument'])
    const wrong = {
      'x-amz-write-offset-bytes': '5',
      'x-amz-checksum-crc32': await checksumOf('CRC32', Buffer.from('y')),
    }
    const damaged = await sendSigned(server, { method: 'PUT', path: `/${Bucket}/kept`, headers: wrong, body: 'x' })
    expect([damaged.status, damaged.code]).toEqual([400, 'BadDigest'])
    expect((await read('kept')).toString()).toBe('first')
  })

  it('in a bucket with versions', async () => {
    const versioned = await newBucket(s3, { versioning: 'Enabled' })
    await s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'k', Body: 'first' }))
    const request = s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'k', Body: 'x', WriteOffsetBytes: 5 }))
    expect(await failureOf(request)).toEqual({ code: 'InvalidRequest', status: 400 })
  })
})
