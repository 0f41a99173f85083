import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  RenameObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { EventDescription, EventTargetStatus } from '@coffer/contracts'
import { afterAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { eventually, type S3Record } from './event-reading.ts'
import { WebhookReceiver } from './webhook-receiver.ts'

const directory = temporaryDirectory('notifications')
const secret = randomBytes(24).toString('hex')
writeFileSync(join(directory, 'secret'), secret, { mode: 0o600 })
const receiver = new WebhookReceiver(secret)
await receiver.start()
afterAll(() => receiver.stop())
const other = { type: 'webhook', url: 'http://127.0.0.1:1/', secretFile: join(directory, 'secret') }
const eventsFile = join(directory, 'events.json')
const hook = { ...other, url: receiver.url }
mkdirSync(join(directory, 'node_modules'))
symlinkSync(join(import.meta.dirname, 'example-target'), join(directory, 'node_modules/example-target'))
symlinkSync(join(import.meta.dirname, 'hanging-target'), join(directory, 'node_modules/hanging-target'))
const lines = join(directory, 'lines')
const example = { type: 'example-target', file: lines }
const [hangs, hungLines] = [join(directory, 'hangs'), join(directory, 'hung-lines')]
const hanging = { type: 'hanging-target', file: hungLines, hangs, timeoutMs: 200 }
writeFileSync(eventsFile, JSON.stringify({ attemptsMax: 2, targets: { hook, away: other, example, hanging } }))
const server = await serverForSuite({ env: { COFFER_EVENTS_FILE: eventsFile } })
const s3 = s3Client(server)
const HOOK = 'arn:aws:sqs:us-east-1:000000000000:hook'

async function configure(Bucket: string, configuration: NotificationConfiguration): Promise<void> {
  await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: configuration }))
}

/** Records about a bucket that the receiver got, in order. */
function recordsOf(bucket: string): S3Record[] {
  return receiver.received
    .flatMap(({ body }) => (JSON.parse(body) as { Records?: S3Record[] }).Records ?? [])
    .filter(({ s3: { bucket: about } }) => about.name === bucket)
}

async function untilTold(bucket: string, count: number): Promise<S3Record[]> {
  return await eventually(
    async () => recordsOf(bucket),
    (records) => records.length >= count,
  )
}

async function events<T>(...args: string[]): Promise<T> {
  const { stdout, stderr, code } = await coffer(['events', ...args, '--json'], server.env)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}

