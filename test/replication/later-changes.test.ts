import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import {
  CreateBucketCommand,
  GetObjectAclCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  type ObjectCannedACL,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type ReplicationRule,
  type S3Client,
} from '@aws-sdk/client-s3'
import { Client } from 'minio'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { s3Client } from '../harness/s3.ts'
import type { CofferServer } from '../harness/start-server.ts'
import { arnOf, ReplicationFile, replicate, ruleTo, startStore } from './two-stores.ts'

const PATIENCE = { timeout: 60_000, interval: 50 }
const DAY_MS = 86_400_000
const soon = (days: number) => new Date(Math.ceil(Date.now() / 1000) * 1000 + days * DAY_MS)
const OPEN = { COFFER_PUBLIC_ACCESS: 'allowed' }

interface Listed {
  readonly accountId: string
  readonly name: string
}

async function bucketWithLists(s3: S3Client, Bucket: string): Promise<void> {
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true, ObjectOwnership: 'ObjectWriter' }))
}

/** Whom an object's list lets in beside its owner. */
async function groupsOf(s3: S3Client, Bucket: string, Key: string): Promise<string[]> {
  const { Grants = [] } = await s3.send(new GetObjectAclCommand({ Bucket, Key }))
  return Grants.flatMap(({ Grantee, Permission }) =>
    Grantee?.URI ? [`${Grantee.URI.split('/').at(-1)} ${Permission}`] : [],
  )
}

async function tagsOf(s3: S3Client, Bucket: string, Key: string): Promise<Record<string, string>> {
  const { TagSet = [] } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))
  return Object.fromEntries(TagSet.map((tag) => [tag.Key, tag.Value]))
}

function tagAs(s3: S3Client, Bucket: string, Key: string, Value: string) {
  return s3.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'k', Value }] } }))
}

