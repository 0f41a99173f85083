import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type StorageClass,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { ScrubReport } from '@coffer/contracts'
import { afterAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { formBody, policyFields, postForm } from '../harness/posted-form.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { startClassStores } from './class-stores.ts'

const MIB = 1024 * 1024
const INVALID = { code: 'InvalidStorageClass', status: 400 }

const stores = await startClassStores({ workers: 2 })
const { server } = stores
const s3 = s3Client(server)
const Bucket = await newBucket(s3)
const large = randomBytes(MIB)

afterAll(() => stores.dispose())

async function put(Key: string, StorageClass?: StorageClass, Body: Uint8Array = large): Promise<void> {
  await s3.send(new PutObjectCommand({ Bucket, Key, Body, StorageClass }))
}

async function classOf(Key: string): Promise<string | undefined> {
  return (await s3.send(new HeadObjectCommand({ Bucket, Key }))).StorageClass
}

async function get(Key: string): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))
}

async function countsOf(): Promise<{ first: number; slow: number; cloud: number }> {
  return { first: stores.inFirst().length, slow: stores.inSlow().length, cloud: (await stores.inCloud()).length }
}

describe('an object of a storage class', () => {
  it.each([
    [undefined, 'first'],
    ['STANDARD', 'first'],
    ['STANDARD_IA', 'slow'],
    ['ONEZONE_IA', 'slow'],
    ['GLACIER_IR', 'cloud'],
  ] as const)('%s is kept in its store, the %s one', async (storageClass, store) => {
    const before = await countsOf()
    const Key = `of/${storageClass}`
    await put(Key, storageClass)
    expect(await countsOf()).toEqual({ ...before, [store]: before[store] + 1 })
    expect((await get(Key)).equals(large)).toBe(true)
    const Range = 'bytes=70000-900000'
    const part = await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key, Range })))
    expect(part.equals(large.subarray(70_000, 900_001))).toBe(true)
    // S3 does not name STANDARD in headers, and does elsewhere.
    const named = storageClass ?? 'STANDARD'
    const inHeader = named === 'STANDARD' ? undefined : named
    expect(await classOf(Key)).toBe(inHeader)
    expect((await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=0-0' }))).StorageClass).toBe(inHeader)
    const wanted = { Bucket, Key, ObjectAttributes: ['StorageClass' as const] }
    expect((await s3.send(new GetObjectAttributesCommand(wanted))).StorageClass).toBe(named)
    const query = { Bucket, Prefix: Key }
    expect((await s3.send(new ListObjectsV2Command(query))).Contents?.[0]?.StorageClass).toBe(named)
    expect((await s3.send(new ListObjectVersionsCommand(query))).Versions?.[0]?.StorageClass).toBe(named)
  })

  it('that is not configured, or is none, is refused, and nothing is kept', async () => {
    const before = await countsOf()
    for (const storageClass of ['GLACIER', 'INTELLIGENT_TIERING', 'DEEP_ARCHIVE', 'MARBLE'] as StorageClass[]) {
      expect(await failureOf(put('refused', storageClass))).toMatchObject(INVALID)
      const create = new CreateMultipartUploadCommand({ Bucket, Key: 'refused', StorageClass: storageClass })
      expect(await failureOf(s3.send(create))).toMatchObject(INVALID)
    }
    expect(await failureOf(s3.send(new HeadObjectCommand({ Bucket, Key: 'refused' })))).toMatchObject({ status: 404 })
    expect(await countsOf()).toEqual(before)
  })

  it('of up to 128 KiB is beside its metadata, whatever its class', async () => {
    const before = await countsOf()
    const small = randomBytes(128 * 1024)
    await put('small', 'GLACIER_IR', small)
    expect(await classOf('small')).toBe('GLACIER_IR')
    expect((await get('small')).equals(small)).toBe(true)
    expect(await countsOf()).toEqual(before)
  })

  it('uploaded in parts is in its store from the first part on', async () => {
    const Key = 'parts'
    const before = await countsOf()
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, StorageClass: 'STANDARD_IA' }))
    const bodies = [randomBytes(5 * MIB), randomBytes(10)]
    const Parts = []
    for (const [index, Body] of bodies.entries()) {
      const PartNumber = index + 1
      const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
      Parts.push({ PartNumber, ETag })
    }
    expect(await countsOf()).toEqual({ ...before, slow: before.slow + 2 })
    expect((await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }))).StorageClass).toBe('STANDARD_IA')
    const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
    expect(Uploads?.find((upload) => upload.UploadId === UploadId)?.StorageClass).toBe('STANDARD_IA')
    const MultipartUpload = { Parts }
    await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }))
    expect(await classOf(Key)).toBe('STANDARD_IA')
    expect((await get(Key)).equals(Buffer.concat(bodies))).toBe(true)
  })

  it('comes from a form as well', async () => {
    const before = await countsOf()
    const fields = { key: 'form', 'x-amz-storage-class': 'STANDARD_IA' }
    const conditions = [{ bucket: Bucket }, { key: 'form' }, { 'x-amz-storage-class': 'STANDARD_IA' }]
    const body = formBody({ ...fields, ...policyFields(server, conditions) }, { name: 'f', bytes: large })
    expect((await postForm(server, Bucket, body)).status).toBe(204)
    expect(await classOf('form')).toBe('STANDARD_IA')
    expect(await countsOf()).toEqual({ ...before, slow: before.slow + 1 })
  })

  it('is changed by a copy onto itself; a copy that names none is STANDARD', async () => {
    await put('copied')
    const before = await countsOf()
    const copy = (StorageClass?: StorageClass, Key = 'copied') =>
      s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/copied`, StorageClass }))
    await copy('GLACIER_IR')
    expect(await classOf('copied')).toBe('GLACIER_IR')
    await expect.poll(countsOf).toEqual({ ...before, first: before.first - 1, cloud: before.cloud + 1 })
    await copy('GLACIER_IR')
    expect(await classOf('copied')).toBe('GLACIER_IR')
    await copy()
    expect(await classOf('copied')).toBeUndefined()
    expect(await failureOf(copy())).toMatchObject({ code: 'InvalidRequest' })
    await copy(undefined, 'copy')
    expect(await classOf('copy')).toBeUndefined()
    expect((await get('copied')).equals(large)).toBe(true)
    expect((await get('copy')).equals(large)).toBe(true)
    expect(await failureOf(copy('GLACIER', 'copy'))).toMatchObject(INVALID)
  })

  it('is deleted where it is', async () => {
    const before = await countsOf()
    for (const storageClass of ['STANDARD', 'STANDARD_IA', 'GLACIER_IR'] as const) {
      await put('deleted', storageClass)
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'deleted' }))
    }
    await expect.poll(countsOf).toEqual(before)
  })

  it('is what a policy may ask for (s3:x-amz-storage-class)', async () => {
    const Name = await newBucket(s3)
    const statement = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${Name}/*`,
      Condition: { StringEquals: { 's3:x-amz-storage-class': 'GLACIER_IR' } },
    }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] })
    await s3.send(new PutBucketPolicyCommand({ Bucket: Name, Policy }))
    const { account, accessKey } = await cofferJson<{
      account: { accountId: string }
      accessKey: { accessKeyId: string; secretAccessKey: string }
    }>(server, ['account', 'create', 'guest'])
    const allow = {
      Effect: 'Allow',
      Principal: { AWS: account.accountId },
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${Name}/*`,
    }
    const both = JSON.stringify({ Version: '2012-10-17', Statement: [statement, allow] })
    await s3.send(new PutBucketPolicyCommand({ Bucket: Name, Policy: both }))
    const guest = s3Client({ ...server, ...accessKey })
    const write = (StorageClass: StorageClass) =>
      guest.send(new PutObjectCommand({ Bucket: Name, Key: 'k', Body: 'x', StorageClass }))
    await write('STANDARD_IA')
    expect(await failureOf(write('GLACIER_IR'))).toMatchObject({ code: 'AccessDenied' })
  })
})

describe('several stores', () => {
  it('are all scrubbed: what is missing in one of them is told', async () => {
    expect(await cofferJson<ScrubReport>(server, ['scrub'])).toMatchObject({ damaged: [] })
    const before = stores.inSlow()
    await put('lost', 'STANDARD_IA')
    const [lost = ''] = stores.inSlow().filter((name) => !before.includes(name))
    rmSync(join(stores.slowPath, lost))
    // The scrub of a damaged store ends with 1.
    const { stdout } = await coffer(['scrub', '--json'], server.env)
    const { damaged } = JSON.parse(stdout) as ScrubReport
    expect(damaged).toEqual([{ blobId: expect.stringMatching(`^${lost.slice(3)}-0[12]$`), problem: 'missing' }])
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'lost' }))
  })

  it('are encrypted anew where they are', async () => {
    await put('again', 'GLACIER_IR')
    const before = await countsOf()
    const job = ['job', 'start', 'reencrypt', '--bucket', Bucket, '--prefix', 'again', '--follow']
    expect(await cofferJson(server, job)).toMatchObject({ state: 'completed', result: { changed: { objectCount: 1 } } })
    await expect.poll(countsOf).toEqual(before)
    expect((await get('again')).equals(large)).toBe(true)
    expect(await classOf('again')).toBe('GLACIER_IR')
  })

  it('fail alone: without its endpoint a class is unavailable, and the others are read and written', async () => {
    await put('away', 'GLACIER_IR')
    stores.proxy.isAway = true
    expect(await failureOf(get('away'))).toMatchObject({ status: 503 })
    expect(await failureOf(put('away2', 'GLACIER_IR'))).toMatchObject({ status: 503 })
    await put('here', 'STANDARD_IA')
    expect((await get('here')).equals(large)).toBe(true)
    // Commands that need no object data need no endpoint.
    expect(await coffer(['key', 'list'], server.env)).toMatchObject({ code: 0 })
    const scrubbed = await coffer(['scrub', '--json'], server.env)
    const report = JSON.parse(scrubbed.stdout) as ScrubReport
    expect(scrubbed.code).toBe(1)
    expect(report).toMatchObject({ damaged: [], incomplete: [{ store: 'cloud', code: 'BLOB_UNAVAILABLE' }] })
    expect(report.blobsSeen).toBeGreaterThan(0)
    // A start needs the stores that there are as little.
    await server.killGroup('SIGTERM')
    await server.restart()
    expect((await get('here')).equals(large)).toBe(true)
    expect(await failureOf(get('away'))).toMatchObject({ status: 503 })
    stores.proxy.isAway = false
    expect((await get('away')).equals(large)).toBe(true)
    expect(await cofferJson<ScrubReport>(server, ['scrub'])).toMatchObject({ damaged: [], incomplete: [] })
  })
})
