import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type LifecycleRule,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBucket } from '../harness/s3.ts'
import { type LifecycleGateway, startLifecycleGateway } from './lifecycle-gateway.ts'

let gateway: LifecycleGateway
beforeAll(async () => {
  gateway = await startLifecycleGateway()
})
afterAll(() => gateway.stop())

const put = async (Bucket: string, Key: string, more: object = {}): Promise<string> =>
  (await gateway.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'body', ...more }))).VersionId ?? ''

async function bucketWith(rules: Omit<LifecycleRule, 'Status'>[], more: object = {}): Promise<string> {
  const Bucket = await newBucket(gateway.s3, more)
  await setRules(Bucket, rules)
  return Bucket
}

async function setRules(Bucket: string, rules: Omit<LifecycleRule, 'Status'>[]): Promise<void> {
  const Rules = rules.map((rule): LifecycleRule => ({ Filter: {}, ...rule, Status: 'Enabled' }))
  await gateway.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
}

/** Takes the rules away, so that one test's bucket is none of the next one's. */
async function done(Bucket: string): Promise<void> {
  await setRules(Bucket, [{ ID: 'never', Filter: { Prefix: '\u{10ffff}' }, Expiration: { Days: 100_000 } }])
}

async function keysOf(Bucket: string): Promise<string[]> {
  const { Contents = [] } = await gateway.s3.send(new ListObjectsV2Command({ Bucket }))
  return Contents.map(({ Key }) => Key ?? '')
}

/** `key@id` of versions, `key#id` of delete markers. */
async function versionsOf(Bucket: string): Promise<string[]> {
  const { Versions = [], DeleteMarkers = [] } = await gateway.s3.send(new ListObjectVersionsCommand({ Bucket }))
  return [
    ...Versions.map(({ Key, VersionId }) => `${Key}@${VersionId}`),
    ...DeleteMarkers.map(({ Key, VersionId }) => `${Key}#${VersionId}`),
  ]
}

describe('expiration', () => {
  it('removes objects of an unversioned bucket, at the midnight after their days and not before', async () => {
    const bucket = await bucketWith([{ Expiration: { Days: 3 } }])
    await put(bucket, 'k')
    await put(bucket, 'large', { Body: randomBytes(300_000) })
    expect(await gateway.applyAfter(2)).toEqual({})
    expect(await keysOf(bucket)).toEqual(['k', 'large'])
    expect(await gateway.applyAfter(4)).toEqual({ expired: 2 })
    expect(await versionsOf(bucket)).toEqual([])
    expect(await gateway.applyAfter(4)).toEqual({})
    expect(await gateway.services.store.listGarbage(10)).toHaveLength(1)
  })

  it('selects by prefix, tags, sizes, and all of them together', async () => {
    const Days = 1
    const bucket = await bucketWith([
      { ID: 'prefix', Filter: { Prefix: 'p/' }, Expiration: { Days } },
      { ID: 'tag', Filter: { Tag: { Key: 'keep', Value: 'no' } }, Expiration: { Days } },
      { ID: 'large', Filter: { ObjectSizeGreaterThan: 100 }, Expiration: { Days } },
      {
        ID: 'and',
        Filter: { And: { Prefix: 'a', Tags: [{ Key: 'x', Value: '1' }], ObjectSizeLessThan: 5 } },
        Expiration: { Days },
      },
    ])
    await put(bucket, 'p/gone')
    await put(bucket, 'tagged-gone', { Tagging: 'keep=no&other=1' })
    await put(bucket, 'tagged-kept', { Tagging: 'keep=yes' })
    await put(bucket, 'large-gone', { Body: 'x'.repeat(101) })
    await put(bucket, 'large-kept', { Body: 'x'.repeat(100) })
    await put(bucket, 'a-gone', { Tagging: 'x=1' })
    await put(bucket, 'a-kept-for-its-size', { Tagging: 'x=1', Body: '12345' })
    await put(bucket, 'b-kept-for-its-prefix', { Tagging: 'x=1' })
    expect(await gateway.applyAfter(2)).toEqual({ expired: 4 })
    expect((await keysOf(bucket)).filter((key) => !key.includes('kept'))).toEqual([])
    expect(await keysOf(bucket)).toHaveLength(4)
  })

  it('goes by the tags that an object has now', async () => {
    const bucket = await bucketWith([{ Filter: { Tag: { Key: 'keep', Value: 'no' } }, Expiration: { Days: 1 } }])
    await put(bucket, 'k', { Tagging: 'keep=no' })
    const Tagging = { TagSet: [{ Key: 'keep', Value: 'yes' }] }
    await gateway.s3.send(new PutObjectTaggingCommand({ Bucket: bucket, Key: 'k', Tagging }))
    expect(await gateway.applyAfter(5)).toEqual({})
    expect(await keysOf(bucket)).toEqual(['k'])
  })

  it('hides objects of a versioned bucket behind a delete marker', async () => {
    const bucket = await bucketWith([{ Expiration: { Days: 1 } }], { versioning: 'Enabled' })
    const version = await put(bucket, 'k')
    expect(await gateway.applyAfter(3)).toEqual({ expired: 1 })
    expect(await keysOf(bucket)).toEqual([])
    const listed = await versionsOf(bucket)
    expect(listed).toHaveLength(2)
    expect(listed[0]).toBe(`k@${version}`)
    expect(await gateway.applyAfter(3)).toEqual({})
    const old = await gateway.s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', VersionId: version }))
    expect(await old.Body?.transformToString()).toBe('body')
    await done(bucket)
  })

  it('puts a null marker in place of the null version while versioning is suspended', async () => {
    const bucket = await bucketWith([{ Expiration: { Days: 1 } }], { versioning: 'Enabled' })
    const kept = await put(bucket, 'k')
    const VersioningConfiguration = { Status: 'Suspended' } as const
    await gateway.s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }))
    await put(bucket, 'k')
    expect(await gateway.applyAfter(3)).toEqual({ expired: 1 })
    expect(await versionsOf(bucket)).toEqual([`k@${kept}`, 'k#null'])
    await done(bucket)
  })

  it('at a date that is past comes with the next pass', async () => {
    const bucket = await bucketWith([{ Expiration: { Date: new Date(Date.UTC(2020, 0, 1)) } }])
    await put(bucket, 'k')
    expect(await gateway.applyAfter(0)).toEqual({ expired: 1 })
    await done(bucket)
  })
})

