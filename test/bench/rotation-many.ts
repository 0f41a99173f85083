/**
 * A master key over many objects: how long a rotation takes, what asking for the key's use costs, and how fast the objects are
 * rewrapped by a job, with and without bucket keys, in how much memory, and what gets feel of it.
 * `node test/bench/rotation-many.ts [objects for each]`
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { KeyUse, RewrapReport } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { runLoad } from '@coffer/service-coffer/bench'
import { loadObjects } from '../harness/load-objects.ts'
import { startCoffer } from './bench-server.ts'

const COFFER = resolve(import.meta.dirname, '../../services/coffer/bin/coffer.js')
const objectCount = Number(process.argv[2] ?? 20_000)
const LOAD_MS = 4_000
const LOAD_CONNECTIONS = 4
const POLL_MS = 100
/** A tick is 10 ms on every Linux of today (sysconf(3), _SC_CLK_TCK is 100). */
const TICK_MS = 10

const rootKey = randomBytes(32)
const coffer = await startCoffer({ COFFER_ROOT_KEY: rootKey.toString('base64') })
const dataDirectory = join(coffer.dataDir, 'data')
const env = { ...process.env, COFFER_ROOT_KEY: rootKey.toString('base64') }
const command = <Answer>(...words: string[]): Answer => {
  const options = { encoding: 'utf8', env, maxBuffer: 2 ** 26 } as const
  return JSON.parse(execFileSync(process.execPath, [COFFER, ...words, '--json', '--data-dir', dataDirectory], options))
}
const client = new S3Client({
  endpoint: coffer.endpoint.url,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'bench', secretAccessKey: 'bench-secret' },
})
try {
  // How long a command takes that has next to nothing to do: what the others cost beside that is theirs.
  command('key', 'list')
  const startMs = timed(() => command('key', 'list')).ms
  for (const bucketKeyEnabled of [true, false]) await measure(bucketKeyEnabled, startMs)
} finally {
  client.destroy()
  await coffer.stop()
}

async function measure(bucketKeyEnabled: boolean, startMs: number): Promise<void> {
  const name = `bench-${bucketKeyEnabled}`
  command('key', 'create', name)
  await client.send(new CreateBucketCommand({ Bucket: name }))
  const loadedAt = performance.now()
  await loadObjects({ dataDirectory, rootKey, bucket: name, masterKey: name, bucketKeyEnabled, objectCount })
  const loadMs = performance.now() - loadedAt
  const rotation = timed(() => command('key', 'rotate', name))
  const sealing = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: name, BucketKeyEnabled: bucketKeyEnabled } as const
  await client.send(new PutObjectCommand({ Bucket: name, Key: 'after', Body: 'x', ...sealing }))
  const usage = timed(() => command<KeyUse>('key', 'usage', name))
  await client.send(new HeadObjectCommand({ Bucket: name, Key: 'object-000000000' }))
  const quiet = await loadOf(name)
  const loading = loadOf(name)
  const beside = await rewrapJob(name)
  const busy = await loading
  console.log(
    `bucket key ${bucketKeyEnabled ? 'on' : 'off'}, ${objectCount} objects (put in ${(loadMs / 1000).toFixed(0)} s): ` +
      `rotated in ${(rotation.ms - startMs).toFixed(0)} ms, usage in ${(usage.ms - startMs).toFixed(0)} ms ` +
      `(beside the ${startMs.toFixed(0)} ms of a command's start), versions in use ${usage.answer.versions
        .map(({ version, objectCount: of }) => `${version}: ${of}`)
        .join(', ')}; rewrap beside gets ${said(beside, bucketKeyEnabled)}; ` +
      `get p99 ${quiet?.p99Ms} ms before, ${busy?.p99Ms} ms beside it`,
  )
  if (bucketKeyEnabled) return
  // Once more, from the new version, with nothing beside it.
  command('key', 'rotate', name)
  console.log(`  alone: ${said(await rewrapJob(name), false)}`)
}

function said({ job, peakMiB, cpuMs }: RewrapRun, bucketKeyEnabled: boolean): string {
  const report = job.result as unknown as RewrapReport
  const count = bucketKeyEnabled ? report.objectCount : report.directObjectCount
  const ms = report.endedAt - report.startedAt
  return (
    `${count} in ${ms} ms, ${((count / ms) * 1000).toFixed(0)}/s, ${((cpuMs * 1000) / count).toFixed(0)} µs of a core each, ` +
    `failures ${report.failures.length}, job processes ${peakMiB.toFixed(0)} MiB at most`
  )
}

interface RewrapRun {
  readonly job: Job
  /** Of all processes that worked on it together, at most. */
  readonly peakMiB: number
  /** Processor time that they used, with what their start cost. */
  readonly cpuMs: number
}

async function rewrapJob(name: string): Promise<RewrapRun> {
  const before = jobProcesses().cpuMs
  const { id } = command<Job>('job', 'start', 'rewrap', name)
  let peakMiB = 0
  for (let poll = 0; ; poll++) {
    const { anonymousMiB, cpuMs } = jobProcesses()
    peakMiB = Math.max(peakMiB, anonymousMiB)
    // Asking costs a process: seldom.
    const job = poll % 20 === 19 ? command<Job>('job', 'show', id) : undefined
    if (job?.endedAt !== undefined) return { job, peakMiB, cpuMs: cpuMs - before }
    await sleep(POLL_MS)
  }
}

/** Without the shared pages of the mapped metadata file. Source: proc(5). */
function jobProcesses(): { anonymousMiB: number; cpuMs: number } {
  let anonymousMiB = 0
  let cpuMs = 0
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8')
    try {
      if (!/job-main|rewrap-main/.test(read('cmdline')) || !read('environ').includes(dataDirectory)) continue
      anonymousMiB += Number(/RssAnon:\s+(\d+) kB/.exec(read('status'))?.[1] ?? 0) / 1024
      const [, fields = ''] = read('stat').split(') ')
      const [user, system] = fields.split(' ').slice(11, 13)
      cpuMs += (Number(user) + Number(system)) * TICK_MS
    } catch {
      // It has ended.
    }
  }
  return { anonymousMiB, cpuMs }
}

function timed<Answer>(act: () => Answer): { answer: Answer; ms: number } {
  const startedAt = performance.now()
  const answer = act()
  return { answer, ms: performance.now() - startedAt }
}

async function loadOf(bucket: string) {
  const { results } = await runLoad({
    endpoints: [coffer.endpoint],
    operations: ['get'],
    sizesBytes: [4096],
    bucket,
    connections: LOAD_CONNECTIONS,
    durationMs: LOAD_MS,
    sliceMs: LOAD_MS,
    objectCount: 100,
    sse: 'none',
  })
  return results[0]
}
