import { createHash, randomBytes } from 'node:crypto'
import { CreateKeyCommand } from '@aws-sdk/client-kms'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteBucketReplicationCommand,
  DeleteObjectCommand,
  GetBucketReplicationCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import type { CofferServer } from '../harness/start-server.ts'
import { policy } from '../iam/query-api.ts'
import { newTenant } from '../kms-api/tenants.ts'
import { arnOf, ReplicationFile, replicate, ruleTo, startStore } from './two-stores.ts'

const MIB = 1024 ** 2
const PATIENCE = { timeout: 60_000, interval: 50 }
const VERSIONED = { versioning: 'Enabled' } as const

describe('two stores', () => {
  const files = { here: new ReplicationFile(), there: new ReplicationFile() }
  let here: CofferServer
  let there: CofferServer
  let source: ReturnType<typeof s3Client>
  let target: ReturnType<typeof s3Client>
  const names = { copy: 'b-copy', back: 'b-back', second: 'b-second', both: 'b-both', late: 'b-late' }
  beforeAll(async () => {
    there = await startStore(files.there)
    files.here.write(there, Object.values(names).map(arnOf))
    here = await startStore(files.here)
    files.there.write(here, [arnOf(names.both)])
    await there.stop()
    await there.restart()
    source = s3Client(here)
    target = s3Client(there)
    for (const name of Object.values(names)) await newBucket(target, { name, ...VERSIONED })
  })
  afterAll(async () => {
    await here?.dispose()
    await there?.dispose()
  })

  const statusOf = async (Bucket: string, Key: string, VersionId?: string) =>
    (await source.send(new HeadObjectCommand({ Bucket, Key, VersionId }))).ReplicationStatus
  const completed = (Bucket: string, Key: string, VersionId?: string) =>
    expect.poll(() => statusOf(Bucket, Key, VersionId), PATIENCE).toBe('COMPLETED')
  const headThere = (Bucket: string, Key: string) => target.send(new HeadObjectCommand({ Bucket, Key }))

  it('answers for its configuration as AWS does', async () => {
    const Bucket = await newBucket(source)
    const missing = { code: 'ReplicationConfigurationNotFoundError', status: 404 }
    const get = () => source.send(new GetBucketReplicationCommand({ Bucket }))
    const setVersioning = (Status: 'Enabled' | 'Suspended') =>
      source.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
    expect(await failureOf(get())).toEqual(missing)
    await expect(replicate(source, Bucket, ruleTo(names.copy))).rejects.toThrow("Versioning must be 'Enabled'")
    await setVersioning('Enabled')
    expect(await failureOf(replicate(source, Bucket, ruleTo('b-unknown')))).toEqual({
      code: 'InvalidRequest',
      status: 400,
    })
    const elsewhere = await newBucket(source, { name: 'not-listed-there', ...VERSIONED })
    await expect(replicate(source, elsewhere, ruleTo(names.copy))).rejects.toThrow('Destination bucket must exist')
    const withKms = {
      SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' as const } },
      Destination: { Bucket: arnOf(names.second), EncryptionConfiguration: { ReplicaKmsKeyID: 'key' } },
    }
    await expect(replicate(source, Bucket, ruleTo(names.second, withKms))).rejects.toThrow('SSE-KMS')
    const rules = [
      ruleTo(names.copy, {
        Filter: { And: { Prefix: 'a/', Tags: [{ Key: 'k', Value: 'v' }] } },
        DeleteMarkerReplication: { Status: 'Disabled' },
        SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
        ExistingObjectReplication: { Status: 'Enabled' },
        Destination: {
          Bucket: arnOf(names.copy),
          StorageClass: 'STANDARD',
          EncryptionConfiguration: { ReplicaKmsKeyID: 'key-there' },
        },
      }),
      ruleTo(names.second, { ID: 'second', Priority: 2, Status: 'Disabled' }),
    ]
    await replicate(source, Bucket, ...rules)
    expect((await get()).ReplicationConfiguration?.Rules).toEqual(rules)
    const suspended = setVersioning('Suspended')
    expect(await failureOf(suspended)).toEqual({ code: 'InvalidBucketState', status: 409 })
    await source.send(new DeleteBucketReplicationCommand({ Bucket }))
    expect(await failureOf(get())).toEqual(missing)
    await setVersioning('Suspended')
  })

  it('carry objects over with what is told of them, and the tags that they get later', async () => {
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ruleTo(names.copy))
    const told = {
      ContentType: 'text/plain; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment',
      Metadata: { colour: '=?UTF-8?Q?bl=C3=A5?=', plain: 'x' },
    }
    const Body = randomBytes(200_000)
    const Key = 'a folder/\u00e9 & +.txt'
    const put = await source.send(
      new PutObjectCommand({ Bucket, Key, Body, Tagging: 'k%20y=a%2Bb&t=1', ChecksumAlgorithm: 'SHA256', ...told }),
    )
    await completed(Bucket, Key, put.VersionId)
    const got = await target.send(new GetObjectCommand({ Bucket: names.copy, Key, ChecksumMode: 'ENABLED' }))
    expect((await bytesOf(got)).equals(Body)).toBe(true)
    const sent = await source.send(new HeadObjectCommand({ Bucket, Key }))
    expect(got).toMatchObject({
      ...{ ContentType: told.ContentType, CacheControl: told.CacheControl, Metadata: sent.Metadata },
      ...{ ETag: put.ETag, ChecksumSHA256: put.ChecksumSHA256, ReplicationStatus: 'REPLICA', TagCount: 2 },
      ServerSideEncryption: 'AES256',
    })
    const tags = () => target.send(new GetObjectTaggingCommand({ Bucket: names.copy, Key }))
    const byKey = [
      { Key: 'k y', Value: 'a+b' },
      { Key: 't', Value: '1' },
    ]
    expect((await tags()).TagSet).toEqual(byKey)
    await source.send(new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: 'new', Value: '2' }] } }))
    await expect.poll(async () => (await tags()).TagSet, PATIENCE).toEqual([{ Key: 'new', Value: '2' }])
    await source.send(new PutObjectCommand({ Bucket, Key: 'empty', Body: Buffer.alloc(0) }))
    await completed(Bucket, 'empty')
    expect(await headThere(names.copy, 'empty')).toMatchObject({ ContentLength: 0 })
  })

  it('keep the parts, and so the ETag, of a multipart object', async () => {
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ruleTo(names.copy))
    const upload = { Bucket, Key: 'parts' }
    const { UploadId } = await source.send(
      new CreateMultipartUploadCommand({ ...upload, ContentType: 'image/x', Tagging: 'a=b' }),
    )
    const bodies = [randomBytes(5 * MIB), randomBytes(6 * MIB), randomBytes(1)]
    const Parts = []
    for (const [index, Body] of bodies.entries()) {
      const part = { ...upload, UploadId, PartNumber: index + 1, Body }
      Parts.push({ PartNumber: index + 1, ETag: (await source.send(new UploadPartCommand(part))).ETag })
    }
    const MultipartUpload = { Parts }
    const made = await source.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }))
    const whole = await source.send(new PutObjectCommand({ Bucket, Key: 'large', Body: Buffer.alloc(33 * MIB, 'x') }))
    await completed(Bucket, 'parts')
    await completed(Bucket, 'large', whole.VersionId)
    const got = await target.send(new GetObjectCommand({ Bucket: names.copy, Key: 'parts' }))
    expect(got).toMatchObject({ ETag: made.ETag, ContentType: 'image/x', ReplicationStatus: 'REPLICA', TagCount: 1 })
    expect((await bytesOf(got)).equals(Buffer.concat(bodies))).toBe(true)
    const large = await bytesOf(await target.send(new GetObjectCommand({ Bucket: names.copy, Key: 'large' })))
    const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(hashOf(large)).toBe(hashOf(Buffer.alloc(33 * MIB, 'x')))
  })

  it('follow filters, priorities and delete markers, each destination for itself', async () => {
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(
      source,
      Bucket,
      ruleTo(names.back, { Filter: { Prefix: 'in/' } }),
      ruleTo(names.second, {
        ...{ ID: 'tagged', Priority: 2, DeleteMarkerReplication: { Status: 'Disabled' } },
        Filter: { And: { Prefix: 'in/', Tags: [{ Key: 'k', Value: 'v' }] } },
      }),
    )
    const put = (Key: string, Tagging?: string) =>
      source.send(new PutObjectCommand({ Bucket, Key, Body: Key, Tagging }))
    await put('in/one')
    await put('in/two', 'k=v')
    await put('out/three', 'k=v')
    await completed(Bucket, 'in/one')
    await completed(Bucket, 'in/two')
    expect(await statusOf(Bucket, 'out/three')).toBeUndefined()
    await source.send(new DeleteObjectCommand({ Bucket, Key: 'in/two' }))
    await put('in/last', 'k=v')
    await completed(Bucket, 'in/last')
    const keysIn = async (name: string) => {
      const { Versions = [], DeleteMarkers = [] } = await target.send(new ListObjectVersionsCommand({ Bucket: name }))
      return [Versions.map(({ Key }) => Key), DeleteMarkers.map(({ Key }) => Key)]
    }
    await expect.poll(() => keysIn(names.back), PATIENCE).toEqual([['in/last', 'in/one', 'in/two'], ['in/two']])
    expect(await keysIn(names.second)).toEqual([['in/last', 'in/two'], []])
  })

  it('take what was there before the rules by a job, the newest version of each key', async () => {
    const Bucket = await newBucket(source, VERSIONED)
    const put = (Key: string, Body: string) => source.send(new PutObjectCommand({ Bucket, Key, Body }))
    await put('before/twice', 'older')
    await put('before/twice', 'newer')
    await put('before/gone', 'x')
    await source.send(new DeleteObjectCommand({ Bucket, Key: 'before/gone' }))
    await put('elsewhere', 'x')
    const start = (...args: string[]) =>
      cofferJson<{ progress: object }>(here, ['job', 'start', 'replicate', '--bucket', Bucket, '--follow', ...args])
    const within = ruleTo(names.late, { Filter: { Prefix: 'before/' } })
    await replicate(source, Bucket, { ...within, ExistingObjectReplication: { Status: 'Disabled' } })
    expect(await start()).toMatchObject({ progress: { changed: { objectCount: 0 } } })
    await replicate(source, Bucket, within)
    expect(await start('--dry-run')).toMatchObject({ progress: { changed: { objectCount: 1 } } })
    expect(await start()).toMatchObject({ state: 'completed', progress: { changed: { objectCount: 1 } } })
    await completed(Bucket, 'before/twice')
    const { Versions = [] } = await target.send(new ListObjectVersionsCommand({ Bucket: names.late }))
    expect(Versions.map(({ Key, Size }) => [Key, Size])).toEqual([['before/twice', 5]])
    const got = await target.send(new GetObjectCommand({ Bucket: names.late, Key: 'before/twice' }))
    expect((await bytesOf(got)).toString()).toBe('newer')
  })

  it('never replicate what a customer key encrypts, and SSE-KMS only where a rule says so', async () => {
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ruleTo(names.copy))
    const key = randomBytes(32)
    const customer = {
      SSECustomerAlgorithm: 'AES256',
      SSECustomerKey: key.toString('base64'),
      SSECustomerKeyMD5: createHash('md5').update(key).digest('base64'),
    }
    await source.send(new PutObjectCommand({ Bucket, Key: 'customer', Body: 'x', ...customer }))
    const head = await source.send(new HeadObjectCommand({ Bucket, Key: 'customer', ...customer }))
    expect(head.ReplicationStatus).toBe('FAILED')
    await source.send(new PutObjectCommand({ Bucket, Key: 'kms', Body: 'x', ServerSideEncryption: 'aws:kms' }))
    expect(await statusOf(Bucket, 'kms')).toBeUndefined()
    const keys = await target.send(
      new PutObjectCommand({
        Bucket: names.second,
        Key: 'asks-for-the-key',
        Body: '',
        ServerSideEncryption: 'aws:kms',
      }),
    )
    const keyThere = keys.SSEKMSKeyId as string
    await replicate(
      source,
      Bucket,
      ruleTo(names.copy, {
        SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' } },
        Destination: { Bucket: arnOf(names.copy), EncryptionConfiguration: { ReplicaKmsKeyID: keyThere } },
      }),
    )
    await source.send(new PutObjectCommand({ Bucket, Key: 'kms', Body: 'x', ServerSideEncryption: 'aws:kms' }))
    await completed(Bucket, 'kms')
    expect(await headThere(names.copy, 'kms')).toMatchObject({ ServerSideEncryption: 'aws:kms', SSEKMSKeyId: keyThere })
    expect(await failureOf(headThere(names.copy, 'customer'))).toMatchObject({ status: 404 })
  })

  it('send nothing of what a guest has put there under a key of its own account', async () => {
    const Bucket = await newBucket(source, VERSIONED)
    const guest = await newTenant(here, 'guest')
    const statement = {
      Principal: { AWS: guest.accountId },
      Action: 's3:*Object',
      Resource: `arn:aws:s3:::${Bucket}/*`,
    }
    const Policy = policy({ Effect: 'Allow', ...statement })
    await source.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    const Destination = { Bucket: arnOf(names.copy), EncryptionConfiguration: { ReplicaKmsKeyID: 'key-there' } }
    const criteria = { SourceSelectionCriteria: { SseKmsEncryptedObjects: { Status: 'Enabled' as const } } }
    await replicate(source, Bucket, ruleTo(names.copy, { ...criteria, Destination }))
    const SSEKMSKeyId = (await guest.kms.send(new CreateKeyCommand({}))).KeyMetadata?.Arn
    const under = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId } as const
    await guest.s3.send(new PutObjectCommand({ Bucket, Key: 'of-the-guest', Body: 'secret', ...under }))
    const status = async () =>
      (await guest.s3.send(new HeadObjectCommand({ Bucket, Key: 'of-the-guest' }))).ReplicationStatus
    await expect.poll(status, PATIENCE).toBe('FAILED')
    await expect.poll(() => here.logs(), PATIENCE).toContain('its master key is of another account than the bucket')
    expect(await failureOf(headThere(names.copy, 'of-the-guest'))).toMatchObject({ status: 404 })
  })

  it('that replicate to each other come to rest', async () => {
    await newBucket(source, { name: names.both, ...VERSIONED })
    await replicate(source, names.both, ruleTo(names.both))
    await replicate(target, names.both, ruleTo(names.both))
    const put = (client: typeof source, Key: string) =>
      client.send(new PutObjectCommand({ Bucket: names.both, Key, Body: Key }))
    await put(source, 'from here')
    await put(target, 'from there')
    await completed(names.both, 'from here')
    const list = async (client: typeof source) => {
      const { Versions = [], DeleteMarkers = [] } = await client.send(
        new ListObjectVersionsCommand({ Bucket: names.both }),
      )
      return [Versions.map(({ Key }) => Key), DeleteMarkers.map(({ Key }) => Key)]
    }
    const arrived = [['from here', 'from there'], []]
    await expect.poll(() => list(source), PATIENCE).toEqual(arrived)
    await source.send(new DeleteObjectCommand({ Bucket: names.both, Key: 'from there' }))
    await put(source, 'last')
    await completed(names.both, 'last')
    const rested = [['from here', 'from there', 'last'], ['from there']]
    // What comes after it has arrived, so nothing of before is still under way.
    await put(target, 'very last')
    await expect.poll(async () => (await list(source))[0], PATIENCE).toContain('very last')
    for (const client of [source, target]) {
      const [versions, markers] = await list(client)
      expect([versions?.filter((key) => key !== 'very last'), markers]).toEqual(rested)
    }
    const heads = await Promise.all(
      [source, target].map((client) => client.send(new HeadObjectCommand({ Bucket: names.both, Key: 'from here' }))),
    )
    expect(heads.map(({ ReplicationStatus }) => ReplicationStatus)).toEqual(['COMPLETED', 'REPLICA'])
  })

  it('take nobody for a replicator who may not replicate', async () => {
    const path = `/${names.copy}/forged`
    const header = (value: string) => ({ 'x-amz-replication-status': value })
    const put = (headers: Record<string, string>) => sendSigned(there, { method: 'PUT', path, headers, body: 'x' })
    expect(await put(header('COMPLETED'))).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(await put(header('REPLICA'))).toMatchObject({ status: 200 })
    const deny = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          ...{ Effect: 'Deny', Principal: '*', Action: ['s3:ReplicateObject', 's3:ReplicateDelete'] },
          Resource: `${arnOf(names.copy)}/forged*`,
        },
      ],
    })
    const policy = { method: 'PUT', path: `/${names.copy}`, query: { policy: '' }, body: deny }
    expect(await sendSigned(there, policy)).toMatchObject({ status: 204 })
    expect(await put(header('REPLICA'))).toMatchObject({ status: 403, code: 'AccessDenied' })
    const removal = { method: 'DELETE', path, headers: header('REPLICA') }
    expect(await sendSigned(there, removal)).toMatchObject({ status: 403 })
    expect(await put({})).toMatchObject({ status: 200 })
  })
})
