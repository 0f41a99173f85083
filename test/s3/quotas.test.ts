import { randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { formBody, policyFields, postForm } from '../harness/posted-form.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'

const KIB = 1024
const MIB = 1024 ** 2
const EXCEEDED = { code: 'QuotaExceeded', status: 403 }

interface Usage {
  readonly versionCount: number
  readonly deleteMarkerCount: number
  readonly sizeBytes: number
  readonly partSizeBytes: number
}

describe('a server with quotas', () => {
  let server: CofferServer
  let s3: ReturnType<typeof s3Client>
  beforeAll(async () => {
    server = await startServer({ workers: 2 })
    s3 = s3Client(server, { maxSockets: 40 })
  })
  afterAll(() => server?.dispose())

  const usageOf = async (bucket: string): Promise<Usage> =>
    (await cofferJson<Usage[]>(server, ['bucket', 'usage', bucket]))[0] as Usage
  const setQuota = (...args: string[]) => cofferJson(server, args)
  const put = (Bucket: string, Key: string, sizeBytes: number) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(sizeBytes) }))

  it('refuses every way of writing beyond the bytes of a bucket, and says why', async () => {
    const Bucket = await newBucket(s3)
    await put(Bucket, 'small', 10 * KIB)
    await put(Bucket, 'large', 6 * MIB)
    const upload = { Bucket, Key: 'parts' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
    await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: randomBytes(5 * MIB) }))
    const sizeBytes = 6 * MIB + 10 * KIB
    expect(await usageOf(Bucket)).toMatchObject({ versionCount: 2, sizeBytes, partSizeBytes: 5 * MIB })

    await setQuota('bucket', 'quota', 'set', Bucket, '--size', `${12 * MIB}`)
    const refusals = [
      () => put(Bucket, 'one-too-many', 2 * MIB),
      () => s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/large` })),
      () => s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 2, Body: randomBytes(5 * MIB) })),
      () => s3.send(new UploadPartCopyCommand({ ...upload, UploadId, PartNumber: 2, CopySource: `${Bucket}/large` })),
    ]
    for (const refusal of refusals) {
      await expect(refusal()).rejects.toThrow('This would exceed the quota of bytes of the bucket.')
      expect(await failureOf(refusal())).toEqual(EXCEEDED)
    }
    const fields = policyFields(server, [{ bucket: Bucket }, { key: 'posted' }])
    const form = formBody({ ...fields, key: 'posted' }, { name: 'f', bytes: randomBytes(2 * MIB) })
    expect(await postForm(server, Bucket, form)).toMatchObject({ status: 403, code: 'QuotaExceeded' })
    expect(await usageOf(Bucket)).toMatchObject({ versionCount: 2, sizeBytes, partSizeBytes: 5 * MIB })

    await put(Bucket, 'large', 6 * MIB)
    await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: randomBytes(5 * MIB) }))
    await s3.send(new AbortMultipartUploadCommand({ ...upload, UploadId }))
    await put(Bucket, 'after the abort', 2 * MIB)
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'large' }))
    await put(Bucket, 'after the delete', 9 * MIB)
    expect(await failureOf(put(Bucket, 'small too', MIB - 10 * KIB + 1))).toEqual(EXCEEDED)
    await put(Bucket, 'to the byte', MIB - 10 * KIB)
    expect(await usageOf(Bucket)).toMatchObject({ versionCount: 4, sizeBytes: 12 * MIB, partSizeBytes: 0 })
  })

  it('counts noncurrent versions and not delete markers; a multipart object is one', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    await setQuota('bucket', 'quota', 'set', Bucket, '--objects', '3')
    await put(Bucket, 'k', 1)
    await put(Bucket, 'k', 1)
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    const upload = { Bucket, Key: 'parts' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
    const { ETag } = await s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'part' }))
    const complete = () =>
      s3.send(
        new CompleteMultipartUploadCommand({
          ...{ ...upload, UploadId },
          MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
        }),
      )
    await setQuota('bucket', 'quota', 'set', Bucket, '--objects', '2')
    expect(await failureOf(complete())).toEqual(EXCEEDED)
    await setQuota('bucket', 'quota', 'set', Bucket, '--objects', '3')
    await complete()
    await expect(put(Bucket, 'k', 1)).rejects.toThrow('the quota of object versions of the bucket.')
    expect(await usageOf(Bucket)).toMatchObject({ versionCount: 3, deleteMarkerCount: 1, sizeBytes: 6 })
    await setQuota('bucket', 'quota', 'remove', Bucket)
    await put(Bucket, 'k', 1)
  })

  it('lets exactly so many of many writes at once through all workers', async () => {
    const Bucket = await newBucket(s3)
    await setQuota('bucket', 'quota', 'set', Bucket, '--size', '40KiB')
    const puts = Array.from({ length: 60 }, (_, index) => put(Bucket, `k-${index}`, 2 * KIB))
    const outcomes = await Promise.allSettled(puts)
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
    expect(await usageOf(Bucket)).toMatchObject({ versionCount: 20, sizeBytes: 40 * KIB })
  })

  it('holds an account to the sum of its buckets, also for those whom it lets write', async () => {
    const made = await cofferJson<{ accessKey: { accessKeyId: string; secretAccessKey: string } }>(server, [
      ...['account', 'create', 'tenant'],
    ])
    const tenant = s3Client({ ...server, ...made.accessKey })
    const [one, two] = [await newBucket(tenant), await newBucket(tenant)]
    await setQuota('account', 'quota', 'set', 'tenant', '--size', '100KiB')
    await tenant.send(new PutObjectCommand({ Bucket: one, Key: 'k', Body: randomBytes(60 * KIB) }))
    const over = tenant.send(new PutObjectCommand({ Bucket: two, Key: 'k', Body: randomBytes(41 * KIB) }))
    await expect(over).rejects.toThrow('the quota of bytes of the account that owns the bucket.')
    expect(await failureOf(over)).toEqual(EXCEEDED)
    await tenant.send(new PutObjectCommand({ Bucket: two, Key: 'k', Body: randomBytes(40 * KIB) }))
    await tenant.send(new HeadObjectCommand({ Bucket: two, Key: 'k' }))
    await put(await newBucket(s3), 'of another account', 200 * KIB)
    const [usage] = await cofferJson<unknown[]>(server, ['account', 'usage', 'tenant'])
    expect(usage).toMatchObject({ versionCount: 2, sizeBytes: 100 * KIB, quota: { sizeBytesMax: 100 * KIB } })
  })

  it('is told by commands that know what is there', async () => {
    const Bucket = await newBucket(s3)
    await setQuota('bucket', 'quota', 'set', Bucket, '--size', '1GiB', '--objects', '5')
    const shown = await coffer(['bucket', 'quota', 'show', Bucket], server.env)
    expect(shown.stdout).toBe(`Quota of bucket ${Bucket}: 1.0 GiB, 5 versions.\n`)
    expect((await coffer(['bucket', 'usage'], server.env)).stdout).toContain(Bucket)
    for (const args of [
      ['bucket', 'quota', 'set', 'no-such-bucket', '--size', '1'],
      ['account', 'quota', 'show', 'nobody'],
      ['bucket', 'usage', 'no-such-bucket'],
    ]) {
      const refused = await coffer(args, server.env)
      expect(refused.code).not.toBe(0)
      expect(refused.stderr).toMatch(/COFFER_(BUCKET|ACCOUNT)_NOT_FOUND/)
    }
    expect((await coffer(['bucket', 'quota', 'set', Bucket], server.env)).stderr).toContain('--size or --objects')
  })
})
