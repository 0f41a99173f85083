import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { JobProgress, KeyUse } from '@coffer/contracts'
import type { Job, Schedule } from '@coffer/job-queue'
import { describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { startGroup } from '../harness/process-group.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, REPOSITORY, serverForSuite } from '../harness/start-server.ts'

const POLL_MS = 100
const WAIT_MS_MAX = 100_000

const PART_BYTES = 5 * 2 ** 20
const CUSTOMER_KEY = randomBytes(32)

const server = await serverForSuite()
const s3 = s3Client(server)

const start = (...args: string[]) => cofferJson<Job>(server, ['job', 'start', ...args])
const show = (id: string) => cofferJson<Job>(server, ['job', 'show', id])

async function until(id: string, isReached: (job: Job) => boolean): Promise<Job> {
  for (const deadline = Date.now() + WAIT_MS_MAX; Date.now() < deadline; await sleep(POLL_MS)) {
    const job = await show(id)
    if (isReached(job)) return job
  }
  throw new Error(`job ${id} did not get there: ${JSON.stringify(await show(id))}\n${server.logs()}`)
}
const hasEnded = (job: Job) => job.endedAt !== undefined
const progressOf = (job: Job) => (job.result ?? job.progress) as unknown as JobProgress
const changedCount = (job: Job) => progressOf(job)?.changed.objectCount ?? 0

describe('a re-encryption', () => {
  it('leaves version ids, order, dates, ETags, metadata and tags as they were; SSE-C objects are left alone', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const bodies = new Map<string, Buffer>()
    const put = async (Key: string, body: Buffer, more: object = {}) => {
      const answer = await s3.send(
        new PutObjectCommand({ Bucket: bucket, Key, Body: body, Metadata: { m: Key }, Tagging: 'a=b', ...more }),
      )
      bodies.set(answer.VersionId ?? '', body)
    }
    for (let index = 0; index < 12; index++) await put(`k${index % 4}`, randomBytes(1 + index * 60_000))
    await cofferJson(server, ['key', 'create', 'job-kms'])
    await put('kms', randomBytes(300_000), { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'job-kms' })
    await put('empty', Buffer.alloc(0))
    const ssec = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: CUSTOMER_KEY.toString('base64') }
    await put('mine', randomBytes(200_000), ssec)
    const large = randomBytes(11 * 2 ** 20)
    bodies.set(await putInParts(bucket, 'parts', large), large)
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k1' }))
    const before = await snapshotOf(s3, bucket)

    const job = await until(
      (await start('reencrypt', '--bucket', bucket, '--algorithm', 'CHACHA20-POLY1305')).id,
      hasEnded,
    )
    expect(job).toMatchObject({ state: 'completed', result: { failedCount: 0, changed: { objectCount: 15 } } })
    expect(await snapshotOf(s3, bucket)).toEqual(before)
    for (const { Key, VersionId } of before.versions ?? []) {
      const key = Key === 'mine' ? ssec : {}
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, VersionId, ...key }))
      expect((await bytesOf(got)).equals(bodies.get(VersionId ?? '') ?? Buffer.of(1))).toBe(true)
      if (Key !== 'parts') expect([got.Metadata, got.TagCount]).toEqual([{ m: Key }, 1])
    }
    const tags = await s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'k0' }))
    expect(tags.TagSet).toEqual([{ Key: 'a', Value: 'b' }])

    const aesOnly = await start('reencrypt', '--bucket', bucket, '--encrypted-with', 'AES-256-GCM', '--dry-run')
    expect(changedCount(await until(aesOnly.id, hasEnded))).toBe(0)
    const newKeys = await start('reencrypt', '--bucket', bucket, '--key-older-than', '1h', '--dry-run')
    expect(changedCount(await until(newKeys.id, hasEnded))).toBe(0)
    const someSizes = ['--min-size', '100KiB', '--max-size', '1MiB', '--prefix', 'k']
    const some = await until((await start('reencrypt', '--bucket', bucket, '--dry-run', ...someSizes)).id, hasEnded)
    const fitting = before.versions?.filter(({ Key, Size = 0 }) => Key?.startsWith('k') && Size >= 102_400)
    expect(changedCount(some)).toBe(fitting?.length)
  })

  it('is paused, goes on where it was, and is cancelled', async () => {
    const bucket = await filledBucket(400)
    const { id } = await start('reencrypt', '--bucket', bucket, '--objects-per-second', '4')
    await until(id, (job) => changedCount(job) > 5)
    await cofferJson(server, ['job', 'pause', id])
    const paused = await until(id, ({ state }) => state === 'paused')
    const doneCount = changedCount(paused)
    expect(doneCount).toBeLessThan(400)
    await sleep(2_500)
    expect(changedCount(await show(id))).toBe(doneCount)
    await cofferJson(server, ['job', 'resume', id])
    await until(id, (job) => changedCount(job) > doneCount)
    await cofferJson(server, ['job', 'cancel', id])
    const cancelled = await until(id, hasEnded)
    expect(cancelled.state).toBe('cancelled')
    expect(changedCount(cancelled)).toBeLessThan(400)
    const again = await coffer(['job', 'resume', id], server.env)
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('JOB_STATE_INVALID')])
  })

  it('that is killed with the whole server goes on after the next start, while clients see no wrong byte', async () => {
    const bucket = await filledBucket(300)
    // Slow enough that a busy machine starts again before it is done.
    const { id } = await start('reencrypt', '--bucket', bucket, '--objects-per-second', '12')
    await until(id, (job) => changedCount(job) > 20)
    await server.killGroup('SIGKILL')
    await server.restart()
    const restarted = await show(id)
    expect(restarted.state).toBe('running')
    const stop = new AbortController()
    const traffic = Promise.all(['a', 'b', 'c'].map((client) => readAndWrite(s3, bucket, client, stop.signal)))
    const ended = await until(id, hasEnded).finally(() => stop.abort())
    expect(Math.min(...(await traffic))).toBeGreaterThan(5)
    expect(ended).toMatchObject({ state: 'completed', result: { failedCount: 0 } })
    expect(progressOf(ended).seen.objectCount).toBeLessThan(600)
    const rest = await until(
      (await start('reencrypt', '--bucket', bucket, '--key-older-than', '1h', '--dry-run')).id,
      hasEnded,
    )
    expect(changedCount(rest)).toBe(0)
    for (let index = 0; index < 300; index += 7) {
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `o${index}` }))
      expect((await bytesOf(got)).toString()).toBe(bodyOf(index))
    }
    const scrubbed = await cofferJson<{ damaged: unknown[] }>(server, ['scrub'])
    expect(scrubbed.damaged).toEqual([])
  })

  it('does not disturb a download that is under way', async () => {
    const bucket = await newBucket(s3)
    const body = randomBytes(48 * 2 ** 20)
    await putInParts(bucket, 'big', body)
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'big' }))
    const stream = got.Body as NodeJS.ReadableStream
    const pieces: Buffer[] = []
    for (let begun = false; ; ) {
      const piece = stream.read() as Buffer | null
      if (piece) pieces.push(piece)
      else if (begun) break
      else await new Promise((resolve) => stream.once('readable', resolve))
      begun = pieces.length > 0
      if (begun) break
    }
    const job = await until((await start('reencrypt', '--bucket', bucket)).id, hasEnded)
    expect(job).toMatchObject({ state: 'completed', result: { changed: { objectCount: 1 } } })
    for await (const piece of stream) pieces.push(piece as Buffer)
    expect(Buffer.concat(pieces).equals(body)).toBe(true)
  })
})