describe('a notification configuration', () => {
  it('is put, shown and taken away, and its target gets a test message', async () => {
    const bucket = await newBucket(s3)
    const get = () => s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }))
    expect((await get()).QueueConfigurations).toBeUndefined()
    const filter = (Value: string) => ({ Key: { FilterRules: [{ Name: 'prefix' as const, Value }] } })
    const configuration: NotificationConfiguration = {
      QueueConfigurations: [{ Id: 'q', QueueArn: HOOK, Events: ['s3:ObjectCreated:*'], Filter: filter('a/') }],
      TopicConfigurations: [
        { Id: 't', TopicArn: 'arn:aws:sns:eu-west-1:1:hook', Events: ['s3:ObjectRemoved:*'], Filter: filter('a/') },
      ],
      LambdaFunctionConfigurations: [
        {
          Id: 'l',
          LambdaFunctionArn: 'arn:aws:lambda:us-east-1:1:function:hook',
          Events: ['s3:ObjectCreated:Put'],
          Filter: filter('b'),
        },
      ],
    }
    await configure(bucket, configuration)
    const { $metadata: _, ...shown } = await get()
    expect(shown).toEqual(configuration)
    const test = await eventually(
      async () => receiver.received.find(({ body }) => body.includes('s3:TestEvent') && body.includes(bucket)),
      (found) => found !== undefined,
    )
    expect(test?.isGenuine).toBe(true)
    expect(JSON.parse(test?.body ?? '')).toMatchObject({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: bucket })
    await configure(bucket, {})
    expect((await get()).QueueConfigurations).toBeUndefined()
  })

  it('that names what there is not, or is ambiguous, is refused as AWS refuses it', async () => {
    const bucket = await newBucket(s3)
    const queue = (changes: object) => ({ QueueArn: HOOK, Events: ['s3:ObjectCreated:*' as const], ...changes })
    const rules = (...FilterRules: { Name: 'prefix' | 'suffix'; Value: string }[]) => ({ Key: { FilterRules } })
    const wrong = [
      [queue({ QueueArn: 'arn:aws:sqs:us-east-1:000000000000:nobody' })],
      [queue({ QueueArn: 'hook' })],
      [queue({ QueueArn: 'arn:aws:dynamodb:us-east-1:1:hook' })],
      [queue({ Events: ['s3:ObjectEaten:*'] })],
      [queue({ Events: ['s3:*'] })],
      [queue({ Id: 'same' }), queue({ Id: 'same', Events: ['s3:ObjectRemoved:*'] })],
      [queue({}), queue({ Events: ['s3:ObjectCreated:Put'] })],
      [
        queue({ Filter: rules({ Name: 'prefix', Value: 'a' }, { Name: 'suffix', Value: 'g' }) }),
        queue({ Filter: rules({ Name: 'prefix', Value: 'ab' }, { Name: 'suffix', Value: 'jpg' }) }),
      ],
      [queue({ Filter: rules({ Name: 'prefix', Value: 'a' }, { Name: 'prefix', Value: 'b' }) })],
    ]
    for (const QueueConfigurations of wrong) {
      const put = configure(bucket, { QueueConfigurations } as NotificationConfiguration)
      expect([QueueConfigurations, await failureOf(put)]).toEqual([
        QueueConfigurations,
        { code: 'InvalidArgument', status: 400 },
      ])
    }
    const bridge = configure(bucket, { EventBridgeConfiguration: {} })
    expect(await failureOf(bridge)).toEqual({ code: 'InvalidArgument', status: 400 })
    const fine = rules({ Name: 'prefix', Value: 'a' }, { Name: 'suffix', Value: 'png' })
    const beside = rules({ Name: 'prefix', Value: 'ab' }, { Name: 'suffix', Value: 'jpg' })
    await configure(bucket, {
      QueueConfigurations: [
        queue({ QueueArn: 'arn:minio:sqs::hook:webhook', Filter: fine }),
        queue({ Filter: beside }),
      ],
    })
  })
})

