import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { ScrubReport } from '@coffer/contracts'
import { expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { AcknowledgedJournal, type KeyState, newBody, stateOf } from './acknowledged-journal.ts'

const CLIENTS = 6
const KEYS_PER_CLIENT = 30
const SMALL_BYTES_MAX = 8_000
const LARGE_BYTES_MAX = 400_000
const KILLS_MIN = 4
const ATTACK_MS = process.env.CI === 'true' ? 60_000 : 25_000
const LIFE_MS_MIN = 200
const LIFE_MS_MAX = 1_800
const CHECKS_AT_ONCE = 24

const server = await serverForSuite({ workers: 2 })
let s3 = s3Client(server)
const bucket = await newBucket(s3)
const versioned = await newBucket(s3, { versioning: 'Enabled' })
const journal = new AcknowledgedJournal()
/** Every version whose id a client was told, with its bytes; and how many writes got no answer. */
const toldVersions = new Map<string, KeyState>()
let unansweredVersions = 0

const below = (limit: number): number => Math.floor(Math.random() * limit)

async function upload(Key: string, bodies: readonly Buffer[]): Promise<void> {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
  const Parts = []
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = index + 1
    const { ETag, ChecksumCRC32 } = await s3.send(
      new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber, Body }),
    )
    Parts.push({ PartNumber, ETag, ChecksumCRC32 })
  }
  await s3.send(new CompleteMultipartUploadCommand({ Bucket: bucket, Key, UploadId, MultipartUpload: { Parts } }))
}

/** One random write of a client to one of its own keys. */
async function write(client: number): Promise<void> {
  const Key = `c${client}/k${below(KEYS_PER_CLIENT)}`
  const dice = Math.random()
  if (dice < 0.4) {
    const body = newBody(below(SMALL_BYTES_MAX))
    await journal.record(
      Key,
      stateOf(body),
      async () => await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body })),
    )
  } else if (dice < 0.6) {
    const body = newBody(SMALL_BYTES_MAX + below(LARGE_BYTES_MAX))
    await journal.record(
      Key,
      stateOf(body),
      async () => await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body })),
    )
  } else if (dice < 0.75) {
    await journal.record(Key, 'absent', async () => await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key })))
  } else if (dice < 0.85) {
    const body = newBody(below(LARGE_BYTES_MAX))
    await journal.record(Key, stateOf(body), async () => await upload(Key, [body]))
  } else {
    const body = newBody(below(LARGE_BYTES_MAX))
    unansweredVersions++
    const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: versioned, Key: `c${client}`, Body: body }))
    unansweredVersions--
    toldVersions.set(`c${client}@${VersionId}`, stateOf(body))
  }
}

/** A client writes until its connection breaks. An answer that is an S3 error is a failure of the test. */
async function writeUntilCut(client: number): Promise<void> {
  for (;;) {
    try {
      await write(client)
    } catch (error) {
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode !== undefined) throw error
      return
    }
  }
}

async function stateOfObject(Bucket: string, Key: string, VersionId?: string): Promise<KeyState> {
  try {
    return stateOf(await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }))))
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return 'absent'
    throw error
  }
}

async function forEachAtOnce<T>(items: readonly T[], check: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    for (let item = queue.pop(); item !== undefined; item = queue.pop()) await check(item)
  }
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, worker))
}

async function verifyEverything(): Promise<void> {
  await forEachAtOnce(journal.keys(), async (key) => {
    const state = await stateOfObject(bucket, key)
    expect(journal.allowed(key), key).toContain(state)
    journal.settle(key, state)
  })
  const present = journal.keys().filter((key) => journal.allowed(key)[0] !== 'absent')
  const listed: string[] = []
  let token: string | undefined
  do {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 100, ...(token && { ContinuationToken: token }) }),
    )
    listed.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''))
    token = page.NextContinuationToken
  } while (token)
  expect(listed).toEqual(present.sort())
  await verifyVersions()
}

async function allVersions(): Promise<Map<string, string>> {
  const versions = new Map<string, string>()
  let markers = {}
  for (;;) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket: versioned, ...markers }))
    for (const { Key, VersionId } of page.Versions ?? []) versions.set(`${Key}@${VersionId}`, VersionId ?? '')
    if (!page.IsTruncated) return versions
    markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
  }
}

async function verifyVersions(): Promise<void> {
  const versions = await allVersions()
  for (const told of toldVersions.keys()) expect(versions.has(told), told).toBe(true)
  expect(versions.size - toldVersions.size).toBeLessThanOrEqual(unansweredVersions)
  const sample = [...toldVersions].filter(() => Math.random() < 100 / toldVersions.size)
  await forEachAtOnce(sample, async ([told, state]) => {
    const [key = '', id = ''] = told.split('@')
    expect(await stateOfObject(versioned, key, id), told).toBe(state)
  })
}

function blobFiles(): string[] {
  return readdirSync(join(server.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
}

async function scrub(): Promise<ScrubReport> {
  const { code, stdout, stderr } = await coffer(['scrub', '--json'], server.env)
  expect(code, stdout + stderr).toBe(0)
  return JSON.parse(stdout) as ScrubReport
}

async function deleteEverything(): Promise<void> {
  const keys = journal.keys().map((Key) => ({ Key }))
  for (let from = 0; from < keys.length; from += 1000) {
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys.slice(from, from + 1000) } }))
  }
  const versions = [...(await allVersions())].map(([name, VersionId]) => ({ Key: name.split('@')[0], VersionId }))
  for (let from = 0; from < versions.length; from += 1000) {
    const Objects = versions.slice(from, from + 1000)
    await s3.send(new DeleteObjectsCommand({ Bucket: versioned, Delete: { Objects } }))
  }
  const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  for (const { Key, UploadId } of Uploads) {
    await s3.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
  }
}

it('keeps every acknowledged write when all its processes are killed again and again', async () => {
  const end = Date.now() + ATTACK_MS
  let kills = 0
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'untouched', Body: 'untouched' }))
  journal.settle('untouched', stateOf(Buffer.from('untouched')))
  while (Date.now() < end || kills < KILLS_MIN) {
    const clients = Array.from({ length: CLIENTS }, async (_, client) => await writeUntilCut(client))
    const life = LIFE_MS_MIN + below(LIFE_MS_MAX - LIFE_MS_MIN)
    await Promise.race([new Promise((resolve) => setTimeout(resolve, life)), Promise.all(clients)])
    await server.killGroup('SIGKILL')
    await Promise.all(clients)
    kills++
    await server.restart()
    s3 = s3Client(server)
    await verifyEverything()
  }
  expect(journal.acknowledgedWrites + toldVersions.size).toBeGreaterThan(kills)

  await server.stop()
  expect((await scrub()).damaged).toEqual([])
  const second = await scrub()
  expect(second).toMatchObject({ orphansRemoved: 0, garbageRemoved: 0, damaged: [] })
  await server.restart()
  s3 = s3Client(server)
  await verifyEverything()

  // Nothing refers to any blob any more: whatever a scrub leaves on disk is an orphan.
  await deleteEverything()
  await server.stop()
  await scrub()
  expect(blobFiles()).toEqual([])
  console.info(`${kills} kills, ${journal.acknowledgedWrites + toldVersions.size} acknowledged writes`)
}, 300_000)
