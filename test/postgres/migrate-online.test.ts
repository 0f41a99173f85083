import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import {
  CreateBucketCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { openLmdbMoveSource } from '@coffer/metadata-store/drivers/lmdb/move'
import { openPostgresMoveTarget } from '@coffer/metadata-store/drivers/postgres/move'
import { moveOnline } from '@coffer/metadata-store/move'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPostgres } from '../harness/describe-with-postgres.ts'
import { type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { bytesOf, s3Client } from '../harness/s3.ts'
import { COFFER, type CofferServer, REPOSITORY, startServer, temporaryDirectory } from '../harness/start-server.ts'

const TO_POSTGRES = ['migrate', 'metadata', '--online', '--from', 'lmdb', '--to', 'postgresql']
const TO_LMDB = ['migrate', 'metadata', '--online', '--from', 'postgresql', '--to', 'lmdb']
/** So that there is no more to look through at the end than a loaded machine has time for. */
const WRITE_PAUSE_MS = 20
const PATIENCE = { timeout: 400_000 }

/** Clients that write all the time, and know what they were told. */
class Clients {
  readonly acknowledged = new Map<string, { readonly body: Buffer; readonly versionId: string }>()
  readonly refusals = new Set<number | string>()
  #isStopping = false
  readonly #running: Promise<unknown>

  constructor(s3: S3Client, bucket: string, names: readonly string[]) {
    this.#running = Promise.all(names.map((name) => this.#write(s3, bucket, name)))
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
  }

  async atLeast(count: number): Promise<void> {
    await expect.poll(() => this.acknowledged.size, { timeout: 150_000 }).toBeGreaterThanOrEqual(count)
  }

  async #write(s3: S3Client, bucket: string, name: string): Promise<void> {
    for (let index = 0; !this.#isStopping; index += 1) {
      const Key = `${name}/${index}`
      const body = randomBytes(index % 20 === 0 ? 200_000 : 500)
      try {
        const { VersionId = '' } = await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }))
        this.acknowledged.set(Key, { body, versionId: VersionId })
      } catch (error) {
        const { $metadata, code } = error as { $metadata?: { httpStatusCode?: number }; code?: string }
        this.refusals.add($metadata?.httpStatusCode ?? code ?? String(error))
      }
      await pause(WRITE_PAUSE_MS)
    }
  }
}

async function expectAll(s3: S3Client, bucket: string, clients: readonly Clients[]): Promise<void> {
  const listed = new Map<string, string>()
  let next: { KeyMarker?: string; VersionIdMarker?: string } = {}
  for (let isMore = true; isMore; ) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, ...next }))
    for (const { Key = '', VersionId = '', IsLatest } of page.Versions ?? []) if (IsLatest) listed.set(Key, VersionId)
    next = {
      ...(page.NextKeyMarker && { KeyMarker: page.NextKeyMarker }),
      ...(page.NextVersionIdMarker && { VersionIdMarker: page.NextVersionIdMarker }),
    }
    isMore = page.IsTruncated ?? false
  }
  for (const { acknowledged } of clients) {
    for (const [Key, { versionId }] of acknowledged) expect([Key, listed.get(Key)]).toEqual([Key, versionId])
    for (const [Key, { body }] of [...acknowledged].filter((_, index) => index % 10 === 0)) {
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }))
      expect((await bytesOf(got)).equals(body)).toBe(true)
    }
  }
}

