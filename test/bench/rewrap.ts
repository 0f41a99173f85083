/**
 * How long a rotation takes to be in force, and how fast the objects under it are rewrapped, with and without bucket keys.
 * `node test/bench/rewrap.ts [objects for each]`
 */
import { execFileSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { CreateBucketCommand, PutBucketEncryptionCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { RewrapReport } from '@coffer/contracts'
import { startCoffer } from './bench-server.ts'

const COFFER = resolve(import.meta.dirname, '../../services/coffer/bin/coffer.js')
const objectCount = Number(process.argv[2] ?? 20_000)
const CONNECTIONS = 32

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
    const report = command<RewrapReport>('key', 'rewrap', key)
    const count = bucketKey ? report.objectCount : report.directObjectCount
    const ms = report.endedAt - report.startedAt
    console.log(
      `bucket key ${bucketKey ? 'on' : 'off'}: rotated in ${rotatedMs.toFixed(0)} ms with the command's start; ${count} objects rewrapped in ${ms} ms, ` +
        `${((count / ms) * 1000).toFixed(0)}/s; failures: ${report.failures.length}`,
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
