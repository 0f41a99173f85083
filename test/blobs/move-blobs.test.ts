import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { JobProgress } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { startClassStores } from './class-stores.ts'

const MIB = 1024 * 1024
const WAIT_MS = 60_000

const stores = await startClassStores({ workers: 2 })
const { server } = stores
let s3 = s3Client(server)
const Bucket = await newBucket(s3)
const customerKey = randomBytes(32)
const customer = {
  SSECustomerAlgorithm: 'AES256',
  SSECustomerKey: customerKey.toString('base64'),
  SSECustomerKeyMD5: createHash('md5').update(customerKey).digest('base64'),
}

interface Stored {
  readonly key: string
  readonly versionId: string
  readonly body: Buffer
  readonly sse: Partial<typeof customer>
}
const kept: Stored[] = []

afterAll(() => stores.dispose())

async function put(key: string, body: Buffer, sse: Stored['sse'] = {}): Promise<void> {
  const { VersionId = '' } = await s3.send(new PutObjectCommand({ Bucket, Key: key, Body: body, ...sse }))
  kept.push({ key, versionId: VersionId, body, sse })
}

beforeAll(async () => {
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  for (let index = 0; index < 12; index++) await put(`k${index % 8}`, randomBytes(MIB + index))
  await put('small', randomBytes(1000))
  await put('customer', randomBytes(MIB), customer)
  const Key = 'parts'
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
  const bodies = [randomBytes(5 * MIB), randomBytes(MIB)]
  const Parts = []
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = index + 1
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }))
    Parts.push({ PartNumber, ETag })
  }
  const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts } }
  const { VersionId = '' } = await s3.send(new CompleteMultipartUploadCommand(complete))
  kept.push({ key: Key, versionId: VersionId, body: Buffer.concat(bodies), sse: {} })
})

async function read({ key, versionId, sse }: Stored): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: key, VersionId: versionId, ...sse })))
}

async function assertAllThere(): Promise<void> {
  for (const one of kept) expect((await read(one)).equals(one.body)).toBe(true)
}

/** All that clients see of the versions. */
async function versions(): Promise<unknown> {
  return (await s3.send(new ListObjectVersionsCommand({ Bucket }))).Versions
}

async function useClasses(classes: Readonly<Record<string, string>>): Promise<void> {
  writeFileSync(server.env.COFFER_BLOBS_FILE ?? '', JSON.stringify({ ...stores.configuration, classes }))
  await server.stop()
  await restart()
}

async function restart(): Promise<void> {
  s3.destroy()
  await server.restart()
  s3 = s3Client(server)
}

async function migrate(...args: readonly string[]): Promise<Job & { result: JobProgress & { left: object } }> {
  const { stdout } = await coffer(['migrate', 'blobs', ...args, '--json'], server.env)
  return JSON.parse(stdout)
}

it('is refused while new objects go into the store that is to be emptied, and for stores that there are not', async () => {
  for (const [from, to, told] of [
    ['default', 'slow', 'STANDARD'],
    ['cloud', 'cloud', 'to: it is'],
    ['nowhere', 'slow', 'no store nowhere'],
    ['default', 'nowhere', 'no store nowhere'],
  ] as const) {
    const { state, failure } = await migrate('--from', from, '--to', to)
    expect([state, failure?.code]).toEqual(['failed', 'ROTATION_REQUEST_INVALID'])
    expect(failure?.message).toContain(told)
  }
})

it('moves all data of a store while it is read; clients see no difference', async () => {
  await useClasses({ STANDARD: 'slow' })
  const before = await versions()
  await assertAllThere()
  const total = stores.inFirst().length
  const dryRun = await migrate('--from', 'default', '--to', 'slow', '--dry-run')
  // Versions whose data is in the store: all but the small one, the one of two parts among them.
  expect(dryRun.result).toMatchObject({ changed: { objectCount: 14 }, left: { blobCount: total } })
  expect(stores.inFirst()).toHaveLength(total)
  let isDone = false
  const readers = Array.from({ length: 4 }, async (_, reader) => {
    for (let index = reader; !isDone; index++) {
      const one = kept[index % kept.length] as Stored
      expect((await read(one)).equals(one.body)).toBe(true)
    }
  })
  const moved = await migrate('--from', 'default', '--to', 'slow').finally(() => {
    isDone = true
  })
  await Promise.all(readers)
  expect(moved).toMatchObject({
    state: 'completed',
    result: { changed: { objectCount: 14 }, failedCount: 0, left: { blobCount: 0, sizeBytes: 0 } },
  })
  expect([stores.inFirst(), stores.inSlow().length]).toEqual([[], total])
  expect(await versions()).toEqual(before)
  await assertAllThere()
  expect(await cofferJson(server, ['scrub'])).toMatchObject({ damaged: [], orphansRemoved: 0 })
  const again = await migrate('--from', 'default', '--to', 'slow')
  expect(again.result).toMatchObject({ changed: { objectCount: 0 } })
})

it('leaves where it was what does not arrive as it was sent', async () => {
  await useClasses({ STANDARD: 'default' })
  const count = stores.inSlow().length
  stores.proxy.distort = (exchange) => {
    const isBlob = exchange.method === 'GET' && exchange.path.includes('/cold/blobs/')
    if (isBlob) exchange.body = Buffer.from(exchange.body.map((byte, index) => (index === 1000 ? byte ^ 1 : byte)))
    return 'whole'
  }
  const moved = await migrate('--from', 'slow', '--to', 'cloud', '--bucket', Bucket, '--prefix', 'k1')
  stores.proxy.distort = () => 'whole'
  expect(moved.result).toMatchObject({ changed: { objectCount: 0 }, failedCount: 2, left: { blobCount: count } })
  expect(moved.result.failures[0]?.code).toBe('BLOB_IO_FAILED')
  expect(await stores.inCloud()).toEqual([])
  await assertAllThere()
})

it('goes on after a kill -9 where it was, and leaves nothing behind', async () => {
  const before = await versions()
  const count = stores.inSlow().length
  const pace = ['--bytes-per-second', '6MiB', '--no-follow']
  await cofferJson(server, ['migrate', 'blobs', '--from', 'slow', '--to', 'cloud', ...pace])
  const reached = async (least: number) => (await stores.inCloud()).length >= least
  await expect.poll(() => reached(1), { timeout: WAIT_MS }).toBe(true)
  await server.killGroup('SIGKILL')
  await restart()
  await assertAllThere()
  await expect.poll(() => reached(count), { timeout: WAIT_MS }).toBe(true)
  await expect
    .poll(async () => (await cofferJson<Job[]>(server, ['job', 'list']))[0]?.state, { timeout: WAIT_MS })
    .toBe('completed')
  expect(stores.inSlow()).toEqual([])
  expect(await versions()).toEqual(before)
  await assertAllThere()
  // What the dead process had copied without a commit is gone with it.
  await expect
    .poll(async () => (await cofferJson<{ blobsSeen: number }>(server, ['scrub'])).blobsSeen, { timeout: WAIT_MS })
    .toBe(count)
})
