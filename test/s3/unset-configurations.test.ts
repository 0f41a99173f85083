import {
  CreateBucketMetadataConfigurationCommand,
  DeleteBucketAnalyticsConfigurationCommand,
  DeleteBucketIntelligentTieringConfigurationCommand,
  DeleteBucketInventoryConfigurationCommand,
  DeleteBucketMetadataConfigurationCommand,
  DeleteBucketMetadataTableConfigurationCommand,
  DeleteBucketMetricsConfigurationCommand,
  GetBucketAbacCommand,
  GetBucketAccelerateConfigurationCommand,
  GetBucketAnalyticsConfigurationCommand,
  GetBucketIntelligentTieringConfigurationCommand,
  GetBucketInventoryConfigurationCommand,
  GetBucketMetadataConfigurationCommand,
  GetBucketMetadataTableConfigurationCommand,
  GetBucketMetricsConfigurationCommand,
  GetObjectCommand,
  GetObjectTorrentCommand,
  HeadBucketCommand,
  ListBucketAnalyticsConfigurationsCommand,
  ListBucketIntelligentTieringConfigurationsCommand,
  ListBucketInventoryConfigurationsCommand,
  ListBucketMetricsConfigurationsCommand,
  PutBucketAbacCommand,
  PutBucketAccelerateConfigurationCommand,
  PutBucketAnalyticsConfigurationCommand,
  PutBucketIntelligentTieringConfigurationCommand,
  PutBucketInventoryConfigurationCommand,
  PutBucketMetricsConfigurationCommand,
  PutObjectCommand,
  RestoreObjectCommand,
  SelectObjectContentCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const Bucket = await newBucket(s3)
const Id = 'one'
const named = { Bucket, Id }
const NOT_IMPLEMENTED = { code: 'NotImplemented', status: 501 }
const NO_SUCH = { code: 'NoSuchConfiguration', status: 404 }

describe('configurations that Coffer does not act upon', () => {
  it('are told to be unset, one by one and in lists, so that a tool can go on', async () => {
    const lists = [
      await s3.send(new ListBucketAnalyticsConfigurationsCommand({ Bucket })),
      await s3.send(new ListBucketIntelligentTieringConfigurationsCommand({ Bucket })),
      await s3.send(new ListBucketInventoryConfigurationsCommand({ Bucket })),
      await s3.send(new ListBucketMetricsConfigurationsCommand({ Bucket })),
    ]
    for (const { $metadata: _, IsTruncated, ...more } of lists) expect([IsTruncated, more]).toEqual([false, {}])
    const absent = [
      await failureOf(s3.send(new GetBucketAnalyticsConfigurationCommand(named))),
      await failureOf(s3.send(new GetBucketIntelligentTieringConfigurationCommand(named))),
      await failureOf(s3.send(new GetBucketInventoryConfigurationCommand(named))),
      await failureOf(s3.send(new GetBucketMetricsConfigurationCommand(named))),
      await failureOf(s3.send(new DeleteBucketAnalyticsConfigurationCommand(named))),
      await failureOf(s3.send(new DeleteBucketIntelligentTieringConfigurationCommand(named))),
      await failureOf(s3.send(new DeleteBucketInventoryConfigurationCommand(named))),
      await failureOf(s3.send(new DeleteBucketMetricsConfigurationCommand(named))),
    ]
    for (const failure of absent) expect(failure).toEqual(NO_SUCH)
  })

  it('are refused to be set, and not kept', async () => {
    const refused = [
      await failureOf(
        s3.send(
          new PutBucketAnalyticsConfigurationCommand({
            ...named,
            AnalyticsConfiguration: { Id, StorageClassAnalysis: {} },
          }),
        ),
      ),
      await failureOf(
        s3.send(
          new PutBucketIntelligentTieringConfigurationCommand({
            ...named,
            IntelligentTieringConfiguration: {
              Id,
              Status: 'Enabled',
              Tierings: [{ Days: 90, AccessTier: 'ARCHIVE_ACCESS' }],
            },
          }),
        ),
      ),
      await failureOf(
        s3.send(
          new PutBucketInventoryConfigurationCommand({
            ...named,
            InventoryConfiguration: {
              Id,
              IsEnabled: true,
              IncludedObjectVersions: 'All',
              Schedule: { Frequency: 'Daily' },
              Destination: { S3BucketDestination: { Bucket: `arn:aws:s3:::${Bucket}`, Format: 'CSV' } },
            },
          }),
        ),
      ),
      await failureOf(s3.send(new PutBucketMetricsConfigurationCommand({ ...named, MetricsConfiguration: { Id } }))),
    ]
    for (const failure of refused) expect(failure).toEqual(NOT_IMPLEMENTED)
    expect(await failureOf(s3.send(new GetBucketMetricsConfigurationCommand(named)))).toEqual(NO_SUCH)
  })

  it('say why they are not', async () => {
    const request = { method: 'PUT', path: `/${Bucket}`, query: { inventory: '', id: Id }, body: '<a/>' }
    const answer = await sendSigned(server, request)
    expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
    expect(answer.body.toString()).toContain('nobody would write them')
  })

  it('of acceleration may be said to be off, and not on; access by tags is off where nobody said so', async () => {
    const accelerate = (Status: 'Enabled' | 'Suspended') =>
      s3.send(new PutBucketAccelerateConfigurationCommand({ Bucket, AccelerateConfiguration: { Status } }))
    expect(await failureOf(accelerate('Enabled'))).toEqual(NOT_IMPLEMENTED)
    expect((await s3.send(new GetBucketAccelerateConfigurationCommand({ Bucket }))).Status).toBeUndefined()
    await accelerate('Suspended')
    expect((await s3.send(new GetBucketAccelerateConfigurationCommand({ Bucket }))).Status).toBe('Suspended')
    const abac = (Status: 'Enabled' | 'Disabled') =>
      s3.send(new PutBucketAbacCommand({ Bucket, AbacStatus: { Status } }))
    await abac('Disabled')
    expect((await s3.send(new GetBucketAbacCommand({ Bucket }))).AbacStatus?.Status).toBe('Disabled')
    const bad = await sendSigned(server, {
      method: 'PUT',
      path: `/${Bucket}`,
      query: { abac: '' },
      body: '<AbacStatus/>',
    })
    expect([bad.status, bad.code]).toEqual([400, 'MalformedXML'])
  })
})

describe('calls about metadata tables and annotations', () => {
  it('are never taken for calls on the bucket or the object itself', async () => {
    const empty = await newBucket(s3)
    const gone = { code: 'MetadataConfigurationNotFound', status: 404 }
    const table = { Bucket: empty }
    expect(await failureOf(s3.send(new DeleteBucketMetadataConfigurationCommand(table)))).toEqual(gone)
    expect(await failureOf(s3.send(new DeleteBucketMetadataTableConfigurationCommand(table)))).toEqual(gone)
    expect(await failureOf(s3.send(new GetBucketMetadataConfigurationCommand(table)))).toEqual(gone)
    expect(await failureOf(s3.send(new GetBucketMetadataTableConfigurationCommand(table)))).toEqual(gone)
    const made = new CreateBucketMetadataConfigurationCommand({
      ...table,
      MetadataConfiguration: { JournalTableConfiguration: { RecordExpiration: { Expiration: 'DISABLED' } } },
    })
    expect(await failureOf(s3.send(made))).toEqual(NOT_IMPLEMENTED)
    await s3.send(new HeadBucketCommand({ Bucket: empty }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'kept' }))
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const query = { annotation: '', annotationName: 'note' }
      const answer = await sendSigned(server, {
        method,
        path: `/${Bucket}/k`,
        query,
        ...(method === 'PUT' && { body: 'x' }),
      })
      expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
    }
    expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toString()).toBe('kept')
    const tables = ['metadataInventoryTable', 'metadataJournalTable', 'metadataAnnotationTable']
    for (const name of tables) {
      const answer = await sendSigned(server, {
        method: 'PUT',
        path: `/${Bucket}`,
        query: { [name]: '' },
        body: '<a/>',
      })
      expect([answer.status, answer.code]).toEqual([501, 'NotImplemented'])
    }
  })
})

