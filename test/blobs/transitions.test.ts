import { randomBytes } from 'node:crypto'
import {
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type LifecycleRule,
  ListObjectVersionsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { LifecycleReport } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { afterAll, afterEach, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { untilPassIsOver } from '../harness/lifecycle.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { startClassStores } from './class-stores.ts'

const MIB = 1024 * 1024
const WAIT_MS = 60_000
const PAST = new Date(Date.UTC(2020, 0, 1))

const stores = await startClassStores({ workers: 2 })
const { server } = stores
await untilPassIsOver(server)
let s3 = s3Client(server)
const buckets: string[] = []

afterAll(() => stores.dispose())
/** One test's rules are none of the next one's. */
afterEach(async () => {
  for (const Bucket of buckets.splice(0)) {
    await setRules(Bucket, [{ Filter: { Prefix: 'never' }, Expiration: { Days: 100_000 } }])
  }
})

async function bucketWith(rules: Omit<LifecycleRule, 'Status'>[], { versioning = false } = {}): Promise<string> {
  const Bucket = await newBucket(s3)
  buckets.push(Bucket)
  if (versioning) {
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  }
  await setRules(Bucket, rules)
  return Bucket
}

async function setRules(Bucket: string, rules: Omit<LifecycleRule, 'Status'>[]): Promise<void> {
  const Rules = rules.map((rule): LifecycleRule => ({ Filter: {}, ...rule, Status: 'Enabled' }))
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
}

async function put(Bucket: string, Key: string, more: object = {}): Promise<Buffer> {
  const body = randomBytes(MIB)
  await s3.send(new PutObjectCommand({ Bucket, Key, Body: body, ...more }))
  return body
}

async function get(Bucket: string, Key: string): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))
}

/** Key to class, of all versions, newest first. */
async function classesIn(Bucket: string): Promise<string[]> {
  const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
  return Versions.map(({ Key, StorageClass }) => `${Key} ${StorageClass}`)
}

/** All that clients see of the versions, but for the class. */
async function versionsIn(Bucket: string): Promise<unknown> {
  const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }))
  return Versions.map(({ StorageClass: _, ...version }) => version)
}

async function transitionJob(): Promise<Job | undefined> {
  return (await cofferJson<Job[]>(server, ['job', 'list'])).find(({ kind }) => kind === 'transition')
}

/** Applies the rules and waits for the job that moves. */
async function apply(): Promise<LifecycleReport> {
  const report = await cofferJson<LifecycleReport>(server, ['lifecycle', 'run'])
  expect(report.failures).toEqual([])
  if (report.transitionsDue > 0) {
    await expect.poll(async () => (await transitionJob())?.state, { timeout: WAIT_MS }).toBe('completed')
    expect((await transitionJob())?.result).toMatchObject({ failedCount: 0 })
  }
  return report
}

it('moves what is due to the store of its class, and changes nothing else of it', async () => {
  const rule = {
    ID: 'r',
    Filter: { Prefix: 'old/' },
    Transitions: [{ Date: PAST, StorageClass: 'GLACIER_IR' as const }],
  }
  const bucket = await bucketWith([rule])
  const bodies = new Map<string, Buffer>()
  for (const key of ['new', 'old/a', 'old/b']) bodies.set(key, await put(bucket, key, { Metadata: { note: key } }))
  await put(bucket, 'old/small', { Body: 'small' })
  const seen = await versionsIn(bucket)
  const [first, cloud] = [stores.inFirst().length, (await stores.inCloud()).length]
  const preview = await cofferJson<LifecycleReport>(server, ['lifecycle', 'preview'])
  expect(preview).toMatchObject({ transitionsDue: 2, expired: 0 })
  expect(await apply()).toMatchObject({ transitionsDue: 2 })
  expect(await classesIn(bucket)).toEqual([
    'new STANDARD',
    'old/a GLACIER_IR',
    'old/b GLACIER_IR',
    'old/small STANDARD',
  ])
  expect(await versionsIn(bucket)).toEqual(seen)
  for (const [key, body] of bodies) expect((await get(bucket, key)).equals(body)).toBe(true)
  const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'old/a' }))
  expect(head).toMatchObject({ StorageClass: 'GLACIER_IR', Metadata: { note: 'old/a' } })
  expect([stores.inFirst().length, (await stores.inCloud()).length]).toEqual([first - 2, cloud + 2])
  expect((await transitionJob())?.result).toMatchObject({ changed: { objectCount: 2, sizeBytes: 2 * MIB } })
  expect(await apply()).toMatchObject({ transitionsDue: 0 })
})