describe('noncurrent versions', () => {
  it('go when they have been noncurrent long enough, but for the newest that a rule keeps', async () => {
    const noncurrent = { NoncurrentDays: 2, NewerNoncurrentVersions: 2 }
    const bucket = await bucketWith([{ NoncurrentVersionExpiration: noncurrent }], { versioning: 'Enabled' })
    const ids: string[] = []
    for (let count = 0; count < 5; count++) ids.push(await put(bucket, 'k'))
    expect(await gateway.applyAfter(1)).toEqual({})
    expect(await gateway.applyAfter(4)).toEqual({ noncurrentRemoved: 2 })
    expect(await versionsOf(bucket)).toEqual(
      ids
        .slice(2)
        .toReversed()
        .map((id) => `k@${id}`),
    )
    expect(await gateway.applyAfter(400)).toEqual({})
    await done(bucket)
  })

  it('of a key with more than a page of them go, all that are due', async () => {
    const bucket = await bucketWith(
      [{ NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 3 } }],
      {
        versioning: 'Enabled',
      },
    )
    await put(bucket, 'a')
    for (let count = 0; count < 1300; count += 50) {
      await Promise.all(Array.from({ length: 50 }, () => put(bucket, 'k')))
    }
    await put(bucket, 'z')
    expect(await gateway.applyAfter(3)).toEqual({ noncurrentRemoved: 1296 })
    expect(await versionsOf(bucket)).toHaveLength(6)
    await done(bucket)
  })

  it('leave a delete marker that hides nothing, which goes next', async () => {
    const bucket = await bucketWith(
      [{ NoncurrentVersionExpiration: { NoncurrentDays: 1 }, Expiration: { ExpiredObjectDeleteMarker: true } }],
      { versioning: 'Enabled' },
    )
    await put(bucket, 'k')
    await gateway.s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect(await gateway.applyAfter(3)).toEqual({ noncurrentRemoved: 1 })
    expect(await gateway.applyAfter(3)).toEqual({ deleteMarkersRemoved: 1 })
    expect(await versionsOf(bucket)).toEqual([])
    await done(bucket)
  })
})

