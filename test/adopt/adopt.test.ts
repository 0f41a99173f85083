import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, readFileSync } from 'node:fs'
import { CreateKeyCommand, ScheduleKeyDeletionCommand } from '@aws-sdk/client-kms'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { startServer } from '../harness/start-server.ts'
import { newTenant } from '../kms-api/tenants.ts'
import { credentialsFileFor, progressOf, startAdopt, untilJob } from './adopting.ts'
import { putInParts } from './put-in-parts.ts'

const PART_BYTES = 5 * 2 ** 20
const SSE_C = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: randomBytes(32).toString('base64') }

const [source, target] = await Promise.all([startServer({ workers: 1 }), startServer({ workers: 2 })])
afterAll(async () => {
  await Promise.all([source.dispose(), target.dispose()])
})
const credentialsFile = credentialsFileFor(source)
const theirs = s3Client(source)
const ours = s3Client(target)

const fromBucket = (bucket: string) => ({ endpoint: source.endpoint, bucket, credentialsFile })
const adopt = async (from: string, to: string, ...more: string[]) =>
  await untilJob(target, (await startAdopt(target, fromBucket(from), to, ...more)).id)
const put = (Bucket: string, Key: string, Body: string | Buffer, more: Partial<PutObjectCommandInput> = {}) =>
  theirs.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))

