import { createHash, randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectLegalHoldCommand,
} from '@aws-sdk/client-s3'
import type { InventoryItem } from '@coffer/service-rotation/inventory'
import { expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ workers: 1 })
const s3 = s3Client(server)
const customerKey = randomBytes(32)

async function ls(...words: string[]): Promise<InventoryItem[]> {
  const { stdout, code } = await coffer(['ls', ...words, '--json'], server.env)
  expect(code).toBe(0)
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as InventoryItem)
}

it('lists what a bucket holds, and under which version of which key', async () => {
  const Bucket = await newBucket(s3, { versioning: 'Enabled' })
  await cofferJson(server, ['key', 'create', 'papers'])
  const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...more }))
  const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'papers' } as const
  await put('in/server')
  await put('in/direct', kms)
  await put('in/bucket-key', { ...kms, BucketKeyEnabled: true })
  await put('in/customer', {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: customerKey.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(customerKey).digest('base64'),
  })
  await put('out')
  const first = await put('in/gone')
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'in/gone' }))

  const common = { bucket: Bucket, isLatest: true, isDeleteMarker: false, storageClass: 'STANDARD', isMultipart: false }
  const items = await ls(`${Bucket}/in/`)
  expect(items).toMatchObject([
    { ...common, key: 'in/bucket-key', encryption: 'SSE-KMS', masterKey: 'local/papers', bucketKeyEnabled: true },
    { ...common, key: 'in/customer', encryption: 'SSE-C' },
    { ...common, key: 'in/direct', encryption: 'SSE-KMS', masterKey: 'local/papers', bucketKeyEnabled: false },
    { ...common, key: 'in/server', encryption: 'SSE-S3', masterKey: 'local/coffer', masterKeyVersion: 1 },
  ])
  expect(items[1]).not.toHaveProperty('masterKey')
  expect(items[3]).toMatchObject({
    etag: createHash('md5').update('in/server').digest('hex'),
    sizeBytes: 9,
    checksumAlgorithm: 'CRC32',
  })

  await cofferJson(server, ['key', 'rotate', 'papers'])
  await cofferJson(server, ['key', 'rewrap', 'papers'])
  const versions = (await ls(`s3://${Bucket}/in/`)).map(({ masterKeyVersion }) => masterKeyVersion)
  expect(versions).toEqual([2, undefined, 2, 1])

  expect(await ls(`${Bucket}/in/gone`)).toEqual([])
  expect(await ls(`${Bucket}/in/gone`, '--versions')).toMatchObject([
    { isDeleteMarker: true, isLatest: true },
    { isDeleteMarker: false, isLatest: false, versionId: first.VersionId },
  ])
  expect((await ls()).filter(({ bucket }) => bucket === Bucket)).toHaveLength(5)
})

it('tells of locks, and shows no key to a terminal as a command', async () => {
  const Bucket = `locked-${randomBytes(6).toString('hex')}`
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  const retainUntil = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000)
  const lock = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: retainUntil } as const
  const Key = 'a\u001b[31mb\nc'
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ChecksumAlgorithm: 'CRC32', ...lock }))
  await s3.send(new PutObjectLegalHoldCommand({ Bucket, Key, LegalHold: { Status: 'ON' } }))
  const [item] = await ls(Bucket)
  expect(item).toMatchObject({ key: Key, retentionMode: 'GOVERNANCE', legalHold: 'ON' })
  expect(item?.retainUntil).toBe(retainUntil.toISOString())
  const { stdout } = await coffer(['ls', Bucket], server.env)
  expect(stdout).toMatch(/^\S+ +1 +STANDARD +SSE-S3 +local\/coffer:1 +\S+\/a\\x1b\[31mb\\x0ac\n$/)
})

it('says what is not there', async () => {
  const { code, stderr } = await coffer(['ls', 'no-such-bucket'], server.env)
  expect(code).toBe(1)
  expect(stderr).toContain('ROTATION_BUCKET_NOT_FOUND')
})