describe('a namespace of an account for the name of a new bucket', () => {
  it('is refused, and the one for all is what there is', async () => {
    const path = `/in-a-namespace-${Bucket.slice(-8)}`
    const create = (namespace: string) =>
      sendSigned(server, { method: 'PUT', path, headers: { 'x-amz-bucket-namespace': namespace } })
    expect(await create('account-regional')).toMatchObject(NOT_IMPLEMENTED)
    expect(await create('elsewhere')).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(await failureOf(s3.send(new HeadBucketCommand({ Bucket: path.slice(1) })))).toMatchObject({ status: 404 })
    expect(await create('global')).toMatchObject({ status: 200 })
  })
})

describe('calls on objects that have nothing to act upon', () => {
  it('a restore of what is not archived is InvalidObjectState, of nothing NoSuchKey', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'warm', Body: 'v' }))
    const restore = (Key: string) => s3.send(new RestoreObjectCommand({ Bucket, Key, RestoreRequest: { Days: 1 } }))
    expect(await failureOf(restore('warm'))).toEqual({ code: 'InvalidObjectState', status: 403 })
    expect(await failureOf(restore('absent'))).toEqual({ code: 'NoSuchKey', status: 404 })
  })

  it('torrents are not implemented', async () => {
    const torrent = new GetObjectTorrentCommand({ Bucket, Key: 'any' })
    expect(await failureOf(s3.send(torrent))).toEqual(NOT_IMPLEMENTED)
  })

  it('S3 Select is not implemented (decisions/0017), says what there is instead, and never overwrites the object', async () => {
    await s3.send(new PutObjectCommand({ Bucket, Key: 'table', Body: 'a,b' }))
    const object = { Bucket, Key: 'table' }
    const select = new SelectObjectContentCommand({
      ...object,
      Expression: 'SELECT * FROM S3Object',
      ExpressionType: 'SQL',
      InputSerialization: { CSV: {} },
      OutputSerialization: { CSV: {} },
    })
    await expect(s3.send(select)).rejects.toThrow('GetObject reads ranges')
    expect(await failureOf(s3.send(select))).toEqual(NOT_IMPLEMENTED)
    const query = { select: '', 'select-type': '2' }
    const raw = await sendSigned(server, { method: 'POST', path: `/${Bucket}/table`, query, body: 'not even XML' })
    expect(raw).toMatchObject(NOT_IMPLEMENTED)
    expect((await bytesOf(await s3.send(new GetObjectCommand(object)))).toString()).toBe('a,b')
  })
})
