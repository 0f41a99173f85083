import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { freePort } from '../harness/free-port.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import type { CofferServer } from '../harness/start-server.ts'
import { type Scrape, scrape, scrapeUntil } from '../monitoring/scrape.ts'
import { arnOf, ReplicationFile, replicate, ruleTo, startStore } from './two-stores.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }
const VERSIONED = { versioning: 'Enabled' } as const
const NAME = 'b-copy'

describe('replication', () => {
  const files = { here: new ReplicationFile(), there: new ReplicationFile() }
  let health: string
  let here: CofferServer
  let there: CofferServer
  beforeAll(async () => {
    there = await startStore(files.there)
    files.here.write(there, [arnOf(NAME)])
    health = `127.0.0.1:${await freePort()}`
    here = await startStore(files.here, { COFFER_HEALTH_ADDRESS: health })
    await newBucket(s3Client(there), { name: NAME, ...VERSIONED })
  })
  afterAll(async () => {
    await here?.dispose()
    await there?.dispose()
  })

  it('loses nothing when the source is killed in the middle, and the destination is away and comes back', async () => {
    const source = s3Client(here, { maxSockets: 16 })
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ruleTo(NAME))
    const acknowledged = new Map<string, Buffer | undefined>()
    const write = async (round: number, lane: number) => {
      const Key = `key-${lane}`
      const Body = randomBytes(round % 3 === 0 ? 200_000 : 100)
      // A write of which nobody heard may have been made, or not: its key is written again in the next round.
      await source.send(new PutObjectCommand({ Bucket, Key, Body }))
      acknowledged.set(Key, Body)
      if (lane % 7 !== 0) return
      await source.send(new DeleteObjectCommand({ Bucket, Key }))
      acknowledged.set(Key, undefined)
    }
    const writeAll = async (round: number) =>
      await Promise.all(Array.from({ length: 40 }, (_, lane) => write(round, lane)))

    await writeAll(0)
    await here.killGroup('SIGKILL')
    await here.restart()
    await there.killGroup('SIGKILL')
    await writeAll(1)
    const last = await source.send(new HeadObjectCommand({ Bucket, Key: 'key-1' }))
    expect(last.ReplicationStatus).toBe('PENDING')
    const [waiting] = await cofferJson<object[]>(here, ['replication', 'status'])
    expect(waiting).toMatchObject({ destination: arnOf(NAME) })
    const waitingIn = ({ value }: Scrape) => value('coffer_replication_waiting', { destination: arnOf(NAME) })
    expect(waitingIn(await scrapeUntil(health, (one) => waitingIn(one) > 0))).toBeGreaterThan(0)
    await expect.poll(() => here.logs(), PATIENCE).toContain('ROTATION_DESTINATION_UNAVAILABLE ECONNREFUSED')
    await there.restart()
    await writeAll(2)
    await here.killGroup('SIGKILL')
    await here.restart()

    const target = s3Client(there)
    const present = [...acknowledged].filter(([, body]) => body !== undefined)
    await expect
      .poll(async () => {
        const outcomes = present.map(([Key]) => source.send(new HeadObjectCommand({ Bucket, Key })))
        return new Set((await Promise.all(outcomes)).map(({ ReplicationStatus }) => ReplicationStatus))
      }, PATIENCE)
      .toEqual(new Set(['COMPLETED']))
    const listThere = async () => {
      const { Contents = [] } = await target.send(new ListObjectsV2Command({ Bucket: NAME }))
      return Contents.map(({ Key }) => Key).sort()
    }
    await expect.poll(listThere, PATIENCE).toEqual(present.map(([key]) => key).sort())
    for (const [Key, body] of present) {
      const got = await target.send(new GetObjectCommand({ Bucket: NAME, Key }))
      expect((await bytesOf(got)).equals(body as Buffer), Key).toBe(true)
    }
  })

  it('tells how many bytes wait for a destination that is away, after all that has come and gone', async () => {
    await there.killGroup('SIGKILL')
    const source = s3Client(here)
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ruleTo(NAME))
    for (const sizeBytes of [1_000, 200_000]) {
      await source.send(new PutObjectCommand({ Bucket, Key: `k${sizeBytes}`, Body: randomBytes(sizeBytes) }))
    }
    await source.send(new DeleteObjectCommand({ Bucket, Key: 'k1000' }))
    const waits = async () => {
      const { value } = await scrape(health)
      const of = { destination: arnOf(NAME) }
      return [value('coffer_replication_pending_bytes', of), value('coffer_replication_pending_operations', of)]
    }
    await expect.poll(waits, PATIENCE).toEqual([201_000, 3])
    const [status] = await cofferJson<object[]>(here, ['replication', 'status'])
    expect(status).toMatchObject({ waitingCount: 3, pendingCount: 3, pendingBytes: 201_000 })
    expect((await coffer(['status', '--once'], here.env)).stdout).toContain('to be sent')
    await there.restart()
    const told = async () => (await coffer(['replication', 'status'], here.env)).stdout
    await expect.poll(told, PATIENCE).toBe('Nothing waits to be replicated.\n')
  })

  it('fails where the credentials are wrong, with the reason in the log and the secret nowhere', async () => {
    const secretAccessKey = `wrong-secret-${randomBytes(12).toString('hex')}`
    files.here.write(there, [arnOf(NAME)], { secretAccessKey })
    await here.stop()
    await here.restart()
    const source = s3Client(here)
    const Bucket = await newBucket(source, VERSIONED)
    await replicate(source, Bucket, ruleTo(NAME))
    await source.send(new PutObjectCommand({ Bucket, Key: 'refused', Body: 'x' }))
    const status = async () => (await source.send(new HeadObjectCommand({ Bucket, Key: 'refused' }))).ReplicationStatus
    await expect.poll(status, PATIENCE).toBe('FAILED')
    await expect.poll(() => here.logs()).toContain('ROTATION_DESTINATION_REFUSED SignatureDoesNotMatch 403')
    expect(here.logs()).not.toContain(secretAccessKey)
    expect(JSON.stringify(await source.send(new HeadObjectCommand({ Bucket, Key: 'refused' })))).not.toContain('wrong-')
    const waits = async () => (await coffer(['replication', 'status'], here.env)).stdout
    await expect.poll(waits, PATIENCE).toBe('Nothing waits to be replicated.\n')
    const counted = async (metric: string, labels = {}) =>
      (await scrape(health)).value(metric, { destination: arnOf(NAME), ...labels })
    await expect.poll(() => counted('coffer_replication_total', { outcome: 'failed' }), PATIENCE).toBe(1)

    files.here.write(there, [arnOf(NAME)])
    await here.stop()
    await here.restart()
    await cofferJson(here, ['job', 'start', 'replicate', '--bucket', Bucket])
    await expect.poll(status, PATIENCE).toBe('COMPLETED')
    await expect.poll(() => counted('coffer_replication_total', { outcome: 'done' }), PATIENCE).toBe(1)
    expect(await counted('coffer_replication_bytes_total')).toBe(1)
    expect(await counted('coffer_replication_seconds_count')).toBe(1)
  })

  it('does not start with a file that is wrong, and says where without the value', async () => {
    const file = new ReplicationFile()
    const destination = { endpoint: 'http://elsewhere.example', region: 'r', accessKeyId: 'AKX', buckets: ['b'] }
    writeFileSync(
      file.path,
      JSON.stringify({ destinations: { [arnOf(NAME)]: { ...destination, secretAccessKey: 'S3CRET' } } }),
    )
    const refused = await startStore(file).catch((error: unknown) => String(error))
    expect(refused).toContain('COFFER_REPLICATION_CONFIGURATION_INVALID')
    expect(refused).toContain('endpoint')
    expect(refused).toContain('secretAccessKey')
    expect(refused).not.toContain('S3CRET')
  })
})