describe('jobs over keys', () => {
  it('move a bucket from one master key to another, by bucket keys or without, after which nothing needs the first', async () => {
    await cofferJson(server, ['key', 'create', 'first'])
    await cofferJson(server, ['key', 'create', 'second'])
    const bucket = await newBucket(s3)
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'first' } as const
    for (let index = 0; index < 20; index++) {
      const BucketKeyEnabled = index % 2 === 0
      await s3.send(
        new PutObjectCommand({ Bucket: bucket, Key: `o${index}`, Body: bodyOf(index), ...kms, BucketKeyEnabled }),
      )
    }
    await cofferJson(server, ['key', 'alias', 'create', 'next', 'second'])
    const keys = ['--under-key', 'first', '--to-key', 'alias/next']
    const { id } = await start('reseal', '--bucket', bucket, ...keys)
    expect(changedCount(await until(id, hasEnded))).toBe(20)
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'o1' }))
    // Not the alias: that may name another key tomorrow.
    expect([head.SSEKMSKeyId, head.BucketKeyEnabled]).toEqual(['local/second', true])
    expect(
      (await cofferJson<KeyUse>(server, ['key', 'usage', 'first'])).versions.map(({ objectCount }) => objectCount),
    ).toEqual([0])
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'o7' }))
    expect((await bytesOf(got)).toString()).toBe(bodyOf(7))
  })

  it('take all buckets where none is named, and of those what carries the tags that clients gave', async () => {
    await cofferJson(server, ['key', 'create', 'tagged'])
    await cofferJson(server, ['key', 'create', 'after'])
    const buckets = [await newBucket(s3), await newBucket(s3)]
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'tagged', BucketKeyEnabled: true } as const
    const tagging = [
      { Tagging: 'class=secret&team=blue' },
      { Tagging: 'class=secret' },
      { Tagging: 'class=public' },
      {},
    ]
    for (const Bucket of buckets) {
      for (const [index, tags] of tagging.entries()) {
        await s3.send(new PutObjectCommand({ Bucket, Key: `o${index}`, Body: bodyOf(index), ...kms, ...tags }))
      }
      const TagSet = [{ Key: 'class', Value: 'secret' }]
      await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'o3', Tagging: { TagSet } }))
    }
    const keys = ['--under-key', 'tagged', '--to-key', 'after']
    const changedBy = async (...args: string[]) =>
      changedCount(await until((await start('reseal', ...keys, ...args)).id, hasEnded))
    const keysOf = async (Bucket: string | undefined) =>
      await Promise.all(
        tagging.map(async (_, index) => {
          const { SSEKMSKeyId } = await s3.send(new HeadObjectCommand({ Bucket, Key: `o${index}` }))
          return SSEKMSKeyId?.replace('local/', '')
        }),
      )
    expect(await changedBy('--tag', 'class=secret', '--tag', 'team=blue', '--dry-run')).toBe(2)
    expect(await changedBy('--tag', 'class=secret')).toBe(6)
    for (const bucket of buckets) expect(await keysOf(bucket)).toEqual(['after', 'after', 'tagged', 'after'])
    expect(await changedBy()).toBe(2)
    for (const bucket of buckets) expect(await keysOf(bucket)).toEqual(['after', 'after', 'after', 'after'])
    const tags = await s3.send(new GetObjectTaggingCommand({ Bucket: buckets[1], Key: 'o0' }))
    expect(tags.TagSet).toHaveLength(2)
  })

  it('rotate a master key and rewrap under it, once, on a schedule', async () => {
    await cofferJson(server, ['key', 'create', 'turning'])
    const bucket = await newBucket(s3)
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'turning', BucketKeyEnabled: true } as const
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'o', Body: 'x', ...kms }))
    const when = ['--name', 'often', '--every', '1s']
    const schedule = await cofferJson<Schedule>(server, ['job', 'schedule', 'add', 'rotate-key', 'turning', ...when])
    expect(schedule.nextAt).toBeGreaterThan(Date.now() - 60_000)
    const done = async () =>
      (await cofferJson<Job[]>(server, ['job', 'list'])).filter((job) => job.scheduleName === 'often')
    for (const deadline = Date.now() + WAIT_MS_MAX; !(await done()).some(hasEnded) && Date.now() < deadline; )
      await sleep(POLL_MS)
    const removed = await coffer(['job', 'schedule', 'remove', 'often'], server.env)
    expect(removed.code).toBe(0)
    for (const { id } of await done()) expect(await until(id, hasEnded)).toMatchObject({ state: 'completed' })
    const { versions } = await cofferJson<KeyUse>(server, ['key', 'usage', 'turning'])
    expect(versions.at(-1)?.version).toBeGreaterThan(1)
  })
})

