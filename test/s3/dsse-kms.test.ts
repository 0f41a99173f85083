import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  UpdateObjectEncryptionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { JobProgress, KeyUse } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const DSSE = { ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId: 'top' } as const
const POLL = { timeout: 60_000, interval: 200 }
const PART_BYTES = 5 * 2 ** 20

const put = (Key: string, input: Partial<PutObjectCommandInput>) =>
  s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x', ...input }))
const get = (Key: string, Range?: string) =>
  s3.send(new GetObjectCommand({ Bucket: bucket, Key, ...(Range && { Range }) }))
const bodyOf = async (Key: string, Range?: string) => bytesOf(await get(Key, Range))
const show = (id: string) => cofferJson<Job>(server, ['job', 'show', id])
const usage = (key: string) => cofferJson<KeyUse>(server, ['key', 'usage', key])

beforeAll(async () => {
  for (const key of ['top', 'next']) await cofferJson(server, ['key', 'create', key])
})

describe('objects under two layers', () => {
  it.each([0, 1_000, 65_536, 131_073, 3_000_000])(
    'of %i bytes are given back, whole and in ranges',
    async (sizeBytes) => {
      const [Key, body] = [`dual-${sizeBytes}`, randomBytes(sizeBytes)]
      const stored = await put(Key, { Body: body, ...DSSE })
      expect(stored).toMatchObject(DSSE)
      expect(stored.BucketKeyEnabled ?? false).toBe(false)
      expect((await bodyOf(Key)).equals(body)).toBe(true)
      expect(await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }))).toMatchObject({
        ...DSSE,
        ContentLength: sizeBytes,
      })
      for (const [first, last] of [
        [0, 0],
        [65_535, 65_537],
        [1_048_500, 1_200_000],
        [sizeBytes - 5, sizeBytes - 1],
      ] as const) {
        if (first < 0 || last >= sizeBytes) continue
        expect((await bodyOf(Key, `bytes=${first}-${last}`)).equals(body.subarray(first, last + 1))).toBe(true)
      }
    },
  )

  it('are bound to their encryption context', async () => {
    const SSEKMSEncryptionContext = Buffer.from(JSON.stringify({ team: 'blue' })).toString('base64')
    await put('context', { ...DSSE, SSEKMSEncryptionContext })
    expect((await bodyOf('context')).toString()).toBe('x')
  })

  it('are uploaded in parts', async () => {
    const Key = 'parts'
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key, ...DSSE }))
    const bodies = [randomBytes(PART_BYTES), randomBytes(100_000)]
    const Parts = []
    for (const [index, Body] of bodies.entries()) {
      const part = { Bucket: bucket, Key, UploadId, PartNumber: index + 1, Body }
      const answer = await s3.send(new UploadPartCommand(part))
      expect(answer).toMatchObject(DSSE)
      Parts.push({ PartNumber: index + 1, ETag: answer.ETag })
    }
    const complete = { Bucket: bucket, Key, UploadId, MultipartUpload: { Parts } }
    expect(await s3.send(new CompleteMultipartUploadCommand(complete))).toMatchObject(DSSE)
    const whole = Buffer.concat(bodies)
    expect((await bodyOf(Key)).equals(whole)).toBe(true)
    const around = `bytes=${PART_BYTES - 10}-${PART_BYTES + 70_000}`
    expect((await bodyOf(Key, around)).equals(whole.subarray(PART_BYTES - 10, PART_BYTES + 70_001))).toBe(true)
  })

  it('are copied to and from other kinds of encryption', async () => {
    const body = randomBytes(300_000)
    await put('plain', { Body: body })
    const copy = (from: string, Key: string, more: object) =>
      s3.send(new CopyObjectCommand({ Bucket: bucket, Key, CopySource: `${bucket}/${from}`, ...more }))
    expect(await copy('plain', 'doubled', DSSE)).toMatchObject(DSSE)
    expect(await copy('doubled', 'again', DSSE)).toMatchObject(DSSE)
    expect(await copy('again', 'single', { ServerSideEncryption: 'AES256' })).toMatchObject({
      ServerSideEncryption: 'AES256',
    })
    for (const key of ['doubled', 'again', 'single']) expect((await bodyOf(key)).equals(body)).toBe(true)
  })

  it('have no bucket keys', async () => {
    expect(await failureOf(put('refused', { ...DSSE, BucketKeyEnabled: true }))).toMatchObject({
      status: 400,
      code: 'InvalidArgument',
    })
  })

  it('are what a bucket gives by default, bucket key or not', async () => {
    const Bucket = await newBucket(s3)
    const Rules = [
      {
        ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms:dsse', KMSMasterKeyID: 'top' } as const,
        BucketKeyEnabled: true,
      },
    ]
    await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }))
    const { ServerSideEncryptionConfiguration } = await s3.send(new GetBucketEncryptionCommand({ Bucket }))
    expect(ServerSideEncryptionConfiguration?.Rules).toMatchObject(Rules)
    const stored = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    expect(stored).toMatchObject(DSSE)
    expect(stored.BucketKeyEnabled ?? false).toBe(false)
  })

  it('are refused by UpdateObjectEncryption, from which and to which AWS has no way', async () => {
    await put('fixed', DSSE)
    const SSEKMS = { KMSKeyArn: 'next', BucketKeyEnabled: false }
    const update = new UpdateObjectEncryptionCommand({ Bucket: bucket, Key: 'fixed', ObjectEncryption: { SSEKMS } })
    expect(await failureOf(s3.send(update))).toMatchObject({ status: 400, code: 'InvalidRequest' })
  })

  it.each(['top', 'coffer'])('need %s, which opens one of the layers', async (layerKey) => {
    await put('needs-both', DSSE)
    await cofferJson(server, ['key', 'disable', layerKey, '--yes'])
    try {
      await expect.poll(async () => (await failureOf(get('needs-both'))).code, POLL).toBe('KMS.DisabledException')
    } finally {
      await cofferJson(server, ['key', 'enable', layerKey])
    }
    await expect.poll(() => bodyOf('needs-both').then(String, () => 'refused'), POLL).toBe('x')
  })
})

