import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteBucketEncryptionCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)

describe('SSE-S3', () => {
  it('is on without being asked for, and every answer says so', async () => {
    const Key = 'default'
    expect((await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))).ServerSideEncryption).toBe(
      'AES256',
    )
    expect((await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))).ServerSideEncryption).toBe('AES256')
    expect((await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }))).ServerSideEncryption).toBe('AES256')
    const copy = await s3.send(new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: `${bucket}/${Key}` }))
    expect(copy.ServerSideEncryption).toBe('AES256')
    const created = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'upload' }))
    expect(created.ServerSideEncryption).toBe('AES256')
    const upload = { Bucket: bucket, Key: 'upload', UploadId: created.UploadId ?? '' }
    const part = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: randomBytes(10) }))
    expect(part.ServerSideEncryption).toBe('AES256')
    const Parts = [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }]
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
    expect(done.ServerSideEncryption).toBe('AES256')
  })

  it('can be asked for', async () => {
    const put = new PutObjectCommand({ Bucket: bucket, Key: 'asked', Body: 'x', ServerSideEncryption: 'AES256' })
    expect((await s3.send(put)).ServerSideEncryption).toBe('AES256')
  })

  it.each([
    ['an unknown algorithm', { 'x-amz-server-side-encryption': 'AES512' }],
    ['lower case', { 'x-amz-server-side-encryption': 'aes256' }],
    ['nothing', { 'x-amz-server-side-encryption': '' }],
    ['an unknown KMS kind', { 'x-amz-server-side-encryption': 'aws:kms:tsse' }],
    ['a KMS key without KMS', { 'x-amz-server-side-encryption-aws-kms-key-id': 'k' }],
    ['a header that nobody knows', { 'x-amz-server-side-encryption-wishful': 'yes' }],
  ])('refuses a write whose encryption header says %s: nothing is stored in the clear', async (_what, headers) => {
    for (const method of ['PUT', 'POST']) {
      const query = method === 'POST' ? { uploads: '' } : {}
      const body = method === 'POST' ? '' : 'plain'
      const answer = await sendSigned(server, { method, path: `/${bucket}/refused`, query, headers, body })
      expect(answer.status, `${method} ${answer.body}`).toBeGreaterThanOrEqual(400)
      expect(answer.code).not.toBe('InternalError')
    }
    const copyHeaders = { ...headers, 'x-amz-copy-source': `/${bucket}/asked` }
    const copy = await sendSigned(server, { method: 'PUT', path: `/${bucket}/refused`, headers: copyHeaders })
    expect(copy.status).toBeGreaterThanOrEqual(400)
    expect((await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'refused' })))).status).toBe(404)
  })
})

describe('bucket encryption', () => {
  const rules = (SSEAlgorithm: 'AES256') => ({
    Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm }, BucketKeyEnabled: true }],
  })

  it('is SSE-S3 from the start, as AWS answers it', async () => {
    const own = await newBucket(s3)
    const { ServerSideEncryptionConfiguration } = await s3.send(new GetBucketEncryptionCommand({ Bucket: own }))
    expect(ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm).toBe(
      'AES256',
    )
  })

  it('can be put, read and deleted back to the default', async () => {
    const own = await newBucket(s3)
    const put = { Bucket: own, ServerSideEncryptionConfiguration: rules('AES256') }
    await s3.send(new PutBucketEncryptionCommand(put))
    const got = await s3.send(new GetBucketEncryptionCommand({ Bucket: own }))
    expect(got.ServerSideEncryptionConfiguration?.Rules?.[0]?.BucketKeyEnabled).toBe(true)
    const deleted = await s3.send(new DeleteBucketEncryptionCommand({ Bucket: own }))
    expect(deleted.$metadata.httpStatusCode).toBe(204)
    const object = await s3.send(new PutObjectCommand({ Bucket: own, Key: 'k', Body: 'x' }))
    expect(object.ServerSideEncryption).toBe('AES256')
  })

  it('refuses an algorithm that there is not, and rules that are none', async () => {
    const own = await newBucket(s3)
    const unknown = { Bucket: own, ServerSideEncryptionConfiguration: rules('AES512' as 'AES256') }
    expect((await failureOf(s3.send(new PutBucketEncryptionCommand(unknown)))).status).toBe(400)
    const empty = { Bucket: own, ServerSideEncryptionConfiguration: { Rules: [] } }
    expect(await failureOf(s3.send(new PutBucketEncryptionCommand(empty)))).toEqual({
      code: 'MalformedXML',
      status: 400,
    })
  })
})
