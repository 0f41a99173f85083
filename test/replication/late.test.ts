import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  HeadObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type ReplicationRule,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { S3Record } from '../events/event-reading.ts'
import { WebhookReceiver } from '../events/webhook-receiver.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, temporaryDirectory } from '../harness/start-server.ts'
import { arnOf, ReplicationFile, replicate, ruleTo, startStore } from './two-stores.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }
const VERSIONED = { versioning: 'Enabled' } as const
const COPY = 'b-copy'
const HOOK = 'arn:aws:sqs:us-east-1:000000000000:hook'
const NEVER = { lateSeconds: 86_400 }
const SOON = { lateSeconds: 1 }

/** With Replication Time Control, of keys that begin so. */
function timed(prefix: string): ReplicationRule {
  return ruleTo(COPY, {
    ...{ ID: prefix, Priority: 2, Filter: { Prefix: prefix }, DeleteMarkerReplication: { Status: 'Disabled' } },
    Destination: {
      Bucket: arnOf(COPY),
      ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
      Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
    },
  })
}

describe('versions of a rule with Replication Time Control', () => {
  const files = { here: new ReplicationFile(), there: new ReplicationFile() }
  const directory = temporaryDirectory('late')
  const secret = randomBytes(24).toString('hex')
  const receiver = new WebhookReceiver(secret)
  let here: CofferServer
  let there: CofferServer
  let source: S3Client

  beforeAll(async () => {
    await receiver.start()
    writeFileSync(join(directory, 'secret'), secret, { mode: 0o600 })
    const hook = { type: 'webhook', url: receiver.url, secretFile: join(directory, 'secret') }
    writeFileSync(join(directory, 'events.json'), JSON.stringify({ targets: { hook } }))
    there = await startStore(files.there)
    await newBucket(s3Client(there), { name: COPY, ...VERSIONED })
    files.here.write(there, [arnOf(COPY)], NEVER)
    here = await startStore(files.here, { COFFER_EVENTS_FILE: join(directory, 'events.json') })
    source = s3Client(here)
  })
  afterAll(async () => {
    await receiver.stop()
    await here?.dispose()
    await there?.dispose()
  })

  async function bucketThatTells(...rules: ReplicationRule[]): Promise<string> {
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ...rules)
    const QueueConfigurations = [{ QueueArn: HOOK, Events: ['s3:Replication:*' as never] }]
    const NotificationConfiguration = { QueueConfigurations }
    await source.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }))
    return Bucket
  }

  /** What was told of a bucket's replication, `event key`. */
  const told = (bucket: string) =>
    receiver.received
      .flatMap(({ body }) => (JSON.parse(body) as { Records?: S3Record[] }).Records ?? [])
      .filter(({ s3 }) => s3.bucket.name === bucket)
      .map(({ eventName, s3: { object } }) => `${eventName.replace('Replication:Operation', '')} ${object.key}`)
      .sort()

  const restartWith = async (changes: typeof NEVER) => {
    await here.stop()
    files.here.write(there, [arnOf(COPY)], changes)
    await here.restart()
  }

  it('are told of once when they are late, and again when they have come', async () => {
    await there.stop()
    const Bucket = await bucketThatTells(ruleTo(COPY), timed('timed/'))
    const unwatched = await bucketThatTells(timed('timed/'))
    const put = (bucket: string, Key: string) => source.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }))
    await put(unwatched, 'timed/no-more')
    await replicate(source, unwatched, ruleTo(COPY))
    await put(Bucket, 'timed/first')
    await put(Bucket, 'other')
    await put(Bucket, 'timed/last')
    await restartWith(SOON)
    // They are looked at in their order.
    await expect.poll(() => told(Bucket), PATIENCE).toContain('MissedThreshold timed/last')
    await expect.poll(() => told(unwatched), PATIENCE).toEqual(['NotTracked timed/no-more'])
    // Another process looks at all of them again.
    await restartWith(SOON)
    await there.restart()
    const statusOf = async (Key: string) =>
      (await source.send(new HeadObjectCommand({ Bucket, Key }))).ReplicationStatus
    for (const key of ['timed/first', 'other', 'timed/last'])
      await expect.poll(() => statusOf(key), PATIENCE).toBe('COMPLETED')
    await expect
      .poll(() => told(Bucket), PATIENCE)
      .toEqual([
        'MissedThreshold timed/first',
        'MissedThreshold timed/last',
        'ReplicatedAfterThreshold timed/first',
        'ReplicatedAfterThreshold timed/last',
      ])
  })

  it('are told of to nobody while they come in time', async () => {
    await restartWith(NEVER)
    const Bucket = await bucketThatTells(timed('timed/'))
    const Key = 'timed/now'
    await source.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
    const status = async () => (await source.send(new HeadObjectCommand({ Bucket, Key }))).ReplicationStatus
    await expect.poll(status, PATIENCE).toBe('COMPLETED')
    expect(told(Bucket)).toEqual([])
  })
})