describe('jobs', () => {
  it('rewrap, reseal and encrypt such objects anew with both layers', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    const bodies = new Map(['small', 'large'].map((key) => [key, randomBytes(key === 'small' ? 500 : 400_000)]))
    await cofferJson(server, ['key', 'create', 'turned'])
    for (const [Key, Body] of bodies) {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body, ...DSSE, SSEKMSKeyId: 'turned' }))
    }
    const check = async (SSEKMSKeyId: string) => {
      for (const [Key, body] of bodies) {
        const got = await s3.send(new GetObjectCommand({ Bucket, Key }))
        expect(got).toMatchObject({ ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId })
        expect((await bytesOf(got)).equals(body)).toBe(true)
      }
    }
    await cofferJson(server, ['key', 'rotate', 'turned'])
    expect((await usage('turned')).versions).toMatchObject([{ version: 1, objectCount: 2 }])
    await cofferJson(server, ['key', 'rewrap', 'turned'])
    expect((await usage('turned')).versions).toMatchObject([{ version: 2, objectCount: 2 }])
    await check('turned')
    await cofferJson(server, ['key', 'rotate', 'coffer'])
    await cofferJson(server, ['key', 'rewrap', 'coffer'])
    await check('turned')
    const run = async (...words: string[]) => {
      const { id } = await cofferJson<Job>(server, ['job', 'start', ...words, '--bucket', Bucket])
      await expect.poll(async () => (await show(id)).endedAt, POLL).toBeDefined()
      return (await show(id)).result as unknown as JobProgress
    }
    for (const words of [
      ['reseal', '--to-key', 'next'],
      ['reencrypt', '--algorithm', 'CHACHA20-POLY1305', '--encrypted-with', 'AES-256-GCM-DUAL'],
    ]) {
      expect((await run(...words)).changed.objectCount).toBe(2)
      await check('next')
    }
    for (const kind of ['reseal', 'reencrypt']) {
      expect((await run(kind, '--to-sse-s3')).changed.objectCount).toBe(0)
      await check('next')
    }
  })
})