describe('a job that cannot be done', () => {
  it('is refused when it is asked for, or fails with its reason', async () => {
    const refused = async (...args: string[]) => {
      const { code, stderr } = await coffer(['job', ...args], server.env)
      expect(code).not.toBe(0)
      return stderr
    }
    expect(await refused('start', 'reencrypt', '--prefix', 'x')).toContain('ROTATION_REQUEST_INVALID')
    expect(await refused('start', 'rewrap', 'no such key!')).toContain('ROTATION_REQUEST_INVALID')
    expect(await refused('start', 'reseal', '--to-key', 'a', '--to-sse-s3')).toContain('cannot be used with')
    expect(await refused('start', 'reencrypt', '--older-than', '3 weeks')).toContain('90d')
    expect(await refused('start', 'encrypt')).toContain('unknown command')
    expect(await refused('schedule', 'add', 'scrub', '--name', 'x')).toContain('--cron')
    expect(await refused('schedule', 'add', 'scrub', '--name', 'x', '--cron', 'always')).toContain(
      'JOB_SCHEDULE_INVALID',
    )
    expect(await refused('schedule', 'remove', 'nothing')).toContain('JOB_SCHEDULE_NOT_FOUND')
    expect(await refused('show', 'nothing')).toContain('no job')
    const lost = await until((await start('reseal', '--to-key', 'never-made')).id, hasEnded)
    expect(lost).toMatchObject({ state: 'failed', failure: { code: 'KMS_KEY_NOT_FOUND' } })
    const nowhere = await until((await start('reencrypt', '--bucket', 'never-made')).id, hasEnded)
    expect(nowhere).toMatchObject({ state: 'failed', failure: { code: 'ROTATION_BUCKET_NOT_FOUND' } })
  })
})

