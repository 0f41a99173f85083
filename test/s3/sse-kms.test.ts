import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
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
  type PutObjectCommandInput,
  type ServerSideEncryptionByDefault,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callSts } from '../iam/query-api.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const account = (await callSts(server, 'GetCallerIdentity')).text('Account')
const bucket = await newBucket(s3)
const key = (...words: string[]) => cofferJson(server, ['key', ...words])

/** How long a worker may rely on what it knows of a key (services/crypto, LEASE_MS), and a little. */
const LEASE_MS = 2_500
const KMS = { ServerSideEncryption: 'aws:kms' } as const
const contextOf = (context: unknown) => Buffer.from(JSON.stringify(context)).toString('base64')

const put = (Key: string, input: Partial<PutObjectCommandInput>) =>
  s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x', ...input }))
const get = (Key: string) => s3.send(new GetObjectCommand({ Bucket: bucket, Key }))

beforeAll(async () => {
  await key('create', 'payments')
  await key('create', 'archive')
})

describe('objects under a KMS key', () => {
  it.each([
    [0, false],
    [1_000, true],
    [131_073, false],
    [2_000_000, true],
  ])('of %i bytes are given back, bucket key: %s', async (sizeBytes, bucketKey) => {
    const [Key, body] = [`kms-${sizeBytes}`, randomBytes(sizeBytes)]
    const stored = await put(Key, { Body: body, ...KMS, SSEKMSKeyId: 'payments', BucketKeyEnabled: bucketKey })
    expect(stored).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'payments' })
    expect(stored.BucketKeyEnabled ?? false).toBe(bucketKey)
    expect(stored.ETag).not.toBe(`"${createHash('md5').update(body).digest('hex')}"`)
    const got = await get(Key)
    expect((await bytesOf(got)).equals(body)).toBe(true)
    expect(got).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'payments' })
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }))
    expect(head).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'payments' })
  })

  it('are bound to an encryption context, which no answer shows', async () => {
    for (const bucketKey of [true, false]) {
      const context = contextOf({ team: 'blue', purpose: 'test' })
      const stored = await put('context', {
        ...KMS,
        SSEKMSKeyId: 'payments',
        SSEKMSEncryptionContext: context,
        BucketKeyEnabled: bucketKey,
      })
      const got = await get('context')
      expect((await bytesOf(got)).toString()).toBe('x')
      expect(JSON.stringify([stored, got.Metadata, got.SSEKMSKeyId])).not.toContain(context)
    }
  })

  it('take the server key where none is named, and a key by its ARN', async () => {
    expect(await put('default', KMS)).toMatchObject({ SSEKMSKeyId: 'coffer' })
    const arn = `arn:aws:kms:us-east-1:${account}:key/local/archive`
    expect(await put('arn', { ...KMS, SSEKMSKeyId: arn })).toMatchObject({ SSEKMSKeyId: arn })
    expect((await bytesOf(await get('arn'))).toString()).toBe('x')
  })

  it('refuse an unknown key and a context that is no JSON map, and store nothing', async () => {
    const unknown = put('refused', { ...KMS, SSEKMSKeyId: 'no-such-key' })
    expect(await failureOf(unknown)).toEqual({ code: 'KMS.NotFoundException', status: 400 })
    const elsewhere = put('refused', { ...KMS, SSEKMSKeyId: 'no-such-kms/key' })
    expect(await failureOf(elsewhere)).toEqual({ code: 'KMS.NotFoundException', status: 400 })
    const rubbish = put('refused', { ...KMS, SSEKMSEncryptionContext: 'bm90IGpzb24=' })
    expect(await failureOf(rubbish)).toEqual({ code: 'InvalidArgument', status: 400 })
    expect((await failureOf(get('refused'))).status).toBe(404)
  })

  it('are copied under another key, and uploaded in parts', async () => {
    const copy = { Bucket: bucket, Key: 'copied', CopySource: `${bucket}/kms-2000000` }
    const copied = await s3.send(new CopyObjectCommand({ ...copy, ...KMS, SSEKMSKeyId: 'archive' }))
    expect(copied).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'archive' })
    const source = await bytesOf(await get('kms-2000000'))
    expect((await bytesOf(await get('copied'))).equals(source)).toBe(true)

    const object = { Bucket: bucket, Key: 'parts' }
    const context = contextOf({ a: 'b' })
    const created = await s3.send(
      new CreateMultipartUploadCommand({ ...object, ...KMS, SSEKMSKeyId: 'archive', SSEKMSEncryptionContext: context }),
    )
    expect(created).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'archive' })
    const body = randomBytes(100_000)
    // A rotation in the middle of an upload.
    await key('rotate', 'archive')
    const part = { ...object, UploadId: created.UploadId, PartNumber: 1 }
    const { ETag, ChecksumCRC32 } = await s3.send(new UploadPartCommand({ ...part, Body: body }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32 }] }
    await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId: created.UploadId, MultipartUpload }))
    const got = await get('parts')
    expect((await bytesOf(got)).equals(body)).toBe(true)
    expect(got).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'archive' })
  })
})