it('goes by tags, sizes and the waterfall; a small object becomes of the class where it is', async () => {
  const bucket = await bucketWith([
    {
      ID: 'tag',
      Filter: { And: { Prefix: 't/', Tags: [{ Key: 'cold', Value: 'yes' }] } },
      Transitions: [{ Date: PAST, StorageClass: 'STANDARD_IA' }],
    },
    {
      ID: 'size',
      Filter: { And: { Prefix: 's/', ObjectSizeGreaterThan: 1 } },
      Transitions: [{ Date: PAST, StorageClass: 'GLACIER_IR' }],
    },
    { ID: 'same', Filter: { Prefix: 'i/' }, Transitions: [{ Date: PAST, StorageClass: 'ONEZONE_IA' }] },
    { ID: 'up', Filter: { Prefix: 'g/' }, Transitions: [{ Date: PAST, StorageClass: 'STANDARD_IA' }] },
  ])
  const still = await put(bucket, 'i/same', { StorageClass: 'STANDARD_IA' })
  await put(bucket, 's/same', { StorageClass: 'STANDARD_IA' })
  const moved = await put(bucket, 't/yes', { Tagging: 'cold=yes&x=1' })
  await put(bucket, 't/no', { Tagging: 'cold=no' })
  await put(bucket, 's/small', { Body: 'small' })
  await put(bucket, 'g/down', { StorageClass: 'GLACIER_IR' })
  await apply()
  expect(await classesIn(bucket)).toEqual([
    'g/down GLACIER_IR',
    'i/same ONEZONE_IA',
    's/same GLACIER_IR',
    's/small GLACIER_IR',
    't/no STANDARD',
    't/yes STANDARD_IA',
  ])
  expect((await get(bucket, 'i/same')).equals(still)).toBe(true)
  expect((await get(bucket, 's/small')).toString()).toBe('small')
  expect((await get(bucket, 't/yes')).equals(moved)).toBe(true)
})

it('goes on after a kill -9, with nothing lost and nothing left behind', async () => {
  const bucket = await bucketWith([{ Filter: { Prefix: 'never' }, Expiration: { Days: 100_000 } }], {
    versioning: true,
  })
  const bodies = new Map<string, Buffer>()
  for (let index = 0; index < 12; index++) bodies.set(`k${index}`, await put(bucket, `k${index}`))
  await setRules(bucket, [{ Transitions: [{ Date: PAST, StorageClass: 'GLACIER_IR' }] }])
  const seen = await versionsIn(bucket)
  const before = (await stores.inCloud()).length
  await cofferJson(server, ['job', 'start', 'transition', '--bytes-per-second', '4MiB'])
  await expect.poll(async () => (await stores.inCloud()).length, { timeout: WAIT_MS }).toBeGreaterThan(before)
  await server.killGroup('SIGKILL')
  s3.destroy()
  await server.restart()
  s3 = s3Client(server)
  for (const [key, body] of bodies) expect((await get(bucket, key)).equals(body)).toBe(true)
  await expect.poll(async () => (await transitionJob())?.state, { timeout: WAIT_MS }).toBe('completed')
  expect(new Set(await classesIn(bucket))).toEqual(new Set([...bodies.keys()].map((key) => `${key} GLACIER_IR`)))
  expect(await versionsIn(bucket)).toEqual(seen)
  for (const [key, body] of bodies) expect((await get(bucket, key)).equals(body)).toBe(true)
  // What the dead process had copied without a commit goes with it.
  await cofferJson(server, ['scrub'])
  expect((await stores.inCloud()).length).toBe(before + bodies.size)
})

it('refuses rules for a class that has no store, and tells the minimum size', async () => {
  const bucket = await bucketWith([{ Transitions: [{ Days: 30, StorageClass: 'STANDARD_IA' }] }])
  const rules = setRules(bucket, [{ Transitions: [{ Days: 30, StorageClass: 'INTELLIGENT_TIERING' }] }])
  expect(await failureOf(rules)).toMatchObject({ code: 'InvalidStorageClass', status: 400 })
  const found = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket: bucket }))
  expect(found.Rules?.[0]?.Transitions).toEqual([{ Days: 30, StorageClass: 'STANDARD_IA' }])
  expect(found.TransitionDefaultMinimumObjectSize).toBe('all_storage_classes_128K')
})