describe('adopting a bucket of another Coffer', () => {
  it('takes data, dates, ETags, headers, metadata and tags as they are; a second run finds nothing to do', async () => {
    const from = await newBucket(theirs)
    const to = await newBucket(ours)
    const headers = {
      ContentType: 'text/x-note',
      CacheControl: 'max-age=60',
      ContentDisposition: 'inline',
      Expires: new Date(86_400_000),
    }
    await put(from, 'notes/a b+ü&<x>.txt', 'hello', {
      ...headers,
      Metadata: { mood: 'fine' },
      Tagging: 'team=a%20b&x=y',
    })
    await put(from, 'empty', Buffer.alloc(0))
    await put(from, 'blob', randomBytes(400_000), { ChecksumAlgorithm: 'SHA256' })
    await put(from, 'kms', randomBytes(1000), { ServerSideEncryption: 'aws:kms' })
    for (let index = 0; index < 20; index++) await put(from, `many/${index}`, `object ${index}`)
    await putInParts(theirs, { Bucket: from, Key: 'parts-crc' }, randomBytes(2 * PART_BYTES + 12_345))
    await putInParts(theirs, { Bucket: from, Key: 'parts-sha' }, randomBytes(PART_BYTES + 1), 'SHA256')

    const preview = await adopt(from, to, '--dry-run')
    expect(progressOf(preview)).toMatchObject({ changed: { objectCount: 26 }, skippedCount: 0, failedCount: 0 })
    expect((await ours.send(new ListObjectsV2Command({ Bucket: to }))).KeyCount).toBe(0)

    const job = await adopt(from, to)
    expect(job).toMatchObject({ state: 'completed', result: { failedCount: 0, changed: { objectCount: 26 } } })
    expect(JSON.stringify(job)).not.toContain(source.secretAccessKey)
    expect(JSON.stringify(job)).not.toContain(source.accessKeyId)
    const before = await snapshotOf(theirs, from)
    expect(before.size).toBe(26)
    const after = await snapshotOf(ours, to)
    // An SSE-KMS object's ETag is no MD5; here it is that of its bytes, as of any put.
    const [kms, keptKms] = [before.get('kms'), after.get('kms')]
    expect(keptKms?.etag).toBe(
      `"${createHash('md5')
        .update(await bodyOf(ours, to, 'kms'))
        .digest('hex')}"`,
    )
    expect(keptKms?.digest).toBe(kms?.digest)
    before.delete('kms')
    after.delete('kms')
    expect(after).toEqual(before)
    const second = { Bucket: to, Key: 'parts-crc', PartNumber: 2 }
    const part = await ours.send(new HeadObjectCommand(second))
    expect([part.PartsCount, part.ContentLength]).toEqual([3, PART_BYTES])

    const again = await adopt(from, to)
    expect(progressOf(again)).toMatchObject({ changed: { objectCount: 0 }, skippedCount: 26, failedCount: 0 })
    const some = await adopt(from, await newBucket(ours), '--prefix', 'many/1')
    expect(progressOf(some)).toMatchObject({ changed: { objectCount: 11 }, total: { objectCount: 11 } })
  })

  it('takes what has changed there since, and leaves what was written or deleted here', async () => {
    const [from, to] = [await newBucket(theirs), await newBucket(ours, { versioning: 'Enabled' })]
    for (const key of ['changed', 'mine', 'gone', 'same']) await put(from, key, `first ${key}`)
    await adopt(from, to)
    await put(from, 'changed', 'second')
    await put(from, 'new', 'new')
    await ours.send(new PutObjectCommand({ Bucket: to, Key: 'mine', Body: 'written here' }))
    await ours.send(new DeleteObjectCommand({ Bucket: to, Key: 'gone' }))
    const job = await adopt(from, to)
    expect(progressOf(job)).toMatchObject({ changed: { objectCount: 2 }, skippedCount: 3, failedCount: 0 })
    expect((await bodyOf(ours, to, 'changed')).toString()).toBe('second')
    expect((await bodyOf(ours, to, 'mine')).toString()).toBe('written here')
    const { Contents = [] } = await ours.send(new ListObjectsV2Command({ Bucket: to }))
    expect(Contents.map(({ Key }) => Key)).toEqual(['changed', 'mine', 'new', 'same'])
  })

  it('with --versions: all versions and delete markers in their order, each once', async () => {
    const from = await newBucket(theirs, { versioning: 'Enabled' })
    const to = await newBucket(ours, { versioning: 'Enabled' })
    for (let round = 0; round < 3; round++) {
      for (const key of ['a', 'a/b', 'z']) await put(from, key, `${key} ${round}`)
      await theirs.send(new DeleteObjectCommand({ Bucket: from, Key: 'a' }))
    }
    await put(from, 'a', 'the last')
    const refused = await adopt(from, await newBucket(ours), '--versions')
    expect(refused).toMatchObject({ state: 'failed', failure: { code: 'ROTATION_REQUEST_INVALID' } })
    const job = await adopt(from, to, '--versions')
    expect(progressOf(job)).toMatchObject({ changed: { objectCount: 13 }, failedCount: 0 })
    const history = await historyOf(theirs, from)
    expect(history).toHaveLength(13)
    expect(await historyOf(ours, to)).toEqual(history)
    await put(from, 'z', 'one more')
    const again = await adopt(from, to, '--versions')
    expect(progressOf(again)).toMatchObject({ changed: { objectCount: 1 }, skippedCount: 13, failedCount: 0 })
    expect(await historyOf(ours, to)).toEqual(await historyOf(theirs, from))
    const current = await adopt(from, to)
    expect(progressOf(current)).toMatchObject({ changed: { objectCount: 0 }, skippedCount: 3 })
  })

  it('walks listings of many pages, of objects and of versions', async () => {
    const from = await newBucket(theirs, { versioning: 'Enabled' })
    const keys = Array.from({ length: 1_005 }, (_, index) => `${index % 3}/${index}`)
    await Promise.all(keys.map((key) => put(from, key, key)))
    await Promise.all(keys.slice(0, 10).map((key) => put(from, key, 'second')))
    const to = await newBucket(ours, { versioning: 'Enabled' })
    expect(progressOf(await adopt(from, to, '--dry-run'))).toMatchObject({ changed: { objectCount: 1_005 } })
    expect(progressOf(await adopt(from, to, '--dry-run', '--versions'))).toMatchObject({
      changed: { objectCount: 1_015 },
    })
  })

  it('reports what it does not get, with the reason: under customers keys, or locked there and not here', async () => {
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000)
    const from = await lockedBucket(theirs)
    const to = await newBucket(ours)
    await put(from, 'theirs', 'secret', SSE_C)
    await put(from, 'open', 'open')
    await put(from, 'held', 'held', { ObjectLockLegalHoldStatus: 'ON' })
    await put(from, 'kept', 'kept', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: until })
    const { id } = await startAdopt(target, fromBucket(from), to)
    const job = await untilJob(target, id)
    expect(progressOf(job)).toMatchObject({
      changed: { objectCount: 1 },
      failures: expect.arrayContaining([
        { what: 'theirs', code: 'ROTATION_SOURCE_NEEDS_KEY', reason: 'SSE-C' },
        { what: 'held', code: 'ROTATION_SOURCE_LOCKED', reason: 'make the bucket with Object Lock' },
      ]),
    })
    expect(progressOf(job).failedCount).toBe(3)
    const shown = await coffer(['job', 'show', id], target.env)
    expect(shown.stdout).toContain('failed: theirs: ROTATION_SOURCE_NEEDS_KEY')
    const locked = await lockedBucket(ours)
    expect(progressOf(await adopt(from, locked))).toMatchObject({ changed: { objectCount: 3 }, failedCount: 1 })
    const held = await ours.send(new HeadObjectCommand({ Bucket: locked, Key: 'held' }))
    expect(held.ObjectLockLegalHoldStatus).toBe('ON')
    const kept = await ours.send(new HeadObjectCommand({ Bucket: locked, Key: 'kept' }))
    expect([kept.ObjectLockMode, kept.ObjectLockRetainUntilDate]).toEqual(['GOVERNANCE', until])
  })

  it('seals as the bucket has it: SSE-KMS where that is its default', async () => {
    const from = await newBucket(theirs)
    const to = await newBucket(ours)
    await cofferJson(target, ['key', 'create', 'adopted'])
    const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'adopted' } as const
    const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }]
    await ours.send(new PutBucketEncryptionCommand({ Bucket: to, ServerSideEncryptionConfiguration: { Rules } }))
    const bodies = { small: randomBytes(100), large: randomBytes(300_000) }
    for (const [key, body] of Object.entries(bodies)) await put(from, key, body)
    await adopt(from, to)
    for (const [Key, body] of Object.entries(bodies)) {
      const got = await ours.send(new GetObjectCommand({ Bucket: to, Key }))
      expect((await bytesOf(got)).equals(body)).toBe(true)
      expect([got.ServerSideEncryption, got.SSEKMSKeyId]).toEqual(['aws:kms', expect.stringContaining('adopted')])
      expect(got.ETag).not.toBe(`"${createHash('md5').update(body).digest('hex')}"`)
    }
    expect(progressOf(await adopt(from, to))).toMatchObject({ changed: { objectCount: 0 }, skippedCount: 2 })
  })

  it('seals nothing under another account’s key because a bucket names it', async () => {
    const from = await newBucket(theirs)
    await put(from, 'k', 'x')
    const [blue, red] = [await newTenant(target, 'blue'), await newTenant(target, 'red')]
    const { KeyMetadata } = await blue.kms.send(new CreateKeyCommand({}))
    const to = await newBucket(red.s3)
    const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: KeyMetadata?.Arn } as const
    const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }]
    await red.s3.send(new PutBucketEncryptionCommand({ Bucket: to, ServerSideEncryptionConfiguration: { Rules } }))
    expect(progressOf(await adopt(from, to))).toMatchObject({
      changed: { objectCount: 0 },
      failures: [{ what: 'k', code: 'KMS_ACCESS_DENIED' }],
    })
    // So the key is not held by what its owner knows nothing of.
    const remove = new ScheduleKeyDeletionCommand({ KeyId: KeyMetadata?.KeyId })
    expect((await blue.kms.send(remove)).KeyState).toBe('PendingDeletion')
  })

  it('that is killed with the whole server goes on after the next start: nothing is missing, nothing taken twice', async () => {
    const from = await newBucket(theirs, { versioning: 'Enabled' })
    const to = await newBucket(ours, { versioning: 'Enabled' })
    for (let index = 0; index < 60; index++) {
      await put(from, `o${index % 30}`, randomBytes(index % 10 === 0 ? 200_000 : 300))
    }
    const { id } = await startAdopt(target, fromBucket(from), to, '--versions', '--objects-per-second', '15')
    await untilJob(target, id, (job) => (progressOf(job)?.changed.objectCount ?? 0) > 15)
    await target.killGroup('SIGKILL')
    await target.restart()
    const job = await untilJob(target, id)
    expect(job).toMatchObject({ state: 'completed', result: { failedCount: 0, total: { objectCount: 60 } } })
    expect(await historyOf(ours, to)).toEqual(await historyOf(theirs, from))
    const again = await adopt(from, to, '--versions')
    expect(progressOf(again)).toMatchObject({ changed: { objectCount: 0 }, skippedCount: 60, failedCount: 0 })
    const scrubbed = await cofferJson<{ damaged: unknown[] }>(target, ['scrub'])
    expect(scrubbed.damaged).toEqual([])
  })

  it('refuses credentials that others can read, places that are none, and a source that refuses it', async () => {
    const to = await newBucket(ours)
    const start = (from: string, file: string) =>
      coffer(['adopt', '--from', from, '--credentials-file', file, '--to', to], target.env)
    const open = credentialsFileFor(source)
    chmodSync(open, 0o644)
    const refusals = [
      await start(`${source.endpoint}/bucket`, open),
      await start('http://store.example.org/bucket', credentialsFile),
      await start('https://key:secret@store.example.org/bucket', credentialsFile),
      await start(source.endpoint, credentialsFile),
    ]
    for (const { code, stderr } of refusals) {
      expect([code, stderr]).toEqual([1, expect.stringContaining('ROTATION_SOURCE_CONFIGURATION_INVALID')])
      expect(stderr).not.toContain('key:secret')
    }
    const wrong = credentialsFileFor({ ...source, secretAccessKey: 'not-the-secret' })
    const job = await startAdopt(target, { ...fromBucket('any-bucket'), credentialsFile: wrong }, to)
    const failed = await untilJob(target, job.id)
    expect(failed).toMatchObject({
      state: 'failed',
      failure: { code: 'ROTATION_SOURCE_REFUSED', message: expect.stringContaining('SignatureDoesNotMatch') },
    })
    const nowhere = await adopt('any-bucket', 'no-such-bucket')
    expect(nowhere.failure?.code).toBe('ROTATION_BUCKET_NOT_FOUND')
    const secret = readFileSync(credentialsFile, 'utf8')
    expect(target.logs()).not.toContain(source.secretAccessKey)
    expect(secret).not.toContain(source.secretAccessKey)
  })
})