describe('events', () => {
  it('tell of everything that happens to an object, in the record of Amazon S3', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    await configure(bucket, {
      QueueConfigurations: [
        {
          Id: 'all',
          QueueArn: HOOK,
          Events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*', 's3:ObjectTagging:*'],
        },
      ],
    })
    const Key = 'pictures/a b+ä.jpg'
    const object = { Bucket: bucket, Key }
    const put = await s3.send(new PutObjectCommand({ ...object, Body: 'twelve bytes' }))
    const copy = await s3.send(
      new CopyObjectCommand({
        ...object,
        CopySource: `${bucket}/${encodeURIComponent(Key)}`,
        MetadataDirective: 'REPLACE',
      }),
    )
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(object))
    const part = await s3.send(new UploadPartCommand({ ...object, UploadId, PartNumber: 1, Body: 'part' }))
    const Parts = [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }]
    await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }))
    await s3.send(new PutObjectTaggingCommand({ ...object, Tagging: { TagSet: [{ Key: 'a', Value: 'hidden tag' }] } }))
    await s3.send(new DeleteObjectTaggingCommand(object))
    const marker = await s3.send(new DeleteObjectCommand(object))
    await s3.send(new DeleteObjectCommand({ ...object, VersionId: String(put.VersionId) }))
    await s3.send(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: [{ Key, VersionId: String(copy.VersionId) }] } }),
    )
    const records = await untilTold(bucket, 8)
    expect(records.map(({ eventName }) => eventName)).toEqual([
      'ObjectCreated:Put',
      'ObjectCreated:Copy',
      'ObjectCreated:CompleteMultipartUpload',
      'ObjectTagging:Put',
      'ObjectTagging:Delete',
      'ObjectRemoved:DeleteMarkerCreated',
      'ObjectRemoved:Delete',
      'ObjectRemoved:Delete',
    ])
    const [first, ...later] = records
    expect(first).toMatchObject({
      eventVersion: '2.1',
      eventSource: 'aws:s3',
      awsRegion: 'us-east-1',
      requestParameters: { sourceIPAddress: '127.0.0.1' },
      s3: {
        configurationId: 'all',
        bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
        object: { key: 'pictures/a+b%2B%C3%A4.jpg', size: 12, eTag: put.ETag?.slice(1, -1), versionId: put.VersionId },
      },
    })
    expect(later.at(4)?.s3.object.versionId).toBe(marker.VersionId)
    const sequencers = records.map(({ s3: { object: told } }) => told.sequencer)
    expect(sequencers).toEqual([...sequencers].sort())
    expect(new Set(sequencers).size).toBe(8)
    expect(JSON.stringify(records)).not.toContain('hidden tag')
  })

  it('of a rename tell that the old name is gone and the new one there', async () => {
    const bucket = await newBucket(s3)
    const Events = ['s3:ObjectCreated:Copy' as const, 's3:ObjectRemoved:*' as const]
    await configure(bucket, { QueueConfigurations: [{ QueueArn: HOOK, Events }] })
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'old', Body: 'x' }))
    await s3.send(new RenameObjectCommand({ Bucket: bucket, Key: 'new', RenameSource: 'old' }))
    const told = await untilTold(bucket, 2)
    const gone = told.find(({ s3: { object } }) => object.key === 'old')
    const there = told.find(({ s3: { object } }) => object.key === 'new')
    expect([gone?.eventName, there?.eventName]).toEqual(['ObjectRemoved:Delete', 'ObjectCreated:Copy'])
    expect(there?.s3.object).toMatchObject({ size: 1, eTag: put.ETag?.slice(1, -1) })
  })

  it('are only of what the filter and the list of events ask for, and of what succeeded', async () => {
    const bucket = await newBucket(s3)
    const FilterRules = [
      { Name: 'prefix' as const, Value: 'in/' },
      { Name: 'suffix' as const, Value: '.jpg' },
    ]
    const Filter = { Key: { FilterRules } }
    await configure(bucket, {
      QueueConfigurations: [{ QueueArn: HOOK, Events: ['s3:ObjectCreated:Put'], Filter }],
    })
    const put = (Key: string, more: object = {}) =>
      s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x', ...more }))
    await put('out/a.jpg')
    await put('in/a.png')
    await put('in/first.jpg')
    expect((await failureOf(put('in/first.jpg', { IfNoneMatch: '*' }))).status).toBe(412)
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'in/first.jpg' }))
    await put('in/last.jpg')
    const keys = (await untilTold(bucket, 2)).map(({ s3: { object } }) => object.key)
    // Of two keys neither comes first: the order is promised for each key.
    expect(keys.sort()).toEqual(['in/first.jpg', 'in/last.jpg'])
  })

  it('lie sealed in the outbox, of which the command line tells; a refused one is a dead letter, to be tried again', async () => {
    const bucket = await newBucket(s3)
    await configure(bucket, { QueueConfigurations: [{ QueueArn: HOOK, Events: ['s3:ObjectCreated:*'] }] })
    receiver.answer = (body) => (body.includes('poison') ? 400 : 204)
    const put = (Key: string) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
    await put('poison')
    await put('fine')
    await untilTold(bucket, 1)
    const dead = await eventually(
      () => events<EventDescription[]>('dead-letters', 'hook'),
      (listed) => listed.length > 0,
    )
    expect(dead).toMatchObject([{ bucket, key: 'poison', eventName: 's3:ObjectCreated:Put' }])
    expect(dead[0]?.note).toContain('HTTP 400')
    receiver.answer = () => 204
    expect(await events('redrive', 'hook')).toEqual({ count: 1 })
    const told = await untilTold(bucket, 2)
    expect(told.map(({ s3: { object } }) => object.key)).toEqual(['fine', 'poison'])
  })

  it('are delivered again by a replay, under the same message ids', async () => {
    const bucket = await newBucket(s3)
    await configure(bucket, { QueueConfigurations: [{ QueueArn: HOOK, Events: ['s3:ObjectCreated:*'] }] })
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'again', Body: 'x' }))
    await untilTold(bucket, 1)
    const before = receiver.received.length
    const { count } = await events<{ count: number }>('replay', 'hook', '--since', '1h')
    expect(count).toBeGreaterThan(0)
    await untilTold(bucket, 2)
    const ids = (from: number, to?: number) => receiver.received.slice(from, to).map(({ id }) => id)
    const repeated = await eventually(
      async () => ids(before),
      (list) => list.length >= count,
    )
    expect(ids(0, before)).toEqual(expect.arrayContaining([...repeated]))
  })

  it('go to a target that is a package of a third party, named in the configuration', async () => {
    const bucket = await newBucket(s3)
    const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:example'
    await configure(bucket, { QueueConfigurations: [{ QueueArn, Events: ['s3:ObjectCreated:*'] }] })
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
    const told = await eventually(
      async () => (existsSync(lines) ? readFileSync(lines, 'utf8').split('\n').slice(0, -1) : []),
      (all) => all.length >= 2,
    )
    // The two are of different keys, so that either may come first.
    const [first, second] = told.map((line) => JSON.parse(line))
    expect('Event' in first ? [first, second] : [second, first]).toMatchObject([
      { Event: 's3:TestEvent', Bucket: bucket },
      { Records: [{ eventName: 'ObjectCreated:Put', s3: { object: { key: 'k' } } }] },
    ])
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k.refused', Body: 'x' }))
    const dead = await eventually(
      () => events<EventDescription[]>('dead-letters', 'example'),
      (listed) => listed.length > 0,
    )
    expect(dead).toMatchObject([{ bucket, key: 'k.refused', note: 'refused 2 times: EVENT_TARGET_REFUSED' }])
  })

  it('are sent again to a package that does not settle them in time, whatever it settles them with later', async () => {
    const bucket = await newBucket(s3)
    const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:hanging'
    writeFileSync(hangs, '')
    await configure(bucket, { QueueConfigurations: [{ QueueArn, Events: ['s3:ObjectCreated:*'] }] })
    for (const Key of ['a', 'b', 'c']) await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
    const told = () => readFileSync(hungLines, 'utf8').split('\n').slice(0, -1)
    const status = await eventually(
      async () => (await events<EventTargetStatus[]>('status')).find(({ target }) => target === 'hanging'),
      (one) => (one?.relay?.failure?.attempts ?? 0) > 1 && one?.relay?.state === 'waiting',
    )
    expect(status).toMatchObject({ waitingCount: 4, deadLetterCount: 0, relay: { state: 'waiting' } })
    expect(status?.relay?.failure?.reason).toBe('EVENT_TARGET_UNAVAILABLE (no answer in 200 ms)')
    rmSync(hangs)
    type Line = { readonly body?: { readonly Records?: S3Record[] } }
    const keysTaken = () => {
      const records = told().flatMap((line) => (JSON.parse(line) as Line).body?.Records ?? [])
      return new Set(records.map(({ s3: { object } }) => object.key))
    }
    const taken = await eventually(
      async () => keysTaken(),
      ({ size }) => size >= 3,
    )
    expect(taken).toEqual(new Set(['a', 'b', 'c']))
    const after = await eventually(
      async () => (await events<EventTargetStatus[]>('status')).find(({ target }) => target === 'hanging'),
      (one) => one?.waitingCount === 0,
    )
    // What was settled too late, with a refusal, has cost no message.
    expect(after).toMatchObject({ waitingCount: 0, deadLetterCount: 0, droppedCount: 0 })
  })

  it('wait for a target that is away, and its lag is told', async () => {
    const bucket = await newBucket(s3)
    const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:away'
    await configure(bucket, { QueueConfigurations: [{ QueueArn, Events: ['s3:ObjectCreated:*'] }] })
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
    const status = await eventually(
      async () => (await events<EventTargetStatus[]>('status')).find(({ target }) => target === 'away'),
      (away) => away?.relay?.failure !== undefined && away.relay.state === 'waiting',
    )
    expect(status).toMatchObject({ waitingCount: 2, deadLetterCount: 0, relay: { state: 'waiting' } })
    expect(status?.lagMs).toBeGreaterThan(0)
    expect(status?.relay?.failure?.reason).toContain('EVENT_TARGET_UNAVAILABLE')
    expect(await events<EventDescription[]>('list', 'away')).toMatchObject([
      { eventName: 's3:TestEvent' },
      { eventName: 's3:ObjectCreated:Put', bucket, key: 'k' },
    ])
  })
})

