import { createHash, randomBytes } from 'node:crypto'
import {
  CreateMultipartUploadCommand,
  DeleteBucketEncryptionCommand,
  type EncryptionType,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, startServer } from '../harness/start-server.ts'

const server = await serverForSuite({ env: { COFFER_BLOCKED_ENCRYPTION_TYPES: 'SSE-C' } })
const s3 = s3Client(server)
const bytes = randomBytes(32)
const CUSTOMER = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: bytes.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(bytes).digest('base64'),
} as const
const REFUSED = { code: 'AccessDenied', status: 403 }

const put = (Bucket: string, sse: object = {}) => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...sse }))
const encryptionOf = async (Bucket: string) =>
  (await s3.send(new GetBucketEncryptionCommand({ Bucket }))).ServerSideEncryptionConfiguration?.Rules?.[0]
const setBlocked = (Bucket: string, type: EncryptionType) => {
  const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: 'AES256' } as const
  const Rules = [{ ApplyServerSideEncryptionByDefault, BlockedEncryptionTypes: { EncryptionType: [type] } }]
  return s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }))
}

it('a new bucket refuses customer keys where the server says so, and takes everything else', async () => {
  const bucket = await newBucket(s3)
  expect(await encryptionOf(bucket)).toMatchObject({
    ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' },
    BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] },
  })
  expect(await failureOf(put(bucket, CUSTOMER))).toEqual(REFUSED)
  const upload = s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'k', ...CUSTOMER }))
  expect(await failureOf(upload)).toEqual(REFUSED)
  expect((await put(bucket)).ServerSideEncryption).toBe('AES256')
})

it('a bucket is allowed them by its own setting, until that is deleted', async () => {
  const bucket = await newBucket(s3)
  await setBlocked(bucket, 'NONE')
  await put(bucket, CUSTOMER)
  await s3.send(new DeleteBucketEncryptionCommand({ Bucket: bucket }))
  expect(await failureOf(put(bucket, CUSTOMER))).toEqual(REFUSED)
  const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', ...CUSTOMER }))
  expect((await bytesOf(got)).toString()).toBe('x')
})

it('buckets that are there keep what they have when the setting changes', async () => {
  const blocked = await newBucket(s3)
  await server.stop()
  const open = await startServer({
    dataDir: server.dataDir,
    accessKeyId: server.accessKeyId,
    secretAccessKey: server.secretAccessKey,
  })
  const client = s3Client(open)
  const send = (Bucket: string) => client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...CUSTOMER }))
  const allowed = await newBucket(client)
  expect(await failureOf(send(blocked))).toEqual(REFUSED)
  await send(allowed)
  await open.dispose()
  await server.restart()
  await put(allowed, CUSTOMER)
})
