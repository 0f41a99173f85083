import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PutBucketNotificationConfigurationCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import type { Job } from '@coffer/job-queue'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { JetStreamServer } from '../events/jet-stream.ts'
import { coffer, cofferJson, run } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { expectEventsOf } from './events-told.ts'
import { LoadUnderFaults } from './load-under-faults.ts'
import { type MeshProcesses, startMesh } from './mesh-processes.ts'
import { type NatsServer, startNats } from './nats-server.ts'

const STREAM = 'EVENTS'
const JOB_OBJECTS = 40
const PATIENCE = { timeout: 120_000, interval: 200 }
/** A step that would be long on a loaded machine may take this. */
const COMMAND_MS = 120_000

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 })

describeWithPrograms('the metadata of a mesh, moved under load', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('mesh-moves')
  const second = 'metadata 2'
  let first: PostgresServer
  let next: PostgresServer
  let nats: NatsServer
  let stream: JetStreamServer
  let mesh: MeshProcesses
  let s3: S3Client
  let load: LoadUnderFaults
  let places: Record<string, string>

  beforeAll(async () => {
    ;[first, next, nats, stream] = await Promise.all([
      startPostgres(),
      startPostgres(),
      startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory),
      JetStreamServer.start(programs['nats-server']),
    ])
    await stream.addStream(STREAM, 'coffer.events.>')
    const events = join(directory, 'events.json')
    const target = { type: 'nats', servers: stream.url, jetStream: true, timeoutMs: 2_000 }
    writeFileSync(events, JSON.stringify({ targets: { stream: target } }), { mode: 0o600 })
    places = {
      COFFER_METADATA_URL: first.url,
      COFFER_METADATA_PASSWORD_FILE: first.passwordFile,
      COFFER_METADATA_NEXT_URL: next.url,
      COFFER_METADATA_NEXT_PASSWORD_FILE: next.passwordFile,
    }
    mesh = await startMesh(nats, directory, { COFFER_EVENTS_FILE: events }, { more: ['events'] })
    const gateways = mesh.gateways.map((gateway) => s3Client(gateway))
    s3 = gateways[0] as S3Client
    const buckets = { plain: await newBucket(s3), versioned: await newBucket(s3, { versioning: 'Enabled' }) }
    const QueueConfigurations = [
      { QueueArn: 'arn:aws:sqs:us-east-1:000000000000:stream', Events: ['s3:ObjectCreated:*' as const] },
    ]
    await s3.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: buckets.versioned,
        NotificationConfiguration: { QueueConfigurations },
      }),
    )
    load = new LoadUnderFaults(gateways, buckets)
    load.start()
    await load.untilServed()
  })
  afterAll(async () => {
    await load?.stop()
    await mesh?.stop()
    await Promise.all([first?.stop(), next?.stop(), nats?.group.stop(), stream?.dispose()])
    rmSync(directory, { recursive: true, force: true })
  })
  afterEach(() => expect(load.wrongs).toEqual([]))

  const migrate = (from: string, to: string) => ['migrate', 'metadata', '--online', '--from', from, '--to', to]
  const env = () => ({ ...mesh.env, ...places })
  const moved = async (from: string, to: string) => {
    const args = [COFFER, ...migrate(from, to)]
    const result = await run(process.execPath, args, { env: env(), timeoutMs: COMMAND_MS })
    expect(result, mesh.logs()).toMatchObject({ code: 0 })
    expect(result.stdout).toContain('all rows of both sides were compared')
  }
  const writesMore = async () => {
    const before = load.journal.acknowledgedWrites
    await expect.poll(() => load.journal.acknowledgedWrites, PATIENCE).toBeGreaterThan(before + 30)
  }
  /** How often a process has said that it is ready, and where. */
  const readyAt = (name: string, place: string) =>
    (mesh.groups.get(name)?.logs() ?? '').split(`coffer metadata is ready: ${place}`).length - 1
  const rowsOf = async (server: PostgresServer) => {
    const digestOf = (table: string) =>
      `SELECT '${table}' AS name, count(*)::int, md5(string_agg(md5(key || value), '' ORDER BY key)) FROM coffer.${table}`
    const tables = ['versions', 'current', 'records', 'outbox', 'bodies']
    return await server.run(`${tables.map(digestOf).join(' UNION ALL ')} ORDER BY name`)
  }
  const lmdbFile = () =>
    createHash('sha256')
      .update(readFileSync(join(String(mesh.env.COFFER_DATA_DIR), 'metadata', 'data.mdb')))
      .digest('hex')
  let unused: { lmdb?: string; first?: unknown; next?: unknown } = {}

  it('comes into PostgreSQL, and its service follows by itself', async () => {
    await writesMore()
    await moved('lmdb', 'postgresql')
    unused = { lmdb: lmdbFile() }
    await expect.poll(() => readyAt('metadata', first.url), PATIENCE).toBe(1)
    await load.untilServed()
    // Another one, on a machine of its own: it knows where the metadata is, and where it will be.
    const own = join(directory, 'second')
    mkdirSync(own)
    await mesh.replace(second, { ...places, COFFER_DATA_DIR: own })
    await writesMore()
    expect(lmdbFile()).toBe(unused.lmdb)
  })

  it('goes on to another PostgreSQL, though the command is killed; a job that runs goes on as well', async () => {
    const Bucket = await newBucket(s3)
    for (let index = 0; index < JOB_OBJECTS; index++) {
      await s3.send(new PutObjectCommand({ Bucket, Key: `k${index}`, Body: 'x' }))
    }
    const limits = ['--bucket', Bucket, '--objects-per-second', '10']
    const { id } = await cofferJson<Job>(mesh, ['job', 'start', 'reencrypt', ...limits])
    const args = migrate('postgresql', 'postgresql')
    // Makes the schema, so that it can be held up there.
    expect(await coffer([...args, '--abort'], env())).toMatchObject({ code: 0 })
    const lock = new pg.Client({ ...next.options(), password: readFileSync(next.passwordFile, 'utf8').trim() })
    await lock.connect()
    await lock.query('BEGIN; LOCK TABLE coffer.versions IN SHARE MODE')
    const child = spawn(process.execPath, [COFFER, ...args], { env: env(), cwd: REPOSITORY, stdio: 'pipe' })
    const gone = once(child, 'close')
    let told = ''
    child.stderr.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    await expect.poll(() => told, PATIENCE).toContain('copy buckets')
    child.kill('SIGKILL')
    await gone
    await lock.end()
    const status = await cofferJson<{ phase: string; isRunning: boolean }>({ env: env() }, [...args, '--status'])
    expect(status).toMatchObject({ phase: 'journaling', isRunning: false })
    await writesMore()
    await moved('postgresql', 'postgresql')
    unused.first = await rowsOf(first)
    // The first by what the data directory remembers, the other by its settings.
    for (const name of ['metadata', second]) await expect.poll(() => readyAt(name, next.url), PATIENCE).toBe(1)
    await load.untilServed()
    const job = () => cofferJson<Job>(mesh, ['job', 'show', id]).catch(() => undefined)
    await expect.poll(async () => (await job())?.endedAt, PATIENCE).toBeDefined()
    expect(await job()).toMatchObject({ state: 'completed', result: { changed: { objectCount: JOB_OBJECTS } } })
    await writesMore()
    expect(await rowsOf(first)).toEqual(unused.first)
  })

  it('comes back into the data directory; a service that cannot open that one ends', async () => {
    const fromNext = {
      COFFER_METADATA_URL: next.url,
      COFFER_METADATA_PASSWORD_FILE: next.passwordFile,
    }
    places = { ...places, ...fromNext }
    await moved('postgresql', 'lmdb')
    unused.next = await rowsOf(next)
    await expect.poll(() => readyAt('metadata', String(mesh.env.COFFER_DATA_DIR)), PATIENCE).toBe(2)
    await expect.poll(() => mesh.groups.get(second)?.exited(), PATIENCE).toBeTruthy()
    await load.untilServed()
    await writesMore()
    expect(await rowsOf(next)).toEqual(unused.next)
  })

  it('has lost no acknowledged write and no event on its way', async () => {
    await load.stop()
    const seen = async (key: string, versionId?: string): Promise<string> => {
      for (;;) {
        const state = await load.stateOf(s3, key, versionId).catch(({ name }: Error) => name)
        if (state !== 'ServiceUnavailable') return state
        await sleep(200)
      }
    }
    for (const key of load.journal.keys()) expect(load.journal.allowed(key), key).toContain(await seen(key))
    for (const { key, versionId, state } of load.told) expect(await seen(key, versionId)).toBe(state)
    await expectEventsOf(load.told, { mesh, stream, name: STREAM }, PATIENCE)
    expect(load.told.length).toBeGreaterThan(20)
  })
})
