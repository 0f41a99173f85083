import { createHash, randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ env: { COFFER_PUBLIC_ACCESS: 'allowed' } })
const s3 = s3Client(server)

function customerKey() {
  const key = randomBytes(32)
  return {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: key.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
  }
}

describe('AWS’s answers in corners', () => {
  it('a part under another customer key, or none, is InvalidRequest; so is the completion of an upload with checksums', async () => {
    const Bucket = await newBucket(s3)
    const [key, other] = [customerKey(), customerKey()]
    const upload = { Bucket, Key: 'k' }
    const begun = await s3.send(new CreateMultipartUploadCommand({ ...upload, ...key, ChecksumAlgorithm: 'CRC32' }))
    const { UploadId } = begun
    const part = { ...upload, UploadId, PartNumber: 1, Body: 'x', ChecksumAlgorithm: 'CRC32' as const }
    for (const wrong of [other, {}]) {
      expect(await failureOf(s3.send(new UploadPartCommand({ ...part, ...wrong })))).toEqual({
        code: 'InvalidRequest',
        status: 400,
      })
    }
    const { ETag, ChecksumCRC32 } = await s3.send(new UploadPartCommand({ ...part, ...key }))
    const MultipartUpload = { Parts: [{ ETag, PartNumber: 1, ChecksumCRC32 }] }
    const complete = (presented: object) =>
      s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload, ...presented }))
    for (const wrong of [other, {}]) expect((await failureOf(complete(wrong))).code).toBe('InvalidRequest')
    expect((await complete(key)).ETag).toMatch(/-1"$/)
  })

  it('a write to a suspended bucket names no version; a read of it names the null version', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Suspended' })
    expect((await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))).VersionId).toBeUndefined()
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).VersionId).toBe('null')
  })

  it('who may list below a prefix is told what is not there below it, though they may read nothing', async () => {
    const created = await cofferJson<{ accessKey: { accessKeyId: string; secretAccessKey: string } }>(server, [
      'account',
      'create',
      `lister-${randomBytes(4).toString('hex')}`,
    ])
    const lister = s3Client({ ...server, ...created.accessKey })
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'public/there', Body: 'x' }))
    const Condition = { StringLike: { 's3:prefix': 'public/*' } }
    const Statement = {
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:ListBucket',
      Resource: `arn:aws:s3:::${Bucket}`,
      Condition,
    }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    const statusOf = async (Key: string) =>
      (await failureOf(lister.send(new HeadObjectCommand({ Bucket, Key })))).status
    expect([await statusOf('public/none'), await statusOf('public/there'), await statusOf('none')]).toEqual([
      404, 403, 403,
    ])
  })

  it('tags are shown by key', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', Tagging: 'foo=bar&bar' }))
    const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }))
    expect(TagSet).toEqual([
      { Key: 'bar', Value: '' },
      { Key: 'foo', Value: 'bar' },
    ])
  })

  it('a POST that is signed and no form is 412, a name that no bucket can have 400', async () => {
    const Bucket = await newBucket(s3)
    const posted = await sendSigned(server, { method: 'POST', path: `/${Bucket}`, body: 'x' })
    expect([posted.status, posted.code]).toEqual([412, 'PreconditionFailed'])
    for (const path of ['/a%00b', `/${'x'.repeat(300)}`, '/a%00b/k']) {
      expect((await sendSigned(server, { method: 'DELETE', path })).code).toBe('InvalidBucketName')
      expect((await send(server, { method: 'GET', path })).code).toBe('InvalidBucketName')
    }
  })
})
