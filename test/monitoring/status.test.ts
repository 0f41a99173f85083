import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PutBucketNotificationConfigurationCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { StatusReport } from '@coffer/service-coffer/status-report'
import { describe, expect, it } from 'vitest'
import { eventually } from '../events/event-reading.ts'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { installExampleKms } from '../kms/install-example.ts'

const directory = temporaryDirectory('status')
const slow = join(directory, 'slow')
const blobsFile = join(directory, 'blobs.json')
writeFileSync(
  blobsFile,
  JSON.stringify({ stores: { slow: { type: 'directory', path: slow } }, classes: { STANDARD_IA: 'slow' } }),
)
const eventsFile = join(directory, 'events.json')
const secretFile = join(directory, 'secret')
writeFileSync(secretFile, 'the-secret-of-the-webhook', { mode: 0o600 })
writeFileSync(
  eventsFile,
  JSON.stringify({ targets: { away: { type: 'webhook', url: 'http://127.0.0.1:1/', secretFile } } }),
)
installExampleKms(directory)
writeFileSync(join(directory, 'seed'), randomBytes(32))
const feel = (mood: 'well' | 'away') => writeFileSync(join(directory, 'mood'), mood)
feel('well')
const kmsFile = join(directory, 'kms.json')
writeFileSync(
  kmsFile,
  JSON.stringify({ connectors: { example: { type: 'example-kms', directory, timeoutMs: 5_000 } } }),
)
const server = await serverForSuite({
  workers: 2,
  env: { COFFER_BLOBS_FILE: blobsFile, COFFER_EVENTS_FILE: eventsFile, COFFER_KMS_FILE: kmsFile },
})
const s3 = s3Client(server)

async function status(): Promise<StatusReport & { readonly code: number | null }> {
  const { code, stdout, stderr } = await coffer(['status', '--once', '--json'], server.env)
  expect(stderr).toBe('')
  return { ...(JSON.parse(stdout) as StatusReport), code }
}

const until = (isRight: (report: Awaited<ReturnType<typeof status>>) => boolean) => eventually(status, isRight)
const codesOf = ({ findings }: StatusReport) => findings.map(({ code }) => code)
/** Of what the tests do, not of the machine that they run on. */
const problemsOf = ({ findings }: StatusReport) => findings.filter(({ level }) => level === 'problem')

