import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import type { StatusReport } from '@coffer/service-coffer/status-report'
import { connect, type NatsConnection } from 'nats'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { eventually } from '../events/event-reading.ts'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freeNeighbours } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, cleanEnvironment, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'

const START_TIMEOUT_MS = 200_000
const OF_A_CLOUD = 'what-only-a-connector-needs'
const PROCESSES = ['metadata', 'kms', 'crypto', 'iam', 'rotation', 'events', 'gateway', 'gateway']
const OF_REDIS = '/run/what-only-jobs-need'

describeWithPrograms('coffer mesh', ['nats-server'], () => {
  const directory = temporaryDirectory('local-mesh')
  const dataDir = join(directory, 'data')
  const natsDirectory = join(dataDir, 'mesh', 'nats')
  let mesh: ProcessGroup
  let env: NodeJS.ProcessEnv
  let gateways: S3Client[]
  let healthPort: number

  /** The processes that work on this data directory, by what their command line says. */
  const pidsOf = (what: string): number[] =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        const line = readCommandLine(pid)
        return line.includes(what) && line.includes(directory)
      })
      .map(Number)

  beforeAll(async () => {
    const port = await freeNeighbours(2)
    healthPort = await freeNeighbours(PROCESSES.length)
    const addresses = { COFFER_ADDRESS: `127.0.0.1:${port}`, COFFER_HEALTH_ADDRESS: `127.0.0.1:${healthPort}` }
    env = {
      ...cleanEnvironment({ COFFER_DATA_DIR: dataDir, ...addresses }),
      AWS_SECRET_ACCESS_KEY: OF_A_CLOUD,
      COFFER_REDIS_PASSWORD_FILE: OF_REDIS,
    }
    mesh = startGroup(process.execPath, [COFFER, 'mesh', '--region', 'eu-test-1'], { env, cwd: REPOSITORY })
    await vi.waitFor(
      () => {
        if (mesh.exited()) throw new Error(mesh.logs())
        expect(mesh.logs()).toContain('Coffer is ready on')
      },
      { timeout: START_TIMEOUT_MS, interval: 100 },
    )
    const credentials = readFileSync(join(dataDir, 'secrets', 'root-credentials'), 'utf8')
    const [, accessKeyId = '', secretAccessKey = ''] = /KEY_ID=(\S+)\n.*KEY=(\S+)/.exec(credentials) ?? []
    const target = { caFile: join(dataDir, 'certs', 'public.crt'), accessKeyId, secretAccessKey }
    gateways = [port, port + 1].map((each) =>
      s3Client({ ...target, endpoint: `https://127.0.0.1:${each}` }, { region: 'eu-test-1' }),
    )
  })

  afterAll(async () => {
    await mesh?.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  const gateway = (index: number): S3Client => gateways[index] as S3Client

  it('serves through two gateways, each service a process of its own', async () => {
    const bucket = await newBucket(gateway(0))
    await gateway(0).send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'through the first' }))
    const got = await gateway(1).send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect((await bytesOf(got)).toString()).toBe('through the first')
    for (const service of ['metadata', 'kms', 'crypto', 'iam', 'rotation']) {
      expect(pidsOf(`service ${service}`)).toHaveLength(1)
    }
    expect(pidsOf('service gateway')).toHaveLength(2)
  })

  it('gives each process a health address of its own, one after the other', async () => {
    for (const [index, service] of PROCESSES.entries()) {
      const at = `http://127.0.0.1:${healthPort + index}`
      await eventually(
        async () => (await fetch(`${at}/ready`)).status,
        (status) => status === 200,
      )
      const page = await (await fetch(`${at}/metrics`)).text()
      expect(page.includes('holds="metadata"'), service).toBe(service === 'metadata')
    }
  })

  it('gives each process of its environment what its role needs', () => {
    const holdersOf = (value: string) =>
      ['metadata', 'kms', 'crypto', 'iam', 'rotation', 'events', 'gateway'].filter((service) =>
        pidsOf(`service ${service}`).some((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes(value)),
      )
    expect(holdersOf('PATH=')).toHaveLength(7)
    expect(holdersOf(OF_A_CLOUD)).toEqual(['kms'])
    expect(holdersOf(OF_REDIS)).toEqual(['rotation'])
    const [nats = 0] = pidsOf('nats-server')
    expect(readFileSync(`/proc/${nats}/environ`, 'utf8')).not.toContain(OF_A_CLOUD)
  })

  it('is reached by other commands with the settings that it prints', async () => {
    const [, settings = ''] = /^ {2}env (.*) npx --yes pnpm@12 coffer key list$/m.exec(mesh.logs()) ?? []
    const pairs = settings.split(' ').map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string])
    const { stdout } = await coffer(['key', 'list', '--json'], cleanEnvironment(Object.fromEntries(pairs)))
    expect(JSON.parse(stdout)).toMatchObject([{ keyId: expect.stringContaining('coffer') }])
  })

  it('tells coffer status of each process, over NATS, with what an operator may', async () => {
    const settings = /^ {2}env (.*) npx --yes pnpm@12 coffer key list$/m.exec(mesh.logs())?.[1]?.split(' ') ?? []
    const pairs = settings.map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string])
    const operator = cleanEnvironment(Object.fromEntries(pairs))
    const status = async () => {
      const { code, stdout, stderr } = await coffer(['status', '--once', '--json'], operator)
      expect(stderr).toBe('')
      return { ...(JSON.parse(stdout) as StatusReport), code }
    }
    const report = await eventually(
      status,
      ({ isHealthy, processes, metadata, blobStores }) =>
        isHealthy && processes.length === 8 && metadata !== undefined && blobStores.length === 1,
    )
    expect(report).toMatchObject({ code: 0, runs: 'mesh', unanswered: [], metadata: { driver: 'lmdb' } })
    expect(report.processes.map(({ service }) => service)).toEqual([
      ...['crypto', 'events', 'gateway', 'gateway', 'iam', 'kms', 'metadata', 'rotation'],
    ])
    expect(report.processes.every(({ isReady, isGone, version }) => isReady && !isGone && version !== '')).toBe(true)
    expect(report.blobStores).toMatchObject([{ store: 'default', awayFor: [] }])
    expect(report.audit).toMatchObject({ mode: 'changes' })
    expect(report.keys).toMatchObject([{ connector: 'local' }])
    // The silent are told, and what they keep from working.
    const [pid = 0] = pidsOf('service iam')
    process.kill(pid, 'SIGSTOP')
    try {
      const isOfIam = ({ about }: { readonly about: string }) => about.split(' ')[0] === 'iam'
      const away = await eventually(status, ({ findings }) => findings.some(isOfIam))
      expect(away.code).toBe(1)
      expect(away.findings.find(isOfIam)?.level).toBe('problem')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    expect((await eventually(status, ({ isHealthy }) => isHealthy)).isHealthy).toBe(true)
  })

  it('lets nobody in without a password, and holds each service to what it does', async () => {
    const port = Number(
      /listen: "127\.0\.0\.1:(\d+)"/.exec(readFileSync(join(natsDirectory, 'nats.conf'), 'utf8'))?.[1],
    )
    const tls = { caFile: join(natsDirectory, 'nats.crt') }
    const servers = `127.0.0.1:${port}`
    await expect(connect({ servers, tls, reconnect: false })).rejects.toMatchObject({ code: 'AUTHORIZATION_VIOLATION' })
    await expect(connect({ servers, tls, user: 'kms', pass: 'guessed', reconnect: false })).rejects.toThrow()
    const pass = readFileSync(join(natsDirectory, 'gateway.password'), 'utf8').trim()
    const connection = await connect({ servers, tls, user: 'gateway', pass, reconnect: false })
    const refusals = refusalsOf(connection)
    connection.subscribe('>')
    connection.subscribe('MOL-coffer.REQ.kms.*')
    connection.publish('MOL-coffer.RES.iam.anyone', 'forged')
    await connection.flush()
    await vi.waitFor(() => expect(refusals).toHaveLength(3), { timeout: 60_000 })
    await connection.close()
  })

  it('goes on without a service that was killed, once another has taken its place', async () => {
    const bucket = await newBucket(gateway(0))
    for (const pid of pidsOf('service crypto')) process.kill(pid, 'SIGKILL')
    await vi.waitFor(
      async () => await gateway(1).send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'after' })),
      { timeout: 60_000, interval: 200 },
    )
  })

  it('leaves nothing running when it is killed itself', async () => {
    expect(pidsOf('nats-server').length).toBeGreaterThan(0)
    process.kill(mesh.pid, 'SIGKILL')
    await vi.waitFor(() => expect(pidsOf('')).toEqual([]), { timeout: 60_000, interval: 200 })
  })
})

function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

function refusalsOf(connection: NatsConnection): unknown[] {
  const refusals: unknown[] = []
  const listen = async (): Promise<void> => {
    for await (const { data } of connection.status()) {
      if (String(data).includes('PERMISSIONS_VIOLATION')) refusals.push(data)
    }
  }
  void listen()
  return refusals
}
