import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetBucketVersioningCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { s3apiOf } from '../harness/aws-cli.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const DAY_MS = 86_400_000
const TOMORROW = new Date(Math.ceil(Date.now() / 1000) * 1000 + DAY_MS)
const LATER = new Date(TOMORROW.getTime() + DAY_MS)
const SOONER = new Date(TOMORROW.getTime() - DAY_MS / 2)

async function lockBucket(): Promise<string> {
  const Bucket = `b-${randomBytes(8).toString('hex')}`
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  return Bucket
}

async function put(Bucket: string, Key: string, more: object = {}): Promise<string> {
  return (await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'kept', ...more }))).VersionId ?? ''
}

const retain = (Bucket: string, VersionId: string, Retention: object, BypassGovernanceRetention = false) =>
  s3.send(new PutObjectRetentionCommand({ Bucket, Key: 'k', VersionId, Retention, BypassGovernanceRetention }))
const hold = (Bucket: string, VersionId: string, Status: 'ON' | 'OFF') =>
  s3.send(new PutObjectLegalHoldCommand({ Bucket, Key: 'k', VersionId, LegalHold: { Status } }))
const head = (Bucket: string, VersionId?: string, Key = 'k') =>
  s3.send(new HeadObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }))

describe('a bucket with Object Lock', () => {
  it('is versioned from the start, and its versioning never ends', async () => {
    const Bucket = await lockBucket()
    expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled')
    const suspend = { Bucket, VersioningConfiguration: { Status: 'Suspended' } } as const
    expect(await failureOf(s3.send(new PutBucketVersioningCommand(suspend)))).toEqual({
      code: 'InvalidBucketState',
      status: 409,
    })
    expect((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBe('Enabled')
  })

  it('gives a default retention to new versions, and not to older ones', async () => {
    const Bucket = await lockBucket()
    const before = await put(Bucket, 'k')
    const Rule = { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } } as const
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule } as const
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))
    expect((await s3.send(new GetObjectLockConfigurationCommand({ Bucket }))).ObjectLockConfiguration).toEqual(
      ObjectLockConfiguration,
    )
    expect((await head(Bucket, before)).ObjectLockMode).toBeUndefined()
    const madeAt = Date.now()
    const after = await put(Bucket, 'k')
    const { ObjectLockMode, ObjectLockRetainUntilDate } = await head(Bucket, after)
    expect(ObjectLockMode).toBe('COMPLIANCE')
    expect(Math.abs((ObjectLockRetainUntilDate?.getTime() ?? 0) - madeAt - DAY_MS)).toBeLessThan(10_000)
    const own = await put(Bucket, 'k', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: LATER })
    expect(await head(Bucket, own)).toMatchObject({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: LATER })
    const { CopyObjectResult } = await s3.send(
      new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k` }),
    )
    expect(CopyObjectResult?.ETag).toBeDefined()
    expect((await head(Bucket, undefined, 'copy')).ObjectLockMode).toBe('COMPLIANCE')
  })

  it('wants a digest with what it will hold', async () => {
    const Bucket = await lockBucket()
    const lock = { 'x-amz-object-lock-legal-hold': 'ON' }
    const answer = await sendSigned(server, { method: 'PUT', path: `/${Bucket}/k`, headers: lock, body: 'x' })
    expect([answer.status, answer.code]).toEqual([400, 'InvalidRequest'])
  })

  it('is made of a versioned bucket, and of no other', async () => {
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' } as const
    const plain = await newBucket(s3)
    const enable = (Bucket: string) =>
      s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))
    expect((await failureOf(enable(plain))).code).toBe('InvalidBucketState')
    const versioned = await newBucket(s3, { versioning: 'Enabled' })
    const get = s3.send(new GetObjectLockConfigurationCommand({ Bucket: versioned }))
    expect(await failureOf(get)).toEqual({ code: 'ObjectLockConfigurationNotFoundError', status: 404 })
    const version = await put(versioned, 'k')
    await enable(versioned)
    await hold(versioned, version, 'ON')
    expect((await head(versioned)).ObjectLockLegalHoldStatus).toBe('ON')
  })

  it('is what locks need', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    const version = await put(Bucket, 'k')
    const attempts = [
      put(Bucket, 'k', { ObjectLockLegalHoldStatus: 'ON' }),
      retain(Bucket, version, { Mode: 'GOVERNANCE', RetainUntilDate: TOMORROW }),
      hold(Bucket, version, 'ON'),
      s3.send(new GetObjectRetentionCommand({ Bucket, Key: 'k' })),
      s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'k', ObjectLockLegalHoldStatus: 'ON' })),
    ]
    const failures = await Promise.all(attempts.map(failureOf))
    for (const failure of failures) expect(failure).toEqual({ code: 'InvalidRequest', status: 400 })
  })
})

describe('retention', () => {
  it('in governance mode is loosened only with the bypass', async () => {
    const Bucket = await lockBucket()
    const version = await put(Bucket, 'k')
    const missing = s3.send(new GetObjectRetentionCommand({ Bucket, Key: 'k' }))
    expect(await failureOf(missing)).toEqual({ code: 'NoSuchObjectLockConfiguration', status: 404 })
    await retain(Bucket, version, { Mode: 'GOVERNANCE', RetainUntilDate: TOMORROW })
    await retain(Bucket, version, { Mode: 'GOVERNANCE', RetainUntilDate: LATER })
    const { Retention } = await s3.send(new GetObjectRetentionCommand({ Bucket, Key: 'k', VersionId: version }))
    expect(Retention).toEqual({ Mode: 'GOVERNANCE', RetainUntilDate: LATER })
    for (const looser of [
      { Mode: 'GOVERNANCE', RetainUntilDate: TOMORROW },
      { Mode: 'COMPLIANCE', RetainUntilDate: LATER },
      {},
    ]) {
      expect(await failureOf(retain(Bucket, version, looser))).toEqual({ code: 'AccessDenied', status: 403 })
    }
    await retain(Bucket, version, { Mode: 'GOVERNANCE', RetainUntilDate: SOONER }, true)
    expect((await head(Bucket)).ObjectLockRetainUntilDate).toEqual(SOONER)
    await retain(Bucket, version, {}, true)
    expect((await head(Bucket)).ObjectLockMode).toBeUndefined()
  })

  it('in compliance mode is loosened by nobody', async () => {
    const Bucket = await lockBucket()
    const version = await put(Bucket, 'k', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: TOMORROW })
    for (const looser of [
      { Mode: 'COMPLIANCE', RetainUntilDate: SOONER },
      { Mode: 'GOVERNANCE', RetainUntilDate: LATER },
      {},
    ]) {
      expect((await failureOf(retain(Bucket, version, looser, true))).code).toBe('AccessDenied')
    }
    await retain(Bucket, version, { Mode: 'COMPLIANCE', RetainUntilDate: LATER })
    expect((await head(Bucket)).ObjectLockRetainUntilDate).toEqual(LATER)
  })

  it('ends at its date', async () => {
    const Bucket = await lockBucket()
    const remove = (versionId: string) =>
      sendSigned(server, { method: 'DELETE', path: `/${Bucket}/k`, query: { versionId } })
    for (let aheadMs = 5_000; ; aheadMs *= 2) {
      const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + aheadMs)
      const version = await put(Bucket, 'k', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: soon })
      const { status } = await remove(version)
      // Asked too late, on a machine that is busy: once more, with more time.
      if (status === 204 && Date.now() >= soon.getTime()) continue
      expect(status).toBe(403)
      await sleep(soon.getTime() - Date.now() + 100)
      expect((await remove(version)).status).toBe(204)
      break
    }
  })

  it('refuses a date that is over, and words that it does not know', async () => {
    const Bucket = await lockBucket()
    const version = await put(Bucket, 'k')
    const past = { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() - 1000) }
    expect((await failureOf(retain(Bucket, version, past))).code).toBe('InvalidArgument')
    const word = { Mode: 'SOMETIMES', RetainUntilDate: LATER }
    expect((await failureOf(retain(Bucket, version, word))).code).toBe('MalformedXML')
    expect((await failureOf(put(Bucket, 'k', { ObjectLockMode: 'GOVERNANCE' }))).code).toBe('InvalidArgument')
  })

  it('and a legal hold come with a multipart upload', async () => {
    const Bucket = await lockBucket()
    const lock = {
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: TOMORROW,
      ObjectLockLegalHoldStatus: 'ON',
    } as const
    const object = { Bucket, Key: 'k' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...object, ...lock }))
    const { ETag } = await s3.send(new UploadPartCommand({ ...object, UploadId, PartNumber: 1, Body: 'x' }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }))
    expect(await head(Bucket)).toMatchObject(lock)
  })

  it('is not copied: a copy has the lock that its request says', async () => {
    const Bucket = await lockBucket()
    await put(Bucket, 'k', { ObjectLockLegalHoldStatus: 'ON' })
    const copy = { Bucket, CopySource: `${Bucket}/k` }
    await s3.send(new CopyObjectCommand({ ...copy, Key: 'free' }))
    expect((await head(Bucket, undefined, 'free')).ObjectLockLegalHoldStatus).toBeUndefined()
    await s3.send(new CopyObjectCommand({ ...copy, Key: 'held', ObjectLockLegalHoldStatus: 'ON' }))
    expect((await head(Bucket, undefined, 'held')).ObjectLockLegalHoldStatus).toBe('ON')
  })
})

describe('an event hold, which is not available,', () => {
  it('is refused wherever it is asked for, so that nobody relies on it', async () => {
    const Bucket = await lockBucket()
    const VersionId = await put(Bucket, 'k')
    const refused = { code: 'NotImplemented', status: 501 }
    expect(await failureOf(put(Bucket, 'held', { ObjectLockEventHold: 'ON' }))).toEqual(refused)
    const begun = new CreateMultipartUploadCommand({ Bucket, Key: 'held', ObjectLockEventHoldDurationDays: 1 })
    expect(await failureOf(s3.send(begun))).toEqual(refused)
    expect(await failureOf(retain(Bucket, VersionId, { EventHold: 'ON', EventHoldDuration: { Days: 1 } }))).toEqual(
      refused,
    )
    const byDefault = new PutObjectLockConfigurationCommand({
      Bucket,
      ObjectLockConfiguration: {
        ObjectLockEnabled: 'Enabled',
        Rule: { DefaultRetention: { DefaultEventHold: { Days: 1 } } },
      },
    })
    expect(await failureOf(s3.send(byDefault))).toEqual(refused)
    expect(await failureOf(head(Bucket, undefined, 'held'))).toMatchObject({ status: 404 })
  })
})

describe('a legal hold', () => {
  it('is switched on and off, beside retention', async () => {
    const Bucket = await lockBucket()
    const version = await put(Bucket, 'k', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: TOMORROW })
    const get = async () => (await s3.send(new GetObjectLegalHoldCommand({ Bucket, Key: 'k' }))).LegalHold?.Status
    expect((await failureOf(get())).code).toBe('NoSuchObjectLockConfiguration')
    await hold(Bucket, version, 'ON')
    expect(await get()).toBe('ON')
    await hold(Bucket, version, 'OFF')
    expect(await get()).toBe('OFF')
    expect((await head(Bucket)).ObjectLockMode).toBe('GOVERNANCE')
  })
})

describeWithPrograms('the AWS CLI', ['aws'], ({ aws }) => {
  it('makes a bucket with Object Lock, holds a version, and is refused its removal', async () => {
    const s3api = s3apiOf(aws, server)
    const bucket = `b-cli-${randomBytes(6).toString('hex')}`
    const object = ['--bucket', bucket, '--key', 'k']
    await s3api('create-bucket', '--bucket', bucket, '--object-lock-enabled-for-bucket')
    const until = TOMORROW.toISOString()
    const lock = ['--object-lock-mode', 'GOVERNANCE', '--object-lock-retain-until-date', until]
    const { VersionId } = JSON.parse(await s3api('put-object', ...object, '--body', import.meta.filename, ...lock))
    const version = [...object, '--version-id', VersionId]
    expect(JSON.parse(await s3api('get-object-retention', ...version)).Retention.Mode).toBe('GOVERNANCE')
    await expect(s3api('delete-object', ...version)).rejects.toThrow('AccessDenied')
    await s3api('put-object-legal-hold', ...version, '--legal-hold', 'Status=ON')
    await expect(s3api('delete-object', ...version, '--bypass-governance-retention')).rejects.toThrow('AccessDenied')
    await s3api('put-object-legal-hold', ...version, '--legal-hold', 'Status=OFF')
    await s3api('delete-object', ...version, '--bypass-governance-retention')
    expect(JSON.parse((await s3api('list-object-versions', '--bucket', bucket)) || '{}').Versions).toBeUndefined()
  })
})
