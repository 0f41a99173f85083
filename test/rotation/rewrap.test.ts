import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { KeyUse, LocatedKey, RewrapReport } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson, run } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, serverForSuite } from '../harness/start-server.ts'

/** How long a worker may go on sealing under the version before a rotation (services/crypto, LEASE_MS), and a little. */
const LEASE_MS = 2_500

const BUCKETS = 40
/** A command needs about half a second before it begins; the moments of the kills are spread from there. */
const KILL_AFTER_MS_MIN = 400
const KILL_STEP_MS = 150

const server = await serverForSuite()
const s3 = s3Client(server)
const versioned = await newBucket(s3, { versioning: 'Enabled' })

const rotate = (name: string) => cofferJson<LocatedKey>(server, ['key', 'rotate', name])
const rewrap = (name: string, ...options: string[]) =>
  cofferJson<RewrapReport>(server, ['key', 'rewrap', name, ...options])
const use = (name: string) => cofferJson<KeyUse>(server, ['key', 'usage', name])
const versionsInUse = async (name: string) => (await use(name)).versions.map(({ version }) => version)

describe('a rewrap after a rotation', () => {
  it('leaves nothing under the old version, and every object, date, ETag and version id as it was', async () => {
    const bodies = new Map<string, Buffer>()
    for (let index = 0; index < 20; index++) {
      const body = randomBytes(index % 5 === 0 ? 200_000 : 1_000)
      bodies.set(`k${index}`, body)
      await s3.send(new PutObjectCommand({ Bucket: versioned, Key: `k${index}`, Body: body, Metadata: { a: 'b' } }))
    }
    await s3.send(new DeleteObjectCommand({ Bucket: versioned, Key: 'k3' }))
    const before = await snapshotOf(s3, versioned)
    await rotate('coffer')
    const planned = await rewrap('coffer', '--dry-run')
    expect(planned).toMatchObject({ dryRun: true, bucketKeyCount: 1, objectCount: 20, failures: [] })
    expect(await versionsInUse('coffer')).toContain(1)
    const report = await rewrap('coffer')
    expect(report).toMatchObject({ toVersion: 2, bucketKeyCount: 1, objectCount: 20, identitiesRewrapped: true })
    expect(report.failures).toEqual([])
    expect(await versionsInUse('coffer')).toEqual([2])
    expect(await rewrap('coffer')).toMatchObject({ bucketKeyCount: 0, bucketCount: 0, identitiesRewrapped: false })
    expect(await snapshotOf(s3, versioned)).toEqual(before)
    await server.stop()
    await server.restart()
    for (const [Key, body] of bodies) {
      if (Key === 'k3') continue
      const got = await s3.send(new GetObjectCommand({ Bucket: versioned, Key }))
      expect((await bytesOf(got)).equals(body)).toBe(true)
      expect(got.Metadata).toEqual({ a: 'b' })
    }
  })

  it('moves everything to another key, after which the old one can be disabled and deleted', async () => {
    await cofferJson(server, ['key', 'create', 'old'])
    await cofferJson(server, ['key', 'create', 'new'])
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'old', BucketKeyEnabled: true } as const
    await s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'moved', Body: 'x', ...kms }))
    const refused = await coffer(['key', 'delete', 'old'], server.env)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('KMS_KEY_IN_USE')
    expect((await coffer(['key', 'disable', 'old'], server.env)).code).not.toBe(0)
    expect(await rewrap('old', '--to', 'new')).toMatchObject({ bucketKeyCount: 1, objectCount: 1, failures: [] })
    await cofferJson(server, ['key', 'delete', 'old'])
    await sleep(LEASE_MS)
    const got = await s3.send(new GetObjectCommand({ Bucket: versioned, Key: 'moved' }))
    expect((await bytesOf(got)).toString()).toBe('x')
  })
})

describe("the server's own key", () => {
  it('disabled by mistake, stops a start with a clear error, and can be enabled again', async () => {
    await s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'mistake', Body: 'x' }))
    await cofferJson(server, ['key', 'disable', 'coffer', '--yes'])
    await server.stop()
    const started = await coffer(['server'], server.env)
    expect(started.code).toBe(1)
    expect(started.stderr).toContain('KMS_KEY_DISABLED')
    await cofferJson(server, ['key', 'enable', 'coffer'])
    await server.restart()
    const got = await s3.send(new GetObjectCommand({ Bucket: versioned, Key: 'mistake' }))
    expect((await bytesOf(got)).toString()).toBe('x')
  })
})

