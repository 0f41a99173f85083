/**
 * How long a rotation takes, how fast the objects under it are rewrapped, with and without bucket keys, and what gets feel of it.
 * `node test/bench/rewrap.ts [objects for each]`
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, PutBucketEncryptionCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { RewrapReport } from '@coffer/contracts'
import { runLoad } from '@coffer/service-coffer/bench'
import { startCoffer } from './bench-server.ts'

const COFFER = resolve(import.meta.dirname, '../../services/coffer/bin/coffer.js')
const objectCount = Number(process.argv[2] ?? 20_000)
const CONNECTIONS = 32
/** Gets before and during a rewrap; it takes about as long for 20,000 objects. */
const LOAD_MS = 4000
const LOAD_CONNECTIONS = 4
const LOAD_WARM_UP_MS = 500

const coffer = await startCoffer()
const command = <Answer>(...words: string[]): Answer =>
  JSON.parse(
    execFileSync(process.execPath, [COFFER, ...words, '--json', '--data-dir', join(coffer.dataDir, 'data')], {
      encoding: 'utf8',
    }),
  )
const client = new S3Client({
  endpoint: coffer.endpoint.url,
  region: 'us-east-1',
  forcePathStyle: true,
  credentials: { accessKeyId: 'bench', secretAccessKey: 'bench-secret' },
})
try {
  for (const bucketKey of [true, false]) {
    const key = `bench-${bucketKey}`
    command('key', 'create', key)
    await client.send(new CreateBucketCommand({ Bucket: key }))
    const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: key } as const
    const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: bucketKey }]
    await client.send(new PutBucketEncryptionCommand({ Bucket: key, ServerSideEncryptionConfiguration: { Rules } }))
    await putAll(key)
    const rotatedAt = performance.now()
    command('key', 'rotate', key)
    const rotatedMs = performance.now() - rotatedAt
    const quiet = await loadOf(key)
    const loading = loadOf(key)
    await sleep(LOAD_WARM_UP_MS)
    const report = await rewrapBeside(key)
    const busy = await loading
    const count = bucketKey ? report.objectCount : report.directObjectCount
    const ms = report.endedAt - report.startedAt
    console.log(
      `bucket key ${bucketKey ? 'on' : 'off'}: rotated in ${rotatedMs.toFixed(0)} ms with the command's start; ${count} objects rewrapped in ${ms} ms, ` +
        `${((count / ms) * 1000).toFixed(0)}/s; failures: ${report.failures.length}; ` +
        `get p99 ${quiet?.p99Ms} ms alone, ${busy?.p99Ms} ms beside it`,
    )
  }
} finally {
  client.destroy()
  await coffer.stop()
}

async function putAll(bucket: string): Promise<void> {
  let next = 0
  const put = async () => {
    while (next < objectCount) {
      const Key = `object-${next++}`
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Buffer.alloc(4096, 1) }))
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, put))
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

/** Not `command`, which would stop the load. */
async function rewrapBeside(key: string): Promise<RewrapReport> {
  const words = ['key', 'rewrap', key, '--json', '--data-dir', join(coffer.dataDir, 'data')]
  const child = spawn(process.execPath, [COFFER, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
  const output: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => output.push(piece))
  await once(child, 'close')
  return JSON.parse(Buffer.concat(output).toString()) as RewrapReport
}