describe('coffer status', () => {
  it('knows processes, stores, queues, keys, events and the audit trail of a server that is well', async () => {
    const report = await until(
      ({ isHealthy, processes, metadata, blobStores }) =>
        isHealthy && processes.length === 3 && metadata?.freeBytes !== undefined && blobStores.length === 2,
    )
    expect(report).toMatchObject({ code: 0, runs: 'server', isHealthy: true, unanswered: [] })
    expect(report.processes.map(({ service, isReady }) => `${service} ${isReady}`).sort()).toEqual([
      'supervisor true',
      'worker true',
      'worker true',
    ])
    expect(report.processes[0]).toMatchObject({ version: '0.1.0', isGone: false })
    expect(report.metadata).toMatchObject({ driver: 'lmdb', freeBytes: expect.any(Number) })
    expect(report.blobStores).toMatchObject([
      { store: 'default', kind: 'data-directory', storageClasses: ['STANDARD'], awayFor: [] },
      { store: 'slow', kind: 'directory', storageClasses: ['STANDARD_IA'], awayFor: [] },
    ])
    // The supervisor and two workers.
    expect(report.connectors).toEqual([
      { connector: 'local' },
      { connector: 'example', circuit: { open: 0, halfOpen: 0, of: 3 } },
    ])
    expect(report.keys).toMatchObject([
      { connector: 'local', state: 'enabled', currentVersion: 1, olderObjectCount: 0 },
    ])
    expect(report.audit).toMatchObject({ mode: 'changes', droppedCount: 0, stalledTargetCount: 0 })
  })

  it('shows the same as tables, and nothing that is secret', async () => {
    const wanted = ['supervisor', 'worker', 'data-directory', 'STANDARD_IA', 'local/', 'lag', 'audit trail']
    const { stdout } = await eventually(
      () => coffer(['status', '--once'], server.env),
      (shown) => wanted.every((text) => shown.stdout.includes(text)),
    )
    for (const text of wanted) expect(stdout).toContain(text)
    const rootKey = readFileSync(join(server.dataDir, 'secrets', 'root.key'), 'utf8').trim()
    const json = (await coffer(['status', '--once', '--json'], server.env)).stdout
    for (const secret of [rootKey, server.secretAccessKey, server.accessKeyId, 'the-secret-of-the-webhook']) {
      expect(stdout + json).not.toContain(secret)
    }
  })

  it('counts the objects that a rotated key still opens in its older versions, until they are rewrapped', async () => {
    const Bucket = await newBucket(s3)
    for (const Key of ['a', 'b', 'c']) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key }))
    const [key] = (await until(({ keys = [] }) => keys.length > 0)).keys ?? []
    const name = `${key?.connector}/${key?.keyId}`
    await cofferJson(server, ['key', 'rotate', name])
    await cofferJson(server, ['key', 'schedule', name, '--every-days', '90'])
    const { keys: [rotated] = [] } = await until(({ keys }) => (keys?.[0]?.olderObjectCount ?? 0) >= 3)
    expect(rotated).toMatchObject({ currentVersion: 2, nextRotationAt: expect.any(Number) })
    expect(rotated?.olderObjectCount).toBeGreaterThanOrEqual(3)
    await cofferJson(server, ['job', 'start', 'rewrap', name, '--follow'])
    const after = await until(({ keys, jobs }) => keys?.[0]?.olderObjectCount === 0 && jobs?.lagMs === 0)
    expect(after.keys?.[0]).toMatchObject({ currentVersion: 2, olderObjectCount: 0 })
    expect(after.jobs).toMatchObject({ byState: { completed: 1, failed: 0, waiting: 0 }, lagMs: 0 })
  })

  it('ends with 1 while a KMS is away, and knows which processes have given it up', async () => {
    await cofferJson(server, ['key', 'create', 'example/k1'])
    const Bucket = await newBucket(s3)
    const sse = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'example/k1' } as const
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...sse }))
    feel('away')
    const circuitOf = ({ connectors = [] }: StatusReport) => connectors.find(({ connector }) => connector === 'example')
    const away = await eventually(
      async () => {
        await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...sse })).catch(() => undefined)
        return await status()
      },
      (report) => {
        const { open = 0, halfOpen = 0 } = circuitOf(report)?.circuit ?? {}
        return open + halfOpen > 0
      },
    )
    expect(away.code).toBe(1)
    expect(circuitOf(away)).toMatchObject({ failure: 'KMS_UNAVAILABLE' })
    expect(codesOf(away)).toContain('kms-away')
    // Keys of the others are told all the same.
    expect(away.keys).toMatchObject([{ connector: 'local' }])
    feel('well')
    const well = await until(({ isHealthy }) => isHealthy)
    expect(problemsOf(well)).toEqual([])
  })

  it('ends with 1 while a store of blobs is away, and with 0 again when it is back', async () => {
    // As where its disk is not mounted: a directory without the mark.
    const mark = join(slow, 'coffer-store')
    renameSync(mark, `${slow}.mark`)
    const away = await until((report) => codesOf(report).includes('blob-store-away'))
    expect(away).toMatchObject({ code: 1, isHealthy: false })
    expect(away.blobStores.find(({ store }) => store === 'slow')).toMatchObject({ failure: 'BLOB_UNAVAILABLE' })
    renameSync(`${slow}.mark`, mark)
    expect(problemsOf(await until(({ isHealthy }) => isHealthy))).toEqual([])
  })

  it('ends with 1 while a worker does not answer', async () => {
    const { processes } = await until(({ isHealthy }) => isHealthy)
    const instance = processes.find(({ service }) => service === 'worker')?.instance ?? ''
    const pid = Number(instance.split('-')[1])
    process.kill(pid, 'SIGSTOP')
    try {
      const about = `worker ${instance}`
      const stopped = await until(({ findings }) => findings.some((finding) => finding.about === about))
      expect(stopped.code).toBe(1)
      expect(problemsOf(stopped)).toContainEqual(expect.objectContaining({ about, text: 'waits for an answer' }))
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until(({ isHealthy }) => isHealthy)
  })

  it('tells it again and again, a line each time', async () => {
    const child = spawn(process.execPath, [COFFER, 'status', '--json', '--every', '1s'], { env: server.env })
    const lines: StatusReport[] = []
    for await (const line of createInterface({ input: child.stdout })) {
      const report = JSON.parse(line) as StatusReport
      if (lines.push(report) >= 3 && report.processes.length >= 3) break
    }
    child.kill()
    await once(child, 'exit')
    expect(lines.at(-1)?.at).toBeGreaterThan(lines[0]?.at ?? 0)
    expect(lines.at(-1)?.runs).toBe('server')
  })

  it('tells an event target that is away, and what waits for it', async () => {
    const Bucket = await newBucket(s3)
    const QueueArn = 'arn:aws:sqs:us-east-1:000000000000:away'
    const QueueConfigurations = [{ QueueArn, Events: ['s3:ObjectCreated:*' as const] }]
    const NotificationConfiguration = { QueueConfigurations }
    await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }))
    const report = await until((one) => codesOf(one).includes('event-target-away'))
    expect(report).toMatchObject({ code: 1, events: [{ target: 'away', waitingCount: 1 }] })
  })

  it('is told over a socket that is for the owner of the data alone', async () => {
    const path = join(server.dataDir, 'status.sock')
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('ends with 1 where no server runs, also one that was killed, and knows the next one', async () => {
    await server.killGroup('SIGKILL')
    expect(codesOf(await until((report) => report.processes.length === 0))).toContain('server-away')
    await server.restart()
    expect((await until(({ processes }) => processes.length >= 3)).processes.length).toBeGreaterThanOrEqual(3)
    await server.stop()
    const { code, findings } = await status()
    expect([code, findings[0]?.code]).toEqual([1, 'server-away'])
  })
})
