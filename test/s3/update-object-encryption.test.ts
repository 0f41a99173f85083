import { createHash, randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UpdateObjectEncryptionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { KeyUse } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callSts } from '../iam/query-api.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const account = (await callSts(server, 'GetCallerIdentity')).text('Account')
const bucket = await newBucket(s3, { versioning: 'Enabled' })
for (const key of ['one', 'two']) await cofferJson(server, ['key', 'create', key])

const update = (Key: string, KMSKeyArn: string, BucketKeyEnabled: boolean, VersionId?: string) =>
  s3.send(
    new UpdateObjectEncryptionCommand({
      Bucket: bucket,
      Key,
      ...(VersionId && { VersionId }),
      ObjectEncryption: { SSEKMS: { KMSKeyArn, BucketKeyEnabled } },
    }),
  )
const get = (Key: string, VersionId?: string) =>
  s3.send(new GetObjectCommand({ Bucket: bucket, Key, ...(VersionId && { VersionId }) }))
const head = async (Key: string) => {
  const { ETag, LastModified, VersionId, Metadata, ContentLength, ContentType, ChecksumCRC32 } = await s3.send(
    new HeadObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }),
  )
  return { ETag, LastModified, VersionId, Metadata, ContentLength, ContentType, ChecksumCRC32 }
}

describe('UpdateObjectEncryption', () => {
  it.each([100, 300_000])('of %i bytes changes the key and nothing else, from SSE-S3 and on', async (sizeBytes) => {
    const [Key, body] = [`object-${sizeBytes}`, randomBytes(sizeBytes)]
    const input = { Bucket: bucket, Key, Body: body, Metadata: { a: 'b' }, ContentType: 'text/x' }
    await s3.send(new PutObjectCommand({ ...input, ChecksumAlgorithm: 'CRC32' }))
    const before = await head(Key)
    for (const [keyId, bucketKey] of [
      ['one', false],
      ['two', true],
      ['two', false],
      [`arn:aws:kms:us-east-1:${account}:key/local/one`, true],
    ] as const) {
      await update(Key, keyId, bucketKey)
      expect(await head(Key)).toEqual(before)
      const got = await get(Key)
      expect((await bytesOf(got)).equals(body)).toBe(true)
      expect(got).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyId })
      expect(got.BucketKeyEnabled ?? false).toBe(bucketKey)
    }
    const { versions } = await cofferJson<KeyUse>(server, ['key', 'usage', 'two'])
    expect(versions.reduce((sum, { objectCount }) => sum + objectCount, 0)).toBe(0)
  })

  it('of an older version and of an object in parts keeps both readable', async () => {
    const first = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'versions', Body: 'first' }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'versions', Body: 'second' }))
    await update('versions', 'one', false, first.VersionId)
    expect((await bytesOf(await get('versions', first.VersionId))).toString()).toBe('first')
    const current = await get('versions')
    expect((await bytesOf(current)).toString()).toBe('second')
    expect(current.ServerSideEncryption).toBe('AES256')

    const object = { Bucket: bucket, Key: 'parts' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(object))
    const body = randomBytes(200_000)
    const { ETag } = await s3.send(new UploadPartCommand({ ...object, UploadId, PartNumber: 1, Body: body }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }))
    await update('parts', 'one', false)
    expect((await bytesOf(await get('parts'))).equals(body)).toBe(true)
  })

  it('refuses what it cannot do, and changes nothing', async () => {
    const bytes = randomBytes(32)
    const customer = {
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKey: bytes.toString('base64'),
      SSECustomerKeyMD5: createHash('md5').update(bytes).digest('base64'),
    }
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'customer', Body: 'x', ...customer }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'plain', Body: 'x' }))
    expect(await failureOf(update('customer', 'one', true))).toEqual({ code: 'InvalidRequest', status: 400 })
    expect(await failureOf(update('plain', 'nothing', true))).toEqual({ code: 'KMS.NotFoundException', status: 400 })
    expect(await failureOf(update('none', 'one', true))).toEqual({ code: 'NoSuchKey', status: 404 })
    for (const [body, code] of [
      ['<ObjectEncryption/>', 'MalformedXML'],
      ['<ObjectEncryption><SSE-KMS/></ObjectEncryption>', 'MalformedXML'],
      ['<ObjectEncryption><SSE-S3/></ObjectEncryption>', 'InvalidRequest'],
      ['nothing', 'MalformedXML'],
    ] as const) {
      const raw = { method: 'PUT', path: `/${bucket}/plain`, query: { encryption: '' }, body }
      expect((await sendSigned(server, raw)).code).toBe(code)
    }
    expect((await get('plain')).ServerSideEncryption).toBe('AES256')
  })

  it('of one object by many at once leaves it whole', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'contended', Body: 'x' }))
    const updates = Array.from({ length: 6 }, (_, index) => update('contended', index % 2 ? 'one' : 'two', index < 3))
    for (const outcome of await Promise.allSettled(updates)) {
      if (outcome.status === 'rejected') expect((outcome.reason as Error).name).toBe('OperationAborted')
    }
    expect((await bytesOf(await get('contended'))).toString()).toBe('x')
  })
})
