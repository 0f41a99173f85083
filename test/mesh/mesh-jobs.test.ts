import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import type { JobProgress, KeyUse } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { credentialsFileFor, startAdopt } from '../adopt/adopting.ts'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { type RedisServer, startRedis } from '../harness/redis-server.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { clockOf } from './fault-mesh.ts'
import { type MeshProcesses, startMesh } from './mesh-processes.ts'
import { type NatsServer, startNats } from './nats-server.ts'

const OBJECTS = 120
const WAIT_MS_MAX = 120_000
/** More than anybody waits here: a lease that others held to that clock would never end. */
const CLOCK_AHEAD_SECONDS = 180

const PROGRAMS = ['nats-server', 'openssl', 'redis-server', 'faketime'] as const

describeWithPrograms('jobs in a mesh, in Redis', PROGRAMS, (programs) => {
  const directory = temporaryDirectory('mesh-jobs')
  const password = randomBytes(16).toString('hex')
  const passwordFile = join(directory, 'redis-password')
  let redis: RedisServer
  let nats: NatsServer
  let mesh: MeshProcesses
  let second: ProcessGroup | undefined
  let s3: S3Client

  beforeAll(async () => {
    writeFileSync(passwordFile, password, { mode: 0o600 })
    redis = await startRedis(programs['redis-server'], password)
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    const settings = { COFFER_REDIS_URL: redis.url, COFFER_REDIS_PASSWORD_FILE: passwordFile }
    mesh = await startMesh(nats, directory, settings, { of: { rotation: clockOf(CLOCK_AHEAD_SECONDS) } })
    const [gateway] = mesh.gateways
    if (gateway === undefined) throw new Error('a gateway is needed')
    s3 = s3Client(gateway)
  })

  afterAll(async () => {
    await second?.stop()
    await mesh?.stop()
    await nats?.group.stop()
    await redis?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const job = async (...args: string[]): Promise<Job> => {
    const { code, stdout, stderr } = await coffer(['job', ...args, '--json'], mesh.env)
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}\n${mesh.logs()}`)
    return JSON.parse(stdout)
  }
  const until = async (id: string, isReached: (found: Job) => boolean): Promise<Job> => {
    for (const deadline = Date.now() + WAIT_MS_MAX; Date.now() < deadline; await sleep(200)) {
      const found = await job('show', id)
      if (isReached(found)) return found
    }
    throw new Error(`job ${id} did not get there: ${JSON.stringify(await job('show', id))}\n${mesh.logs()}`)
  }

  it('go on in another process of the rotation service, whose clock is three minutes behind, when theirs is killed and Redis comes back empty', async () => {
    const bucket = await newBucket(s3)
    const bodies = Array.from({ length: OBJECTS }, (_, index) => randomBytes(index % 6 === 0 ? 200_000 : 500))
    for (const [index, Body] of bodies.entries()) {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: `o${index}`, Body }))
    }
    const { id } = await job('start', 'reencrypt', '--bucket', bucket, '--objects-per-second', '20')
    await until(id, ({ progress }) => ((progress as unknown as JobProgress)?.changed.objectCount ?? 0) > 20)
    const args = [COFFER, 'service', 'rotation']
    second = startGroup(process.execPath, args, { env: mesh.env, cwd: REPOSITORY })
    await mesh.groups.get('rotation')?.kill('SIGKILL')
    await redis.kill()
    await redis.start()
    const ended = await until(id, ({ endedAt }) => endedAt !== undefined)
    expect(ended).toMatchObject({ state: 'completed', result: { failedCount: 0 } })
    for (const [index, body] of bodies.entries()) {
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `o${index}` }))
      expect((await bytesOf(got)).equals(body)).toBe(true)
    }
  }, 240_000)

  it('adopt the objects of another store, which the rotation service alone reads', async () => {
    const [gateway] = mesh.gateways
    if (gateway === undefined) throw new Error('a gateway is needed')
    const [from, to] = [await newBucket(s3), await newBucket(s3)]
    for (let index = 0; index < 20; index++) {
      await s3.send(new PutObjectCommand({ Bucket: from, Key: `o${index}`, Body: randomBytes(index * 20_000) }))
    }
    const place = { endpoint: gateway.endpoint, bucket: from, credentialsFile: credentialsFileFor(gateway) }
    const { id } = await startAdopt(mesh, place, to)
    const ended = await until(id, ({ endedAt }) => endedAt !== undefined)
    expect(ended).toMatchObject({ state: 'completed', result: { failedCount: 0, changed: { objectCount: 20 } } })
    for (let index = 0; index < 20; index++) {
      const Key = `o${index}`
      const [theirs, ours] = await Promise.all(
        [from, to].map((Bucket) => s3.send(new GetObjectCommand({ Bucket, Key })).then(bytesOf)),
      )
      expect(theirs?.equals(ours ?? Buffer.of(1))).toBe(true)
    }
  }, 240_000)

  it('rewrap objects without a bucket key, many in one call over NATS, each in its place', async () => {
    const command = async <Answer>(...args: string[]): Promise<Answer> => {
      const { code, stdout, stderr } = await coffer([...args, '--json'], mesh.env)
      if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}\n${mesh.logs()}`)
      return JSON.parse(stdout)
    }
    await command('key', 'create', 'direct')
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const context = Buffer.from(JSON.stringify({ team: 'blue' })).toString('base64')
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'direct', SSEKMSEncryptionContext: context } as const
    const put = (index: number) =>
      s3.send(new PutObjectCommand({ Bucket: bucket, Key: `d${index % 100}`, Body: `body ${index}`, ...kms }))
    for (let index = 0; index < OBJECTS; index++) await put(index)
    await command('key', 'rotate', 'direct')
    const { id } = await job('start', 'rewrap', 'direct')
    const ended = await until(id, ({ endedAt }) => endedAt !== undefined)
    expect(ended).toMatchObject({ state: 'completed', result: { failures: [], directObjectCount: OBJECTS } })
    const { versions } = await command<KeyUse>('key', 'usage', 'direct')
    expect(versions.map(({ version, objectCount }) => [version, objectCount])).toEqual([[2, OBJECTS]])
    for (const index of [0, 63, 64, 99]) {
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `d${index}` }))
      expect((await bytesOf(got)).toString()).toBe(`body ${index + 100 < OBJECTS ? index + 100 : index}`)
    }
  }, 240_000)

  it('a rotation service with another Redis password does not start, and says why', async () => {
    const wrong = join(directory, 'wrong-password')
    writeFileSync(wrong, 'wrong')
    const env = { ...mesh.env, COFFER_REDIS_PASSWORD_FILE: wrong }
    const { code, stderr } = await coffer(['service', 'rotation'], env)
    expect(code).toBe(1)
    expect(stderr).toContain('JOB_QUEUE_UNAVAILABLE')
    expect(stderr).not.toContain(password)
    const far = await coffer(['service', 'rotation'], { ...mesh.env, COFFER_REDIS_URL: 'redis://redis.example:6379' })
    expect([far.code, far.stderr]).toEqual([1, expect.stringContaining('rediss://')])
  })
})