it('a target that is for some accounts is as good as none for the buckets of others, also of those that used it before', async () => {
  const { account, accessKey } = await cofferJson<{ account: { accountId: string }; accessKey: SigningKeys }>(server, [
    'account',
    'create',
    'guest',
  ])
  const arn = (target: string) => `arn:aws:sqs:us-east-1:000000000000:${target}`
  const notify = async (by: S3Client, Bucket: string, target: string) => {
    const QueueConfigurations = [{ QueueArn: arn(target), Events: ['s3:ObjectCreated:*' as const] }]
    const NotificationConfiguration = { QueueConfigurations }
    await by.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }))
  }
  const before = await newBucket(s3)
  await notify(s3, before, 'example')
  const accounts = [account.accountId]
  writeFileSync(eventsFile, JSON.stringify({ targets: { hook, example: { ...example, accounts } } }))
  await server.killGroup('SIGTERM')
  await server.restart()
  const [owner, guest] = [s3Client(server), s3Client({ ...server, ...accessKey })]
  const [ours, theirs] = [await newBucket(owner), await newBucket(guest)]
  expect(await failureOf(notify(owner, ours, 'example'))).toEqual({ code: 'InvalidArgument', status: 400 })
  await notify(owner, ours, 'hook')
  await notify(guest, theirs, 'example')
  await owner.send(new PutObjectCommand({ Bucket: before, Key: 'kept out', Body: 'x' }))
  await guest.send(new PutObjectCommand({ Bucket: theirs, Key: 'let in', Body: 'x' }))
  const told = await eventually(
    async () => readFileSync(lines, 'utf8'),
    (text) => text.includes('let+in'),
  )
  expect(told).toContain('let+in')
  const dead = await eventually(
    async () => (await events<EventDescription[]>('dead-letters', 'example')).filter((one) => one.bucket === before),
    (listed) => listed.length > 0,
  )
  expect(dead).toMatchObject([{ bucket: before, key: 'kept out', note: 'its account may not use the target' }])
  expect(readFileSync(lines, 'utf8')).not.toContain('kept+out')
})

it.each([
  [{ hook: { type: 'webhook', url: 'http://example.org/', secretFile: '/x' } }, 'targets.hook: url'],
  [{ a: { type: 'no-such-package' } }, 'neither one of amqp, kafka, nats, postgres, redis, webhook nor a package'],
  [{ a: { type: 'example-target', fil: 'x' } }, 'fil'],
  [{ a: { type: 'amqp', url: 'amqp://a:b@127.0.0.1' } }, 'targets.a: url'],
  [{ a: {} }, 'targets.a.type'],
])('a file of targets with %j stops the start, and says where', async (targets, why) => {
  const wrong = join(directory, 'wrong.json')
  writeFileSync(wrong, JSON.stringify({ targets }))
  const env = { ...server.env, COFFER_DATA_DIR: join(directory, 'd'), COFFER_EVENTS_FILE: wrong }
  const started = await coffer(['server'], env)
  expect(started.code).not.toBe(0)
  expect(started.stderr).toContain('COFFER_EVENTS_CONFIGURATION_INVALID')
  expect(started.stderr).toContain(why)
})