describe('objects that a master key seals by itself', () => {
  it('come under the new version one by one, locked into their places, and what is done twice is done once', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    await cofferJson(server, ['key', 'create', 'direct'])
    const context = Buffer.from(JSON.stringify({ team: 'blue' })).toString('base64')
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'direct', SSEKMSEncryptionContext: context } as const
    for (let index = 0; index < 30; index++) {
      const body = { Body: index % 10 === 0 ? Buffer.alloc(200_000, index) : `body ${index}` }
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `k${index % 20}`, ...body, ...kms }))
    }
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k1' }))
    const before = await snapshotOf(s3, bucket)
    await rotate('direct')
    expect(await rewrap('direct', '--dry-run')).toMatchObject({ directObjectCount: 30 })
    const reports = await Promise.all([rewrap('direct'), rewrap('direct')])
    expect(reports.map(({ failures }) => failures)).toEqual([[], []])
    expect(reports.reduce((sum, { directObjectCount }) => sum + directObjectCount, 0)).toBeGreaterThanOrEqual(30)
    expect(await versionsInUse('direct')).toEqual([2])
    expect((await use('direct')).versions[0]?.objectCount).toBe(30)
    expect(await rewrap('direct')).toMatchObject({ directObjectCount: 0 })
    expect(await snapshotOf(s3, bucket)).toEqual(before)
    const { versions = [] } = before
    for (const { Key, VersionId } of versions) {
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, VersionId }))
      expect((await bytesOf(got)).length).toBeGreaterThan(0)
      expect(got.SSEKMSKeyId).toBe('direct')
    }
  })
})

describe('clients during rotations and rewraps', () => {
  it('see no error and no wrong byte, also when a rewrap is killed', { timeout: 300_000 }, async () => {
    const bucket = await newBucket(s3)
    // Many bucket keys, so that a rewrap has a middle to be killed in.
    for (let index = 0; index < BUCKETS; index++) {
      await s3.send(new PutObjectCommand({ Bucket: await newBucket(s3), Key: 'k', Body: 'x' }))
    }
    const stop = new AbortController()
    const counts = Array.from({ length: 8 }, () => 0)
    const traffic = counts.map((_, client) =>
      readAndWrite(s3, bucket, `c${client}`, stop.signal, (count) => {
        counts[client] = count
      }),
    )
    for (let round = 0; round < 4; round++) {
      await rotate('coffer')
      const killed = run(process.execPath, [COFFER, 'key', 'rewrap', 'coffer'], {
        env: server.env,
        timeoutMs: KILL_AFTER_MS_MIN + round * KILL_STEP_MS,
      })
      await Promise.allSettled([killed])
      const reports = await Promise.all([rewrap('coffer'), rewrap('coffer')])
      for (const { failures } of reports) expect(failures).toEqual([])
    }
    await Promise.race([Promise.all(traffic), expect.poll(() => Math.min(...counts)).toBeGreaterThan(10)])
    stop.abort()
    await Promise.all(traffic)
    await sleep(LEASE_MS)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'last', Body: 'x' }))
    await rewrap('coffer')
    const { currentVersion } = await cofferJson<LocatedKey>(server, ['key', 'describe', 'coffer'])
    expect(await versionsInUse('coffer')).toEqual([currentVersion])
  })
})

/** Writes and reads back until it is told to stop; tells how often. Any error or wrong byte ends it with that. */
async function readAndWrite(
  client: S3Client,
  bucket: string,
  prefix: string,
  signal: AbortSignal,
  tell: (count: number) => void,
): Promise<void> {
  const written: { Key: string; body: Buffer }[] = []
  let count = 0
  while (!signal.aborted) {
    const body = randomBytes(500)
    const Key = `${prefix}-${count % 50}`
    await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }))
    written[count % 50] = { Key, body }
    const chosen = written[Math.floor(Math.random() * written.length)]
    if (chosen === undefined) throw new Error('something was written')
    const got = await client.send(new GetObjectCommand({ Bucket: bucket, Key: chosen.Key }))
    if (!(await bytesOf(got)).equals(chosen.body)) throw new Error(`${chosen.Key} has wrong bytes`)
    count += 1
    tell(count)
  }
}

async function snapshotOf(client: S3Client, bucket: string) {
  const listed = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }))
  const versions = listed.Versions?.map(({ Key, VersionId, ETag, LastModified, Size, IsLatest }) => ({
    Key,
    VersionId,
    ETag,
    LastModified,
    Size,
    IsLatest,
  }))
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k0' }))
  const { LastModified, ETag, VersionId, Metadata } = head
  return { versions, markers: listed.DeleteMarkers, head: { LastModified, ETag, VersionId, Metadata } }
}