describe('locked versions', () => {
  it('stay, whatever the rules say, until the lock is over', async () => {
    const Bucket = `b-${randomBytes(8).toString('hex')}`
    await gateway.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    await setRules(Bucket, [{ NoncurrentVersionExpiration: { NoncurrentDays: 1 }, Expiration: { Days: 1 } }])
    const until = new Date(Date.now() + 30 * 86_400_000)
    const held = await put(Bucket, 'k', { ObjectLockLegalHoldStatus: 'ON' })
    await put(Bucket, 'k', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: until })
    await put(Bucket, 'k', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until })
    const free = await put(Bucket, 'k')
    const last = await put(Bucket, 'k')
    expect(await gateway.applyAfter(3)).toEqual({ expired: 1, noncurrentRemoved: 1, locked: 3 })
    const left = await versionsOf(Bucket)
    expect(left).toHaveLength(5)
    expect(left).not.toContain(`k@${free}`)
    expect(left).toContain(`k@${last}`)
    expect(await gateway.applyAfter(40)).toEqual({ noncurrentRemoved: 3, locked: 1 })
    const release = { Bucket, Key: 'k', VersionId: held, LegalHold: { Status: 'OFF' } } as const
    await gateway.s3.send(new PutObjectLegalHoldCommand(release))
    expect(await gateway.applyAfter(40)).toEqual({ noncurrentRemoved: 1 })
    expect(await gateway.applyAfter(40)).toEqual({ deleteMarkersRemoved: 1 })
    await done(Bucket)
  })
})

describe('uploads that nobody completes', () => {
  it('are aborted at their age, by prefix', async () => {
    const rule = { Filter: { Prefix: 'p/' }, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } }
    const bucket = await bucketWith([rule])
    for (const Key of ['p/a', 'q']) {
      const { UploadId } = await gateway.s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
      await gateway.s3.send(new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber: 1, Body: 'part' }))
    }
    expect(await gateway.applyAfter(1)).toEqual({})
    expect(await gateway.applyAfter(4)).toEqual({ uploadsAborted: 1 })
    const { Uploads = [] } = await gateway.s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    expect(Uploads.map(({ Key }) => Key)).toEqual(['q'])
    await done(bucket)
  })
})

describe('a walk', () => {
  it('goes on where a step ended, also in another process', async () => {
    const buckets = [await bucketWith([{ Expiration: { Days: 1 } }]), await bucketWith([{ Expiration: { Days: 1 } }])]
    for (const bucket of buckets) {
      for (let first = 0; first < 1100; first += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, index) => put(bucket, `k${first + index}`)))
      }
    }
    let position = await gateway.stepAfter(3)
    // What is kept of it is text: a process that goes on with it has nothing else.
    while (position !== undefined) position = await gateway.stepAfter(3, JSON.parse(JSON.stringify(position)))
    for (const bucket of buckets) expect(await keysOf(bucket)).toEqual([])
  })

  it('passes over a bucket that was deleted or made anew meanwhile', async () => {
    const gone = {
      accountId: '0',
      bucket: 'gone',
      within: { bucketId: '0'.repeat(32), kind: 'versions', afterKey: '' },
    }
    expect(await gateway.stepAfter(0, gone as Parameters<LifecycleGateway['stepAfter']>[1])).toEqual({
      accountId: '0',
      bucket: 'gone',
    })
  })

  it('under rules that are disabled does nothing', async () => {
    const Bucket = await newBucket(gateway.s3)
    await put(Bucket, 'k')
    const Rules: LifecycleRule[] = [{ ID: 'r', Status: 'Disabled', Filter: {}, Expiration: { Days: 1 } }]
    await gateway.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
    expect(await gateway.applyAfter(100)).toEqual({})
  })

  it('never removes what was written over what it saw', async () => {
    const bucket = await bucketWith([{ Expiration: { Days: 1 } }])
    await put(bucket, 'raced')
    gateway.onceFound('raced', () => put(bucket, 'raced', { Body: 'newer' }))
    expect(await gateway.applyAfter(3)).toEqual({})
    const { Body } = await gateway.s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'raced' }))
    expect(await Body?.transformToString()).toBe('newer')
    await done(bucket)
  })
  it('never removes what was locked after it was looked at', async () => {
    const Bucket = `b-${randomBytes(8).toString('hex')}`
    await gateway.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    await setRules(Bucket, [{ NoncurrentVersionExpiration: { NoncurrentDays: 1 } }])
    const VersionId = await put(Bucket, 'raced')
    const last = await put(Bucket, 'raced')
    const hold = { Bucket, Key: 'raced', VersionId, LegalHold: { Status: 'ON' } } as const
    gateway.onceFound('raced', () => gateway.s3.send(new PutObjectLegalHoldCommand(hold)))
    expect(await gateway.applyAfter(3)).toEqual({})
    expect(await versionsOf(Bucket)).toEqual([`raced@${last}`, `raced@${VersionId}`])
    expect(await gateway.applyAfter(3)).toEqual({ locked: 1 })
    await done(Bucket)
  })

  it('goes by rules that were changed while it was under way', async () => {
    const bucket = await bucketWith([{ Expiration: { Days: 1 } }])
    await put(bucket, 'raced')
    gateway.onceFound('raced', () => done(bucket))
    expect(await gateway.applyAfter(3)).toEqual({})
    expect(await keysOf(bucket)).toEqual(['raced'])
  })
})