describe('a job that is followed while no server runs', () => {
  it('says that nobody is there to run it, and goes on when one is', async () => {
    await server.stop()
    const args = [COFFER, 'job', 'start', 'scrub', '--follow']
    const follower = startGroup(process.execPath, args, { env: server.env, cwd: REPOSITORY })
    await expect.poll(() => follower.logs(), { timeout: 60_000 }).toContain('no server runs on this data directory')
    await server.restart()
    expect(await follower.ended).toEqual({ code: 0, signal: null })
    await expect.poll(() => follower.logs()).toContain('completed')
    expect(follower.logs().match(/no server runs/g)).toHaveLength(1)
  })
})

describe('a scrub that is followed', () => {
  it('ends with 1 where data is missing, and names it', async () => {
    const Bucket = await newBucket(s3)
    const before = new Set(blobFiles())
    await s3.send(new PutObjectCommand({ Bucket, Key: 'lost', Body: Buffer.alloc(300_000, 1) }))
    const [lost = ''] = blobFiles().filter((path) => !before.has(path))
    rmSync(lost)
    const { code, stdout } = await coffer(['job', 'start', 'scrub', '--follow', '--json'], server.env)
    const job = JSON.parse(stdout)
    expect([code, job.state, job.result.damaged]).toEqual([
      1,
      'completed',
      [{ blobId: basename(lost), problem: 'missing' }],
    ])
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'lost' }))
  })
})

function blobFiles(): string[] {
  const blobs = join(server.dataDir, 'blobs')
  return readdirSync(blobs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'coffer-store')
    .map(({ parentPath, name }) => join(parentPath, name))
}

const bodyOf = (index: number): string => `body ${index} `.repeat(1 + (index % 50) * 400)

/** Returns the version id. */
async function putInParts(bucket: string, key: string, body: Buffer): Promise<string> {
  const place = { Bucket: bucket, Key: key }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand(place))
  const Parts: { PartNumber: number; ETag: string | undefined }[] = []
  for (let PartNumber = 1; (PartNumber - 1) * PART_BYTES < body.length; PartNumber++) {
    const Body = body.subarray((PartNumber - 1) * PART_BYTES, PartNumber * PART_BYTES)
    const { ETag } = await s3.send(new UploadPartCommand({ ...place, UploadId, PartNumber, Body }))
    Parts.push({ PartNumber, ETag })
  }
  const upload = { ...place, UploadId, MultipartUpload: { Parts } }
  return (await s3.send(new CompleteMultipartUploadCommand(upload))).VersionId ?? ''
}

async function filledBucket(count: number): Promise<string> {
  const bucket = await newBucket(s3)
  const put = (index: number) =>
    s3.send(new PutObjectCommand({ Bucket: bucket, Key: `o${index}`, Body: bodyOf(index) }))
  await Promise.all(Array.from({ length: count }, (_, index) => put(index)))
  return bucket
}

async function snapshotOf(client: S3Client, bucket: string) {
  const { Versions, DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket: bucket }))
  return { versions: Versions, markers: DeleteMarkers }
}

/** Writes and reads back until it is told to stop; returns how often. */
async function readAndWrite(client: S3Client, bucket: string, prefix: string, signal: AbortSignal): Promise<number> {
  let count = 0
  for (; !signal.aborted; count++) {
    const body = randomBytes(count % 3 === 0 ? 200_000 : 700)
    const place = { Bucket: bucket, Key: `${prefix}${count % 5}` }
    await client.send(new PutObjectCommand({ ...place, Body: body }))
    await sleep(20)
    const got = await bytesOf(await client.send(new GetObjectCommand(place)))
    if (!got.equals(body)) throw new Error(`${place.Key} has wrong bytes`)
  }
  return count
}