describe('changes of a version that is replicated', () => {
  const files = { here: new ReplicationFile(), there: new ReplicationFile() }
  const names = { lists: 'b-lists', owned: 'b-owned', both: 'b-both', held: 'b-held' }
  let here: CofferServer
  let there: CofferServer
  let source: S3Client
  let target: S3Client
  let accountThere: string
  beforeAll(async () => {
    there = await startStore(files.there, OPEN)
    files.here.write(there, Object.values(names).map(arnOf))
    here = await startStore(files.here, OPEN)
    files.there.write(here, [arnOf(names.both)])
    await there.stop()
    await there.restart()
    source = s3Client(here)
    target = s3Client(there)
    for (const name of Object.values(names)) await bucketWithLists(target, name)
    for (const name of Object.values(names)) await bucketWithLists(source, name)
    const accounts = await cofferJson<readonly Listed[]>(there, ['account', 'list'])
    accountThere = accounts.find(({ name }) => name === 'root')?.accountId ?? ''
  })
  afterAll(async () => {
    await here?.dispose()
    await there?.dispose()
  })

  const put = (s3: S3Client, Bucket: string, Key: string, ACL?: ObjectCannedACL) =>
    s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ACL }))
  const statusIn = (Bucket: string, Key: string) =>
    expect.poll(async () => (await source.send(new HeadObjectCommand({ Bucket, Key }))).ReplicationStatus, PATIENCE)
  const headThere = (Bucket: string, Key: string) => target.send(new HeadObjectCommand({ Bucket, Key }))

  it('of locks and lists of access go after it', async () => {
    const Bucket = names.lists
    await replicate(source, Bucket, ruleTo(Bucket))
    await put(source, Bucket, 'k')
    await statusIn(Bucket, 'k').toBe('COMPLETED')
    const object = { Bucket, Key: 'k' }
    const until = soon(2)
    const retain = (RetainUntilDate: Date, BypassGovernanceRetention = false) =>
      source.send(
        new PutObjectRetentionCommand({
          ...object,
          Retention: { Mode: 'GOVERNANCE', RetainUntilDate },
          BypassGovernanceRetention,
        }),
      )
    await retain(until)
    await source.send(new PutObjectLegalHoldCommand({ ...object, LegalHold: { Status: 'ON' } }))
    await expect
      .poll(() => headThere(Bucket, 'k'), PATIENCE)
      .toMatchObject({
        ...{ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: 'ON' },
        ReplicationStatus: 'REPLICA',
      })
    const sooner = soon(1)
    await retain(sooner, true)
    await source.send(new PutObjectLegalHoldCommand({ ...object, LegalHold: { Status: 'OFF' } }))
    await expect
      .poll(() => headThere(Bucket, 'k'), PATIENCE)
      .toMatchObject({ ObjectLockRetainUntilDate: sooner, ObjectLockLegalHoldStatus: 'OFF' })
    await source.send(new PutObjectAclCommand({ ...object, ACL: 'public-read' }))
    await expect.poll(() => groupsOf(target, Bucket, 'k'), PATIENCE).toEqual(['AllUsers READ'])
    await source.send(new PutObjectAclCommand({ ...object, ACL: 'private' }))
    await expect.poll(() => groupsOf(target, Bucket, 'k'), PATIENCE).toEqual([])
    await put(source, Bucket, 'open', 'authenticated-read')
    await statusIn(Bucket, 'open').toBe('COMPLETED')
    await expect.poll(() => groupsOf(target, Bucket, 'open'), PATIENCE).toEqual(['AuthenticatedUsers READ'])
  })

  it('shorten no lock there that is for longer, unless they pass over governance here', async () => {
    const Bucket = names.held
    const DefaultRetention = { Mode: 'GOVERNANCE', Days: 365 } as const
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention } } as const
    await target.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }))
    await replicate(source, Bucket, ruleTo(Bucket))
    await put(source, Bucket, 'k')
    await statusIn(Bucket, 'k').toBe('COMPLETED')
    const { ObjectLockRetainUntilDate: byDefault } = await headThere(Bucket, 'k')
    const retain = (days: number, bypass: { readonly BypassGovernanceRetention?: true } = {}) => {
      const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: soon(days) } as const
      return source.send(new PutObjectRetentionCommand({ Bucket, Key: 'k', Retention, ...bypass }))
    }
    await retain(1)
    // What is done to one key arrives in its order.
    await tagAs(source, Bucket, 'k', 'after the lock')
    await expect.poll(() => tagsOf(target, Bucket, 'k'), PATIENCE).toEqual({ k: 'after the lock' })
    expect(byDefault?.getTime()).toBeGreaterThan(soon(300).getTime())
    expect(await headThere(Bucket, 'k')).toMatchObject({ ObjectLockRetainUntilDate: byDefault })
    await statusIn(Bucket, 'k').toBe('COMPLETED')
    await retain(400)
    const until = async () => (await headThere(Bucket, 'k')).ObjectLockRetainUntilDate?.getTime() ?? 0
    await expect.poll(until, PATIENCE).toBeGreaterThan(soon(390).getTime())
    await retain(2, { BypassGovernanceRetention: true })
    await expect.poll(until, PATIENCE).toBeLessThan(soon(3).getTime())
  })

  it('leave the lists behind where replicas are the destination’s owner’s, who has to be the one that is named', async () => {
    const Bucket = names.owned
    const to = (Account: string, Prefix: string, Priority: number): ReplicationRule =>
      ruleTo(Bucket, {
        ...{ ID: Prefix, Priority, Filter: { Prefix } },
        Destination: {
          ...{ Bucket: arnOf(Bucket), Account, AccessControlTranslation: { Owner: 'Destination' } },
          ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
          Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
        },
      })
    await replicate(source, Bucket, to(accountThere, 'right/', 1), to('999999999999', 'wrong/', 2))
    await put(source, Bucket, 'wrong/k')
    await put(source, Bucket, 'right/k', 'public-read')
    await statusIn(Bucket, 'right/k').toBe('COMPLETED')
    await source.send(new PutObjectAclCommand({ Bucket, Key: 'right/k', ACL: 'public-read-write' }))
    await tagAs(source, Bucket, 'right/k', 'last')
    // What is done to one key arrives in its order.
    await expect.poll(() => tagsOf(target, Bucket, 'right/k'), PATIENCE).toEqual({ k: 'last' })
    expect(await groupsOf(target, Bucket, 'right/k')).toEqual([])
    await statusIn(Bucket, 'wrong/k').toBe('FAILED')
    await expect(headThere(Bucket, 'wrong/k')).rejects.toMatchObject({ name: 'NotFound' })
  })

  it('and what could not be replicated is told to who listens', async () => {
    const minio = new Client({
      ...{ endPoint: '127.0.0.1', port: here.port, region: 'us-east-1' },
      ...{ accessKey: here.accessKeyId, secretKey: here.secretAccessKey },
      transport: {
        request: (options: object, callback: never) => get({ ...options, ca: readFileSync(here.caFile) }, callback),
      } as never,
    })
    const poller = minio.listenBucketNotification(names.owned, 'wrong/', '', ['s3:Replication:*'])
    const heard: unknown[] = []
    poller.on('notification', (record) => heard.push(record))
    await expect
      .poll(
        async () => {
          await put(source, names.owned, 'wrong/told')
          return heard.length
        },
        { ...PATIENCE, interval: 500 },
      )
      .toBeGreaterThan(0)
    poller.stop()
    expect(heard[0]).toMatchObject({
      eventName: 's3:Replication:OperationFailedReplication',
      s3: { bucket: { name: names.owned }, object: { versionId: expect.any(String) } },
    })
  })

  it('go back from a replica where a rule there wants that, and come to rest', async () => {
    const Bucket = names.both
    const both = { SourceSelectionCriteria: { ReplicaModifications: { Status: 'Enabled' } } } as const
    await replicate(source, Bucket, ruleTo(Bucket, both))
    await replicate(target, Bucket, ruleTo(Bucket, both))
    const first = await put(source, Bucket, 'k')
    await statusIn(Bucket, 'k').toBe('COMPLETED')
    await tagAs(target, Bucket, 'k', 'from the replica')
    await expect.poll(() => tagsOf(source, Bucket, 'k'), PATIENCE).toEqual({ k: 'from the replica' })
    await target.send(new PutObjectLegalHoldCommand({ Bucket, Key: 'k', LegalHold: { Status: 'ON' } }))
    await expect
      .poll(() => source.send(new HeadObjectCommand({ Bucket, Key: 'k' })), PATIENCE)
      .toMatchObject({ ObjectLockLegalHoldStatus: 'ON', ReplicationStatus: 'COMPLETED' })
    await tagAs(source, Bucket, 'k', 'from the source')
    await expect.poll(() => tagsOf(target, Bucket, 'k'), PATIENCE).toEqual({ k: 'from the source' })
    for (const server of [here, there]) {
      await expect.poll(() => cofferJson(server, ['replication', 'status']), PATIENCE).toMatchObject([])
    }
    expect(await tagsOf(source, Bucket, 'k')).toEqual({ k: 'from the source' })
    await replicate(target, Bucket, ruleTo(Bucket))
    await tagAs(target, Bucket, 'k', 'stays')
    await put(target, Bucket, 'k')
    const newest = () => source.send(new HeadObjectCommand({ Bucket, Key: 'k' }))
    await expect.poll(newest, PATIENCE).toMatchObject({ ReplicationStatus: 'REPLICA' })
    // What is done to one key arrives in its order: what came before its newest version would be here.
    const { TagSet } = await source.send(new GetObjectTaggingCommand({ Bucket, Key: 'k', VersionId: first.VersionId }))
    expect(TagSet).toEqual([{ Key: 'k', Value: 'from the source' }])
  })

  it('go back to no other version than the one that the replica was made of', async () => {
    const Bucket = names.both
    const both = { SourceSelectionCriteria: { ReplicaModifications: { Status: 'Enabled' } } } as const
    // Nothing of it goes there.
    await replicate(source, Bucket, ruleTo(Bucket, { ...both, Filter: { Prefix: 'shared/' } }))
    await replicate(target, Bucket, ruleTo(Bucket, both))
    const { VersionId } = await put(source, Bucket, 'secret')
    const made = await sendSigned(there, {
      ...{ method: 'PUT', path: `/${Bucket}/secret`, body: 'x' },
      headers: { 'x-amz-replication-status': 'REPLICA', 'x-coffer-replica-of': `${Bucket}/${VersionId}` },
    })
    expect(made).toMatchObject({ status: 200 })
    await target.send(new PutObjectAclCommand({ Bucket, Key: 'secret', ACL: 'public-read' }))
    await tagAs(target, Bucket, 'secret', 'forged')
    await expect.poll(() => there.logs(), PATIENCE).toContain('ROTATION_DESTINATION_REFUSED AccessDenied 403')
    await expect.poll(() => cofferJson(there, ['replication', 'status']), PATIENCE).toMatchObject([])
    expect(await tagsOf(source, Bucket, 'secret')).toEqual({})
    expect(await groupsOf(source, Bucket, 'secret')).toEqual([])
  })

  it('are nobody’s to forge who may not replicate', async () => {
    const path = `/${names.lists}/forged`
    const mark = { 'x-amz-replication-status': 'REPLICA' }
    const send = (headers: Record<string, string>, query = {}, body = 'x') =>
      sendSigned(there, { method: 'PUT', path, headers, query, body })
    for (const of of ['b-lists', 'UPPER/1', 'b-lists/', `b-lists/${'v'.repeat(1025)}`]) {
      expect(await send({ ...mark, 'x-coffer-replica-of': of })).toMatchObject({ status: 400, code: 'InvalidArgument' })
    }
    // Without the mark it says nothing.
    expect(await send({ 'x-coffer-replica-of': 'b-lists/1' })).toMatchObject({ status: 200 })
    const Action = ['s3:ReplicateTags', 's3:ReplicateObject']
    const deny = { Effect: 'Deny', Principal: '*', Action, Resource: `${arnOf(names.lists)}/forged` }
    const policy = { Version: '2012-10-17', Statement: [deny] }
    const bucket = { method: 'PUT', path: `/${names.lists}`, query: { policy: '' }, body: JSON.stringify(policy) }
    expect(await sendSigned(there, bucket)).toMatchObject({ status: 204 })
    const tagging = '<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>'
    expect(await send(mark, { tagging: '' }, tagging)).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await send({}, { tagging: '' }, tagging)).toMatchObject({ status: 200 })
    const hold = '<LegalHold><Status>ON</Status></LegalHold>'
    expect(await send(mark, { 'legal-hold': '' }, hold)).toMatchObject({ status: 403 })
  })
})
