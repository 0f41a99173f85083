import { randomBytes } from 'node:crypto'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const TOMORROW = new Date(Date.now() + 86_400_000)
const RACES = 40

async function lockBucket(): Promise<string> {
  const Bucket = `b-${randomBytes(8).toString('hex')}`
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
  return Bucket
}

async function putLocked(Bucket: string, Key: string, lock: object): Promise<string> {
  return (await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'must stay', ...lock }))).VersionId ?? ''
}

const LOCKS = {
  'a legal hold': { lock: { ObjectLockLegalHoldStatus: 'ON' }, bypass: true },
  'retention in compliance mode': {
    lock: { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: TOMORROW },
    bypass: true,
  },
  'retention in governance mode': {
    lock: { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: TOMORROW },
    bypass: false,
  },
} as const

describe.each(Object.entries(LOCKS))('against %s', (_, { lock, bypass }) => {
  const Bypass = bypass ? { BypassGovernanceRetention: true } : {}

  it('no way of deletion removes the version', async () => {
    const Bucket = await lockBucket()
    const VersionId = await putLocked(Bucket, 'k', lock)
    const single = new DeleteObjectCommand({ Bucket, Key: 'k', VersionId, ...Bypass })
    expect(await failureOf(s3.send(single))).toEqual({ code: 'AccessDenied', status: 403 })
    const free = (await s3.send(new PutObjectCommand({ Bucket, Key: 'free', Body: 'x' }))).VersionId
    const Objects = [
      { Key: 'k', VersionId },
      { Key: 'free', VersionId: free },
    ]
    const many = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects }, ...Bypass }))
    expect(many.Errors).toMatchObject([{ Key: 'k', VersionId, Code: 'AccessDenied' }])
    expect(many.Deleted).toMatchObject([{ Key: 'free', VersionId: free }])
    expect((await failureOf(s3.send(new DeleteBucketCommand({ Bucket })))).code).toBe('BucketNotEmpty')
    await coffer(['scrub'], server.env)
    expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'k', VersionId })))).toString()).toBe(
      'must stay',
    )
  })

  it('overwriting, marking as deleted, copying over and tagging leave it, lock and all', async () => {
    const Bucket = await lockBucket()
    const VersionId = await putLocked(Bucket, 'k', lock)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'over' }))
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'k', CopySource: `${Bucket}/k`, MetadataDirective: 'REPLACE' }))
    const { DeleteMarker } = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect(DeleteMarker).toBe(true)
    const version = { Bucket, Key: 'k', VersionId }
    await s3.send(new PutObjectTaggingCommand({ ...version, Tagging: { TagSet: [{ Key: 'a', Value: '1' }] } }))
    await s3.send(new DeleteObjectTaggingCommand(version))
    const found = await s3.send(new GetObjectCommand(version))
    expect(found).toMatchObject(
      'ObjectLockMode' in lock ? { ObjectLockMode: lock.ObjectLockMode } : { ObjectLockLegalHoldStatus: 'ON' },
    )
    expect((await bytesOf(found)).toString()).toBe('must stay')
    expect((await failureOf(s3.send(new DeleteObjectCommand(version)))).code).toBe('AccessDenied')
  })
})

describe('against the null version', () => {
  it('a lock put on what was there before versioning holds', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'must stay' }))
    const VersioningConfiguration = { Status: 'Enabled' } as const
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
    const body = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
    const enable = { method: 'PUT', path: `/${Bucket}`, query: { 'object-lock': '' }, body }
    expect((await sendSigned(server, enable)).status).toBe(200)
    const version = { Bucket, Key: 'k', VersionId: 'null' }
    await s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'ON' } }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'over' }))
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect((await failureOf(s3.send(new DeleteObjectCommand(version)))).code).toBe('AccessDenied')
    const Suspended = { Bucket, VersioningConfiguration: { Status: 'Suspended' } } as const
    expect((await failureOf(s3.send(new PutBucketVersioningCommand(Suspended)))).code).toBe('InvalidBucketState')
    expect((await bytesOf(await s3.send(new GetObjectCommand(version)))).toString()).toBe('must stay')
  })
})

describe('races', () => {
  it('of a legal hold with a deletion have one winner: what was held is there', async () => {
    const Bucket = await lockBucket()
    let held = 0
    for (let round = 0; round < RACES; round++) {
      const VersionId = await putLocked(Bucket, 'k', {})
      const version = { Bucket, Key: 'k', VersionId }
      const [holding, deleting] = await Promise.allSettled([
        s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'ON' } })),
        s3.send(new DeleteObjectCommand(version)),
      ])
      expect([holding.status, deleting.status].toSorted()).toEqual(['fulfilled', 'rejected'])
      if (holding.status === 'rejected') continue
      held += 1
      expect((await s3.send(new HeadObjectCommand(version))).ObjectLockLegalHoldStatus).toBe('ON')
    }
    const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
    expect(Versions).toHaveLength(held)
  })

  it('of Object Lock with a suspension leave the bucket with one of the two', async () => {
    for (let round = 0; round < 5; round++) {
      const Bucket = await newBucket(s3, { versioning: 'Enabled' })
      const body = '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>'
      const VersioningConfiguration = { Status: 'Suspended' } as const
      const [locking, suspending] = await Promise.all([
        sendSigned(server, { method: 'PUT', path: `/${Bucket}`, query: { 'object-lock': '' }, body }),
        s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration })).then(
          () => 200,
          () => 409,
        ),
      ])
      expect([locking.status, suspending].toSorted()).toEqual([200, 409])
      const isLocked = await s3.send(new GetObjectLockConfigurationCommand({ Bucket })).then(
        () => true,
        () => false,
      )
      expect(isLocked).toBe(locking.status === 200)
    }
  })
})

describe('a request that is not quite one', () => {
  it.each([
    ['retention', '<Retention><Mode>GOVERNANCE</Mode></Retention>'],
    ['retention', '<Retention><Other/></Retention>'],
    ['legal-hold', '<LegalHold/>'],
    ['object-lock', '<ObjectLockConfiguration/>'],
    [
      'object-lock',
      '<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>',
    ],
  ])('%s %s changes no lock', async (name, body) => {
    const Bucket = await lockBucket()
    const VersionId = await putLocked(Bucket, 'k', LOCKS['retention in compliance mode'].lock)
    const path = name === 'object-lock' ? `/${Bucket}` : `/${Bucket}/k`
    const answer = await sendSigned(server, { method: 'PUT', path, query: { [name]: '' }, body })
    expect([answer.status, answer.code]).toEqual([400, 'MalformedXML'])
    expect((await failureOf(s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId })))).code).toBe(
      'AccessDenied',
    )
  })
})
