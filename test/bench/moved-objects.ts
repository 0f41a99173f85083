/**
 * What replication and the move to another storage class cost beside a plain put of the same objects: processor time of all processes
 * of a server, and objects a second, in turns. Source and destination share this machine.
 * `node test/bench/moved-objects.ts [objects of 4 KiB] [objects of 1 MiB] [rounds]`
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import {
  CreateBucketCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketReplicationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { JobProgress } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { freePort } from '../harness/free-port.ts'
import { temporaryDirectory } from '../harness/start-server.ts'
import { type BenchServer, benchKeys, startCoffer } from './bench-server.ts'

const COFFER = resolve(import.meta.dirname, '../../services/coffer/bin/coffer.js')
const [smallCount = 2000, largeCount = 200, rounds = 3] = process.argv.slice(2).map(Number)
const LARGE_BYTES = 1024 * 1024
const SIZES = [
  { name: '4 KiB', sizeBytes: 4096, count: smallCount },
  { name: '1 MiB', sizeBytes: LARGE_BYTES, count: largeCount },
]
const CONNECTIONS = 16
const LOOK_MS = 20

const directory = temporaryDirectory('bench-moved')
const health = `127.0.0.1:${await freePort()}`
const blobsPath = blobsFile()
const there = await startCoffer()
const here = await startCoffer({
  COFFER_HEALTH_ADDRESS: health,
  COFFER_REPLICATION_FILE: replicationFile(),
  COFFER_BLOBS_FILE: blobsPath,
})
const [source, target] = [clientOf(here), clientOf(there)]
let arrived = 0
try {
  for (const bucket of ['plain', 'ruled', 'classed']) await makeVersioned(source, bucket)
  await makeVersioned(target, 'copies')
  await setRules()
  for (let round = 1; round <= rounds; round++) {
    for (const { name, sizeBytes, count } of SIZES) {
      const Body = randomBytes(sizeBytes)
      const plain = await costOf(() => fill('plain', round, count, Body))
      const ruled = await costOf(async () => {
        await fill('ruled', round, count, Body)
        arrived += count
        await until(async () => (await replicatedCount()) >= arrived)
      })
      const each = (cpuMs: number) => `${((cpuMs * 1000) / count).toFixed(0)} µs`
      const rate = (ms: number) => ((count / ms) * 1000).toFixed(0)
      console.log(
        `round ${round}, ${name}: put ${each(plain.hereMs)}, ${rate(plain.elapsedMs)}/s; put and replicated ` +
          `${each(ruled.hereMs)} here, ${each(ruled.thereMs)} there, ${rate(ruled.elapsedMs)}/s: ` +
          `${(ruled.hereMs / plain.hereMs).toFixed(2)} times the processor time, ${(plain.elapsedMs / ruled.elapsedMs).toFixed(2)} of the rate`,
      )
      if (sizeBytes < LARGE_BYTES) continue
      await fill('classed', round, count, Body)
      let runMs = 0
      const moved = await costOf(async () => {
        runMs = await moveAll()
      })
      console.log(
        `round ${round}, ${name}: moved to another class ${each(moved.hereMs)}, ${rate(runMs)}/s: ` +
          `${(moved.hereMs / plain.hereMs).toFixed(2)} times the processor time, ${(plain.elapsedMs / runMs).toFixed(2)} of the rate`,
      )
    }
  }
} finally {
  source.destroy()
  target.destroy()
  await here.stop()
  await there.stop()
}

function replicationFile(): string {
  writeFileSync(join(directory, 'secret'), benchKeys.secretAccessKey, { mode: 0o600 })
  const destination = {
    endpoint: there.endpoint.url,
    region: 'us-east-1',
    accessKeyId: benchKeys.accessKeyId,
    secretAccessKeyFile: 'secret',
    buckets: ['ruled'],
  }
  const path = join(directory, 'replication.json')
  writeFileSync(path, JSON.stringify({ destinations: { 'arn:aws:s3:::copies': destination } }))
  return path
}

function blobsFile(): string {
  mkdirSync(join(directory, 'archive'))
  const path = join(directory, 'blobs.json')
  const stores = { archive: { type: 'directory', path: 'archive' } }
  writeFileSync(path, JSON.stringify({ stores, classes: { STANDARD_IA: 'archive' } }))
  return path
}

function clientOf({ endpoint }: BenchServer): S3Client {
  const { url, region } = endpoint
  return new S3Client({ endpoint: url, region, forcePathStyle: true, credentials: benchKeys })
}

async function makeVersioned(client: S3Client, Bucket: string): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket }))
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
}

async function setRules(): Promise<void> {
  const rule = {
    ...{ ID: 'all', Priority: 1, Status: 'Enabled' as const, Filter: { Prefix: '' } },
    DeleteMarkerReplication: { Status: 'Disabled' as const },
    Destination: { Bucket: 'arn:aws:s3:::copies' },
  }
  const ReplicationConfiguration = { Role: 'arn:aws:iam::000000000000:role/any', Rules: [rule] }
  await source.send(new PutBucketReplicationCommand({ Bucket: 'ruled', ReplicationConfiguration }))
  const Transitions = [{ Date: new Date('2020-01-01T00:00:00Z'), StorageClass: 'STANDARD_IA' as const }]
  const Rules = [{ ID: 'all', Status: 'Enabled' as const, Filter: { Prefix: '' }, Transitions }]
  await source.send(
    new PutBucketLifecycleConfigurationCommand({ Bucket: 'classed', LifecycleConfiguration: { Rules } }),
  )
}

async function fill(Bucket: string, round: number, count: number, Body: Uint8Array): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < count) {
      const Key = `${round}/${Body.length}/${next++}`
      await source.send(new PutObjectCommand({ Bucket, Key, Body }))
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, lane))
}

/** Processor time is looked at all the time: that of a process which ends goes with it. */
async function costOf(work: () => Promise<void>) {
  const before = [here.cpuMs(), there.cpuMs()] as const
  const most = { hereMs: 0, thereMs: 0 }
  const look = () => {
    most.hereMs = Math.max(most.hereMs, here.cpuMs() - before[0])
    most.thereMs = Math.max(most.thereMs, there.cpuMs() - before[1])
  }
  const timer = setInterval(look, 100)
  const startedAt = performance.now()
  await work()
  const elapsedMs = performance.now() - startedAt
  look()
  clearInterval(timer)
  return { ...most, elapsedMs }
}

async function replicatedCount(): Promise<number> {
  const page = await (await fetch(`http://${health}/metrics`)).text()
  const [, done = '0'] = /^coffer_replication_total\{[^}]*outcome="done"[^}]*\} (\d+)/m.exec(page) ?? []
  return Number(done)
}

/** How long the job took, milliseconds. */
async function moveAll(): Promise<number> {
  await coffer('lifecycle', 'run')
  for (;;) {
    const [newest] = (await coffer('job', 'list', '--limit', '1')) as readonly Job[]
    if (newest?.kind === 'transition' && newest.endedAt !== undefined) {
      return (newest.result as unknown as JobProgress).runMs
    }
  }
}

async function coffer(...words: readonly string[]): Promise<unknown> {
  const args = [COFFER, ...words, '--json', '--data-dir', join(here.dataDir, 'data'), '--blobs-file', blobsPath]
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(LOOK_MS)
}
