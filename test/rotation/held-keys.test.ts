import { randomBytes } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { KeyUse, RewrapReport } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const DAY_MS = 24 * 3600 * 1000
const PART_BYTES = 5 * 2 ** 20

const server = await serverForSuite()
const s3 = s3Client(server)

describe('a key that a locked version and an upload in progress need', () => {
  it('cannot be deleted, and leaves both whole when it is rotated, rewrapped, and given up for another', async () => {
    const Bucket = 'held-keys'
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    for (const key of ['held', 'other']) await cofferJson(server, ['key', 'create', key])
    const sealing = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'held', BucketKeyEnabled: false } as const
    const upload = { Bucket, Key: 'upload', UploadId: '' }
    const begun = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'upload', ...sealing }))
    upload.UploadId = begun.UploadId ?? ''
    const bodies = [randomBytes(PART_BYTES), randomBytes(1000)] as const
    const first = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: bodies[0] }))
    const { stderr, code } = await coffer(['key', 'delete', 'held'], server.env)
    expect([code, stderr]).toEqual([1, expect.stringContaining('KMS_KEY_IN_USE')])

    const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: new Date(Date.now() + DAY_MS) } as const
    await s3.send(new PutObjectCommand({ Bucket, Key: 'locked', Body: 'locked', ...lock, ...sealing }))
    const retention = () => s3.send(new GetObjectRetentionCommand({ Bucket, Key: 'locked' }))
    const before = (await retention()).Retention
    await cofferJson(server, ['key', 'rotate', 'held'])
    const use = async (name: string) => (await cofferJson<KeyUse>(server, ['key', 'usage', name])).versions
    expect(await use('held')).toMatchObject([{ version: 1, objectCount: 2 }])
    const report = await cofferJson<RewrapReport>(server, ['key', 'rewrap', 'held'])
    expect(report).toMatchObject({ directObjectCount: 2, failures: [] })
    expect(await use('held')).toMatchObject([{ version: 2, objectCount: 2 }])
    const second = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 2, Body: bodies[1] }))

    await cofferJson(server, ['key', 'rewrap', 'held', '--to', 'other'])
    expect(await use('held')).toEqual([])
    await cofferJson(server, ['key', 'delete', 'held'])
    const Parts = [first, second].map(({ ETag }, index) => ({ ETag, PartNumber: index + 1 }))
    await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'upload' }))
    expect((await bytesOf(got)).equals(Buffer.concat(bodies))).toBe(true)
    const locked = await s3.send(new GetObjectCommand({ Bucket, Key: 'locked' }))
    expect((await bytesOf(locked)).toString()).toBe('locked')
    expect((await retention()).Retention).toEqual(before)
    expect(await use('other')).toMatchObject([{ version: 1, objectCount: 2 }])
  })
})