describeWithPostgres('coffer migrate metadata --online', () => {
  let postgres: PostgresServer
  let server: CofferServer
  let s3: S3Client
  const bucket = 'moved'
  let env: NodeJS.ProcessEnv
  const dataDir = temporaryDirectory('migrate-online')
  const clients: Clients[] = []
  const there = (schema: string) => ({
    COFFER_METADATA_URL: `${postgres.url}?schema=${schema}`,
    COFFER_METADATA_PASSWORD_FILE: postgres.passwordFile,
  })
  beforeAll(async () => {
    postgres = await startPostgres()
    server = await startServer({ dataDir, workers: 2 })
    s3 = s3Client(server)
    await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }))
    env = { ...server.env, ...there('coffer') }
  })
  afterAll(async () => {
    for (const each of clients) await each.stop()
    await server.dispose()
    await postgres.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  /** Ends it with SIGKILL when its journal is on: while rows wait for a lock on the other side, if they go there. */
  const killedOnItsWay = async (args: readonly string[]) => {
    const lock = new pg.Client({
      ...postgres.options('coffer'),
      password: readFileSync(postgres.passwordFile, 'utf8').trim(),
    })
    await lock.connect()
    await lock.query('BEGIN')
    if (args === TO_POSTGRES) await lock.query('LOCK TABLE coffer.versions IN SHARE MODE')
    const child = spawn(process.execPath, [COFFER, ...args], {
      env,
      cwd: REPOSITORY,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const gone = once(child, 'close')
    let text = ''
    const begun = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        if (text.includes('copy ')) resolve()
      })
    })
    await Promise.race([begun, gone])
    child.kill('SIGKILL')
    await gone
    await lock.end()
    expect(text).toContain('copy buckets')
  }
  const phaseOf = async (args: readonly string[]) => {
    const { stdout } = await coffer([...args, '--status', '--json'], env)
    return (JSON.parse(stdout) as { phase: string }).phase
  }

  test("refuses a target that holds a store or is another one's, and a second migration", PATIENCE, async () => {
    const other = temporaryDirectory('migrate-other')
    const elsewhere = await startServer({ dataDir: other, workers: 1, env: there('taken') })
    const taken = { ...env, ...there('taken') }
    expect((await coffer(TO_POSTGRES, taken)).stderr).toContain('COFFER_METADATA_ELSEWHERE')
    await elsewhere.dispose()
    await postgres.run(`UPDATE taken.store SET value = '' WHERE name = 'data-directory'`)
    await postgres.run(`DELETE FROM taken.store WHERE name = 'data-directory'`)
    expect((await coffer(TO_POSTGRES, taken)).stderr).toContain('the database holds a store')
    rmSync(other, { recursive: true, force: true })

    const lock = new DatabaseSync(join(dataDir, 'migration-lock'))
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    expect((await coffer(TO_POSTGRES, env)).stderr).toContain('another migration runs')
    lock.close()
    expect((await coffer(TO_LMDB, env)).stderr).toContain('it is in the data directory already')
    expect(await phaseOf(TO_POSTGRES)).toBe('none')
  })

  test('is killed, is abandoned, and leaves all as it was', PATIENCE, async () => {
    clients.push(new Clients(s3, bucket, ['a', 'b', 'c']))
    await clients[0]?.atLeast(100)
    // Makes the schema.
    expect(await coffer([...TO_POSTGRES, '--abort'], env)).toMatchObject({ code: 0 })
    await killedOnItsWay(TO_POSTGRES)
    expect(await phaseOf(TO_POSTGRES)).toBe('journaling')
    const wrong = await coffer(TO_POSTGRES, { ...env, ...there('wrong') })
    expect(wrong.stderr).toContain('it is being moved to another database')
    const early = await startServer({ dataDir: temporaryDirectory('early'), env: there('coffer') }).catch(String)
    expect(early).toMatch(/META_STORE_CLOSED|COFFER_METADATA_ELSEWHERE/)
    expect(await coffer([...TO_POSTGRES, '--abort'], env)).toMatchObject({ code: 0 })
    expect(await phaseOf(TO_POSTGRES)).toBe('none')
    await clients[0]?.atLeast((clients[0]?.acknowledged.size ?? 0) + 20)
    expect(await postgres.run('SELECT count(*)::int AS count FROM coffer.versions')).toEqual([{ count: 0 }])
  })

  test(
    'moves to PostgreSQL under clients that write, killed on the way; the server follows by itself',
    PATIENCE,
    async () => {
      const locked = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'locked', Body: 'x' }))
      const retention = { Mode: 'GOVERNANCE', RetainUntilDate: new Date('2100-01-01') } as const
      const { VersionId } = locked
      await s3.send(new PutObjectRetentionCommand({ Bucket: bucket, Key: 'locked', VersionId, Retention: retention }))
      await killedOnItsWay(TO_POSTGRES)
      // As if it had been killed right behind its last transaction.
      const source = await openLmdbMoveSource(join(dataDir, 'metadata'))
      const target = await openPostgresMoveTarget(postgres.options('coffer'))
      const { id = '', phase } = (await source.readMove()) ?? {}
      if (phase !== 'moved') await moveOnline(source, target, id, () => {})
      await source.close()
      await target.close()
      await expect.poll(() => server.logs(), { timeout: 60_000 }).toContain('starting anew')
      expect(await phaseOf(TO_POSTGRES)).toBe('moved')
      const moved = await coffer([...TO_POSTGRES, '--json'], env)
      expect(moved).toMatchObject({ code: 0 })
      await expect.poll(() => server.logs(), { timeout: 60_000 }).toContain('starting anew')
      clients.push(new Clients(s3, bucket, ['d', 'e']))
      await clients[1]?.atLeast(50)
      for (const each of clients) await each.stop()
      await expectAll(s3, bucket, clients)
      const kept = await s3.send(new GetObjectRetentionCommand({ Bucket: bucket, Key: 'locked' }))
      expect(kept.Retention).toEqual(retention)
      for (const refusal of clients.flatMap(({ refusals }) => [...refusals])) {
        expect([503, 'ECONNREFUSED', 'ECONNRESET', 'TimeoutError', 'EPIPE']).toContain(refusal)
      }
      const rows = await postgres.run('SELECT count(*)::int AS count FROM coffer.versions')
      expect(Number(rows[0]?.count)).toBeGreaterThan(clients[0]?.acknowledged.size ?? 0)
      // Also with the settings of before, after the whole server was killed.
      await server.killGroup('SIGKILL')
      await server.restart()
      await expectAll(s3, bucket, clients)
      expect((await coffer(TO_POSTGRES, env)).stderr).toContain('it is on PostgreSQL already')
    },
  )

  test('moves back into the data directory, also where a server that is killed meanwhile', PATIENCE, async () => {
    clients.push(new Clients(s3, bucket, ['f', 'g', 'h']))
    await clients[2]?.atLeast(20)
    await killedOnItsWay(TO_LMDB)
    await server.killGroup('SIGKILL')
    await server.restart()
    await clients[2]?.atLeast((clients[2]?.acknowledged.size ?? 0) + 20)
    // Unless it had come to its end before it was killed.
    const moved = await coffer(TO_LMDB, env)
    expect(`${moved.stdout}${moved.stderr}`).toMatch(/writes were refused for|it is in the data directory already/)
    expect(existsSync(join(dataDir, 'metadata', 'on-postgresql'))).toBe(false)
    await clients[2]?.atLeast((clients[2]?.acknowledged.size ?? 0) + 20)
    await clients[2]?.stop()
    await expectAll(s3, bucket, clients)
    await postgres.kill()
    await expectAll(s3, bucket, clients)
    await server.stop()
    const { accessKeyId, secretAccessKey } = server
    const again = await startServer({ dataDir, workers: 1, accessKeyId, secretAccessKey, env: there('coffer') })
    await expect.poll(() => again.logs()).toContain('remove COFFER_METADATA_URL')
    await expectAll(s3Client(again), bucket, clients)
    await again.stop()
  })
})
