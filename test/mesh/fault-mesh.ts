import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PutBucketNotificationConfigurationCommand, type S3Client } from '@aws-sdk/client-s3'
import { JetStreamServer } from '../events/jet-stream.ts'
import { cofferJson } from '../harness/coffer-command.ts'
import { startPostgres } from '../harness/postgres-server.ts'
import { startRedis } from '../harness/redis-server.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { startFaultyLink } from './faulty-link.ts'
import { LoadUnderFaults } from './load-under-faults.ts'
import { type MeshPlan, startMesh } from './mesh-processes.ts'
import { captureAll, startNats } from './nats-server.ts'

export const FAULT_PROGRAMS = ['nats-server', 'openssl', 'redis-server', 'faketime'] as const
export const STREAM = 'EVENTS'
/** A master key of a KMS that {@link FaultMesh.feel} makes slow. */
export const OUTSIDE_KEY = 'example/outside'
const KMS_TIMEOUT_MS = 3_000
const QUEUE_RECORDS_MAX = 100

export type FaultMesh = Awaited<ReturnType<typeof startFaultMesh>>

/**
 * A mesh on PostgreSQL, Redis and NATS, with events to JetStream and load on it. Its first gateway reaches NATS over a link that
 * can fail, and records every request in `auditDirectory`.
 */
export async function startFaultMesh(
  programs: Record<(typeof FAULT_PROGRAMS)[number], string>,
  auditDirectory: string,
  plan: Pick<MeshPlan, 'repository'> = {},
) {
  const directory = temporaryDirectory('mesh-faults')
  const redisPassword = randomBytes(16).toString('hex')
  const natsPrograms = { nats: programs['nats-server'], openssl: programs.openssl }
  const [postgres, redis, firstNats, stream] = await Promise.all([
    startPostgres(),
    startRedis(programs['redis-server'], redisPassword, { keeps: true }),
    startNats(natsPrograms, directory),
    JetStreamServer.start(programs['nats-server']),
  ])
  await stream.addStream(STREAM, 'coffer.events.>')
  const link = await startFaultyLink(Number(new URL(firstNats.url).port))
  const captures = [await captureAll(firstNats)]
  const feel = (mood: 'well' | 'slow' | 'hanging') => writeFileSync(join(directory, 'mood'), mood)
  feel('well')
  const useConnectorOf = (repository: string) => {
    const link = join(directory, 'node_modules/example-kms')
    rmSync(link, { force: true })
    symlinkSync(join(repository, 'test/kms/example-kms'), link)
  }
  mkdirSync(join(directory, 'node_modules'))
  useConnectorOf(plan.repository ?? REPOSITORY)
  const files = writeFiles(directory, { redisPassword, streamUrl: stream.url, auditDirectory })
  const settings = {
    COFFER_METADATA_URL: postgres.url,
    COFFER_METADATA_PASSWORD_FILE: postgres.passwordFile,
    COFFER_REDIS_URL: redis.url,
    COFFER_REDIS_PASSWORD_FILE: files.redisPassword,
    COFFER_EVENTS_FILE: files.events,
    COFFER_KMS_FILE: files.kms,
  }
  const ofFirst = {
    COFFER_NATS_URL: `tls://127.0.0.1:${link.port}`,
    COFFER_AUDIT: 'all',
    COFFER_AUDIT_FILE: files.audit,
  }
  const mesh = await startMesh(firstNats, directory, settings, {
    ...plan,
    more: ['events'],
    of: { 'gateway 1': ofFirst },
  })
  const gateways = mesh.gateways.map((gateway) => s3Client(gateway)) as [S3Client, S3Client]
  const buckets = await makeBuckets(gateways[0])
  await cofferJson(mesh, ['key', 'create', OUTSIDE_KEY])
  const load = new LoadUnderFaults(gateways, buckets)
  load.start()
  await load.untilServed()
  let nats = firstNats

  return {
    mesh,
    gateways,
    buckets,
    load,
    postgres,
    redis,
    stream,
    link,
    /** How the KMS of {@link OUTSIDE_KEY} behaves from now on. */
    feel,
    /** The package of that KMS, which stands on the libraries of the process that it is loaded into. */
    useConnectorOf,
    nats: () => nats,
    async restartNats() {
      await nats.group.kill('SIGKILL')
      nats = await startNats(natsPrograms, directory, nats)
      captures.push(await captureAll(nats))
    },
    /** Every byte that NATS gave to who may hear all of it, but for the moment in which it was away. */
    heard: () => Buffer.concat(captures.map((capture) => capture.bytes())),
    async stop() {
      await load.stop()
      for (const capture of captures) capture.close()
      await mesh.stop()
      await link.stop()
      await Promise.all([postgres.stop(), redis.stop(), nats.group.stop(), stream.dispose()])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Settings of a process whose clock is wrong. Source: faketime(1). */
export function clockOf(offsetSeconds: number): Record<string, string> {
  const { stdout } = spawnSync('faketime', ['-f', '+0s', 'sh', '-c', 'printf %s "$LD_PRELOAD"'], { encoding: 'utf8' })
  const sign = offsetSeconds < 0 ? '' : '+'
  return { LD_PRELOAD: stdout, FAKETIME: `${sign}${offsetSeconds}s`, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

function writeFiles(
  directory: string,
  facts: { redisPassword: string; streamUrl: string; auditDirectory: string },
): Record<'kms' | 'events' | 'audit' | 'redisPassword', string> {
  writeFileSync(join(directory, 'seed'), randomBytes(32))
  const write = (name: string, text: string): string => {
    const path = join(directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const target = { type: 'nats', servers: facts.streamUrl, jetStream: true, timeoutMs: 2_000 }
  const trail = { type: 'file', directory: facts.auditDirectory }
  const example = { type: 'example-kms', directory, timeoutMs: KMS_TIMEOUT_MS }
  return {
    kms: write('kms.json', JSON.stringify({ connectors: { example } })),
    events: write('events.json', JSON.stringify({ targets: { stream: target } })),
    audit: write(
      'audit.json',
      JSON.stringify({ whenStalled: 'refuse', queueRecordsMax: QUEUE_RECORDS_MAX, targets: [trail] }),
    ),
    redisPassword: write('redis-password', facts.redisPassword),
  }
}

async function makeBuckets(s3: S3Client): Promise<{ plain: string; versioned: string }> {
  const [plain, versioned] = [await newBucket(s3), await newBucket(s3, { versioning: 'Enabled' })]
  const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:stream'
  const QueueConfigurations = [{ QueueArn, Events: ['s3:ObjectCreated:*' as const] }]
  const NotificationConfiguration = { QueueConfigurations }
  await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: versioned, NotificationConfiguration }))
  return { plain, versioned }
}