async function lockedBucket(s3: S3Client): Promise<string> {
  const Bucket = `b-${randomBytes(8).toString('hex')}`
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  return Bucket
}

async function bodyOf(s3: S3Client, Bucket: string, Key: string): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))
}

/** All that a client sees of the objects in a bucket. */
async function snapshotOf(s3: S3Client, Bucket: string) {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }))
  const seen = new Map<string, Record<string, unknown>>()
  for (const { Key = '', LastModified, ETag } of Contents) {
    const got = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))
    const digest = createHash('sha256')
      .update(await bytesOf(got))
      .digest('hex')
    const { ContentType, CacheControl, ContentDisposition, ExpiresString, Metadata, ContentLength } = got
    const { ChecksumCRC64NVME, ChecksumSHA256, ChecksumType } = got
    const headers = { ContentType, CacheControl, ContentDisposition, ExpiresString, Metadata, ContentLength }
    const checksums = { ChecksumCRC64NVME, ChecksumSHA256, ChecksumType }
    seen.set(Key, { digest, etag: ETag, listedAt: LastModified, gotEtag: got.ETag, ...headers, ...checksums, TagSet })
  }
  return seen
}

/** All versions of a bucket as listed, with their bytes; version ids are each store's own. */
async function historyOf(s3: S3Client, Bucket: string) {
  const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
  const markers = DeleteMarkers.map(({ Key, LastModified, IsLatest }) => ({
    Key,
    LastModified,
    IsLatest,
    body: 'deleted',
  }))
  const versions = await Promise.all(
    Versions.map(async ({ Key, LastModified, IsLatest, ETag, VersionId }) => {
      const got = await s3.send(new GetObjectCommand({ Bucket, Key, VersionId }))
      return {
        Key,
        LastModified,
        IsLatest,
        ETag,
        body: createHash('sha256')
          .update(await bytesOf(got))
          .digest('hex'),
      }
    }),
  )
  return [...versions, ...markers]
}