describe('a key that is disabled or awaits its deletion', () => {
  it.each([true, false])('opens and seals nothing until it is enabled, bucket key: %s', async (bucketKey) => {
    await put('guarded', { ...KMS, SSEKMSKeyId: 'payments', BucketKeyEnabled: bucketKey })
    await key('disable', 'payments', '--yes')
    await sleep(LEASE_MS)
    const writing = put('other', { ...KMS, SSEKMSKeyId: 'payments', BucketKeyEnabled: bucketKey })
    expect(await failureOf(writing)).toEqual({ code: 'KMS.DisabledException', status: 400 })
    expect(await failureOf(get('guarded'))).toEqual({ code: 'KMS.DisabledException', status: 400 })
    // The rest goes on.
    await put('unguarded', {})
    await key('enable', 'payments')
    await sleep(LEASE_MS)
    expect((await bytesOf(await get('guarded'))).toString()).toBe('x')
  })

  it('ends no download that has begun', async () => {
    const body = randomBytes(8 * 1024 * 1024)
    await put('long', { Body: body, ...KMS, SSEKMSKeyId: 'payments', BucketKeyEnabled: true })
    const begun = await get('long')
    await key('disable', 'payments', '--yes')
    await sleep(LEASE_MS)
    expect((await bytesOf(begun)).equals(body)).toBe(true)
    expect((await failureOf(get('long'))).code).toBe('KMS.DisabledException')
    await key('enable', 'payments')
  })

  it('is told from one that is disabled', async () => {
    await key('create', 'leaving')
    await key('delete', 'leaving', '--pending-days', '7')
    const writing = put('leaving', { ...KMS, SSEKMSKeyId: 'leaving' })
    expect(await failureOf(writing)).toEqual({ code: 'KMS.KMSInvalidStateException', status: 400 })
  })
})

describe('the encryption of a bucket', () => {
  const setDefault = (name: string, byDefault: ServerSideEncryptionByDefault, rest: object = {}) =>
    s3.send(
      new PutBucketEncryptionCommand({
        Bucket: name,
        ServerSideEncryptionConfiguration: {
          Rules: [{ ApplyServerSideEncryptionByDefault: byDefault, ...rest }],
        },
      }),
    )

  it('by default under a KMS key holds for puts, copies and uploads that say nothing', async () => {
    const name = await newBucket(s3)
    await setDefault(name, { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'archive' }, { BucketKeyEnabled: true })
    const told = await s3.send(new GetBucketEncryptionCommand({ Bucket: name }))
    expect(told.ServerSideEncryptionConfiguration?.Rules?.[0]).toMatchObject({
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'archive' },
      BucketKeyEnabled: true,
    })
    const expected = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'archive', BucketKeyEnabled: true }
    expect(await s3.send(new PutObjectCommand({ Bucket: name, Key: 'a', Body: 'x' }))).toMatchObject(expected)
    const copy = { Bucket: name, Key: 'b', CopySource: `${name}/a` }
    expect(await s3.send(new CopyObjectCommand(copy))).toMatchObject(expected)
    expect(await s3.send(new CreateMultipartUploadCommand({ Bucket: name, Key: 'c' }))).toMatchObject(expected)
    const own = await s3.send(
      new PutObjectCommand({ Bucket: name, Key: 'd', Body: 'x', ServerSideEncryption: 'AES256' }),
    )
    expect(own.ServerSideEncryption).toBe('AES256')
    await s3.send(new DeleteBucketEncryptionCommand({ Bucket: name }))
    const later = await s3.send(new PutObjectCommand({ Bucket: name, Key: 'e', Body: 'x' }))
    expect(later.ServerSideEncryption).toBe('AES256')
  })

  it('is refused with a key that is not there', async () => {
    const setting = setDefault(bucket, { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'no-such-key' })
    expect(await failureOf(setting)).toEqual({ code: 'KMS.NotFoundException', status: 400 })
  })

  it('blocks customer keys when told to: writes are 403, what is there can be read', async () => {
    const name = await newBucket(s3)
    const bytes = randomBytes(32)
    const customer = {
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKey: bytes.toString('base64'),
      SSECustomerKeyMD5: createHash('md5').update(bytes).digest('base64'),
    }
    await s3.send(new PutObjectCommand({ Bucket: name, Key: 'before', Body: 'x', ...customer }))
    await setDefault(name, { SSEAlgorithm: 'AES256' }, { BlockedEncryptionTypes: { EncryptionType: ['SSE-C'] } })
    const blocked = s3.send(new PutObjectCommand({ Bucket: name, Key: 'after', Body: 'x', ...customer }))
    expect(await failureOf(blocked)).toEqual({ code: 'AccessDenied', status: 403 })
    const upload = s3.send(new CreateMultipartUploadCommand({ Bucket: name, Key: 'after', ...customer }))
    expect(await failureOf(upload)).toEqual({ code: 'AccessDenied', status: 403 })
    const got = await s3.send(new GetObjectCommand({ Bucket: name, Key: 'before', ...customer }))
    expect((await bytesOf(got)).toString()).toBe('x')
    await setDefault(name, { SSEAlgorithm: 'AES256' }, { BlockedEncryptionTypes: { EncryptionType: ['NONE'] } })
    await s3.send(new PutObjectCommand({ Bucket: name, Key: 'after', Body: 'x', ...customer }))
  })
})
