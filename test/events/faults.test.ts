import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ListObjectVersionsCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { EventTargetStatus } from '@coffer/contracts'
import { afterAll, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { startServer, temporaryDirectory } from '../harness/start-server.ts'
import { eventually, type S3Record } from './event-reading.ts'
import { JetStreamServer } from './jet-stream.ts'

const WRITERS = 6
const KEYS_PER_WRITER = 4
const LIVES = 4
const STREAM = 'EVENTS'

interface Told {
  readonly key: string
  readonly versionId: string
  readonly sequencer: string
}

async function versionsOf(s3: S3Client, bucket: string): Promise<Set<string>> {
  const versions = new Set<string>()
  let markers: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {}
  for (;;) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, ...markers }))
    for (const { VersionId } of page.Versions ?? []) versions.add(String(VersionId))
    if (!page.IsTruncated) return versions
    markers = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
  }
}

describeWithPrograms('killed servers and targets', ['nats-server'], (programs) => {
  const directory = temporaryDirectory('event-faults')
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('lose no event of an acknowledged write, tell none that did not happen, and keep the order of each key', async () => {
    const nats = await JetStreamServer.start(programs['nats-server'])
    await nats.addStream(STREAM, 'coffer.events.>')
    const eventsFile = join(directory, 'events.json')
    const target = { type: 'nats', servers: nats.url, jetStream: true, timeoutMs: 2_000 }
    writeFileSync(eventsFile, JSON.stringify({ targets: { stream: target } }))
    const server = await startServer({ workers: 2, env: { COFFER_EVENTS_FILE: eventsFile } })
    let s3 = s3Client(server)
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:stream'
    const QueueConfigurations = [{ QueueArn, Events: ['s3:ObjectCreated:*' as const] }]
    await s3.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: bucket,
        NotificationConfiguration: { QueueConfigurations },
      }),
    )
    const acknowledged: { key: string; versionId: string }[] = []
    let isOver = false
    const writer = async (name: number) => {
      for (let count = 0; !isOver; count++) {
        const key = `w${name}/k${count % KEYS_PER_WRITER}`
        try {
          const { VersionId } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: `${count}` }))
          acknowledged.push({ key, versionId: String(VersionId) })
        } catch {
          await sleep(50)
        }
      }
    }
    const writers = Array.from({ length: WRITERS }, (_, name) => writer(name))
    for (let life = 0; life < LIVES; life++) {
      await sleep(300 + Math.random() * 900)
      await server.killGroup('SIGKILL')
      if (life === 1) await nats.kill()
      await server.restart()
      s3 = s3Client(server)
      if (life !== 1) continue
      // Written, and tried in vain to be delivered, while the target is away.
      await sleep(1_000)
      await nats.start()
    }
    await expect.poll(() => acknowledged.length).toBeGreaterThan(50)
    isOver = true
    await Promise.all(writers)

    const waiting = await eventually(
      async () => {
        const { stdout } = await coffer(['events', 'status', '--json'], server.env)
        return (JSON.parse(stdout) as EventTargetStatus[]).find(({ target: name }) => name === 'stream')?.waitingCount
      },
      (count) => count === 0,
    )
    expect(waiting).toBe(0)
    const told: Told[] = (await nats.messages(STREAM))
      .flatMap(({ body }) => (JSON.parse(body) as { Records?: S3Record[] }).Records ?? [])
      .map(({ s3: { object } }) => ({ ...object, versionId: String(object.versionId) }))
    const toldVersions = new Set(told.map(({ versionId }) => versionId))
    expect(acknowledged.filter(({ versionId }) => !toldVersions.has(versionId))).toEqual([])
    const existing = await versionsOf(s3, bucket)
    expect([...toldVersions].filter((versionId) => !existing.has(versionId))).toEqual([])
    expect(existing.size).toBe(toldVersions.size)
    // First tellings: what is told again after a kill has been told before.
    const firsts = told.filter(
      ({ versionId }, index) => told.findIndex((other) => other.versionId === versionId) === index,
    )
    for (const [, ofKey] of Map.groupBy(firsts, ({ key }) => key)) {
      const order = ofKey.map(({ versionId }) => versionId)
      expect(order).toEqual([...order].sort())
      const sequencers = ofKey.map(({ sequencer }) => sequencer)
      expect(sequencers).toEqual([...sequencers].sort())
    }
    await server.dispose()
    await nats.dispose()
  })
})
