import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { formBody, policyFields, postForm } from '../harness/posted-form.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
for (const key of ['payments', 'archive']) await cofferJson(server, ['key', 'create', key])
const alias = await coffer(['key', 'alias', 'create', 'team', 'payments'], server.env)
if (alias.code !== 0) throw new Error(alias.stderr)
const accounts = await cofferJson<{ name: string; accountId: string }[]>(server, ['account', 'list'])
const accountId = accounts.find(({ name }) => name === 'root')?.accountId
const arnOf = (key: string) => `arn:aws:kms:us-east-1:${accountId}:key/${key}`

const DENIED = { code: 'AccessDenied', status: 403 }
const PART_BYTES = 5 * 2 ** 20
const SSE_S3 = { ServerSideEncryption: 'AES256' } as const
const SSE_KMS = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'payments' } as const
const customerKey = randomBytes(32)
const SSE_C = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey.toString('base64') }

/** A bucket that denies s3:PutObject under each of these conditions, with an object `source` from before. */
async function bucketDenying(...conditions: readonly object[]): Promise<string> {
  const Bucket = await newBucket(s3)
  await s3.send(new PutObjectCommand({ Bucket, Key: 'source', Body: 'source' }))
  const Statement = conditions.map((Condition, index) => ({
    Sid: `Deny${index}`,
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${Bucket}/*`,
    Condition,
  }))
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
  return Bucket
}

/** Every way in which an object is written. */
const WAYS: Readonly<Record<string, (Bucket: string, sse: object) => Promise<unknown>>> = {
  'a put': (Bucket, sse) => s3.send(new PutObjectCommand({ Bucket, Key: 'put', Body: 'x', ...sse })),
  'a copy': (Bucket, sse) =>
    s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/source`, ...sse })),
  'an upload in parts': async (Bucket, sse) => {
    const upload = { Bucket, Key: 'parts' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...upload, ...sse }))
    const ofParts = 'SSECustomerKey' in sse ? sse : {}
    const part = { ...upload, UploadId, ...ofParts }
    const sent = await s3.send(new UploadPartCommand({ ...part, PartNumber: 1, Body: Buffer.alloc(PART_BYTES) }))
    const CopySource = `${Bucket}/source`
    const copied = await s3.send(new UploadPartCopyCommand({ ...part, PartNumber: 2, CopySource }))
    const Parts = [sent.ETag, copied.CopyPartResult?.ETag].map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
    await s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts } }))
  },
}
const HEADERS: Readonly<Record<string, string>> = {
  ServerSideEncryption: 'x-amz-server-side-encryption',
  SSEKMSKeyId: 'x-amz-server-side-encryption-aws-kms-key-id',
}

async function posted(bucket: string, sse: object): Promise<{ code: string; status: number }> {
  const said = Object.entries(sse).map(([name, value]) => [HEADERS[name] ?? name, String(value)] as const)
  const signed = policyFields(server, [{ bucket }, ['starts-with', '$key', ''], ...said.map(([n, v]) => ({ [n]: v }))])
  const body = formBody({ key: 'form', ...Object.fromEntries(said), ...signed }, { name: 'f', bytes: 'x' })
  const { code, status } = await postForm(server, bucket, body)
  return { code, status }
}

/** Says of each way what it should: 'in' or 'refused'. */
async function expectOfAll(Bucket: string, sse: object, outcome: 'in' | 'refused'): Promise<void> {
  for (const [way, write] of Object.entries(WAYS)) {
    if (outcome === 'in') await write(Bucket, sse)
    else expect(await failureOf(write(Bucket, sse)), way).toEqual(DENIED)
  }
  if ('SSECustomerKey' in sse) return
  const form = await posted(Bucket, sse)
  expect(form, 'a form').toEqual(outcome === 'in' ? { code: '', status: 204 } : DENIED)
}

/** The policies are those that AWS documents: S3 User Guide, "Protecting data with server-side encryption". */
describe('a bucket policy that denies', () => {
  it('uploads that do not ask for encryption refuses them however they come, and lets in the others', async () => {
    const Bucket = await bucketDenying({ Null: { 's3:x-amz-server-side-encryption': 'true' } })
    await expectOfAll(Bucket, {}, 'refused')
    await expectOfAll(Bucket, SSE_S3, 'in')
    await expectOfAll(Bucket, SSE_KMS, 'in')
  })

  it('whatever is not SSE-KMS refuses SSE-S3 and what says nothing, also where the bucket has SSE-KMS by default', async () => {
    const Bucket = await bucketDenying({ StringNotEquals: { 's3:x-amz-server-side-encryption': 'aws:kms' } })
    const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'payments' } as const
    const ServerSideEncryptionConfiguration = { Rules: [{ ApplyServerSideEncryptionByDefault }] }
    await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration }))
    await expectOfAll(Bucket, {}, 'refused')
    await expectOfAll(Bucket, SSE_S3, 'refused')
    await expectOfAll(Bucket, SSE_C, 'refused')
    await expectOfAll(Bucket, { ...SSE_KMS, ServerSideEncryption: 'aws:kms:dsse' }, 'refused')
    await expectOfAll(Bucket, SSE_KMS, 'in')
  })

  it('every key but one lets in that one, by whatever name the client calls it', async () => {
    const condition = { 's3:x-amz-server-side-encryption-aws-kms-key-id': arnOf('payments') }
    const Bucket = await bucketDenying({ ArnNotEqualsIfExists: condition })
    for (const SSEKMSKeyId of ['payments', 'local/payments', 'alias/team', arnOf('payments')]) {
      await expectOfAll(Bucket, { ...SSE_KMS, SSEKMSKeyId }, 'in')
    }
    for (const SSEKMSKeyId of ['archive', arnOf('archive')]) {
      await expectOfAll(Bucket, { ...SSE_KMS, SSEKMSKeyId }, 'refused')
    }
    const strict = await bucketDenying({ StringNotEquals: condition })
    await expectOfAll(strict, { ServerSideEncryption: 'aws:kms' }, 'refused')
  })

  it('one key refuses it by whatever name the client calls it', async () => {
    const condition = { 's3:x-amz-server-side-encryption-aws-kms-key-id': arnOf('payments') }
    const Bucket = await bucketDenying({ StringEquals: condition })
    for (const SSEKMSKeyId of ['payments', 'local/payments', 'alias/team', arnOf('payments')]) {
      await expectOfAll(Bucket, { ...SSE_KMS, SSEKMSKeyId }, 'refused')
    }
    await expectOfAll(Bucket, { ...SSE_KMS, SSEKMSKeyId: 'archive' }, 'in')
  })

  it("clients' own keys (SSE-C) refuses those, and nothing else", async () => {
    const Bucket = await bucketDenying({ Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'false' } })
    await expectOfAll(Bucket, SSE_C, 'refused')
    await expectOfAll(Bucket, {}, 'in')
    await expectOfAll(Bucket, SSE_KMS, 'in')
    const demanding = await bucketDenying({ Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'true' } })
    await expectOfAll(demanding, SSE_C, 'in')
    await expectOfAll(demanding, {}, 'refused')
  })
})
