/**
 * What a bucket policy and CORS rules cost a 4 KiB get: buckets of one server without and with them, in turns, by the
 * processor time of its one worker for the gets alone. `node test/bench/access-rules.ts [turns for each] [objects] [seconds of a turn]`
 */
import {
  CreateBucketCommand,
  PutBucketCorsCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { runLoad } from '@coffer/service-coffer/bench'
import { benchKeys, startCoffer, WARM_UP_MS } from './bench-server.ts'

const SIZE_BYTES = 4096
const turns = Number(process.argv[2] ?? 15)
/** Each turn puts them first and deletes them at its end. */
const objectCount = Number(process.argv[3] ?? 10)
const turnMs = Number(process.argv[4] ?? 1) * 1000
const BUCKETS = ['nothing', 'nothing-again', 'policy-and-cors', 'acls-that-count'] as const

const server = await startCoffer({ COFFER_WORKERS: '1' })
const { endpoint } = server
const s3 = new S3Client({
  endpoint: endpoint.url,
  region: endpoint.region,
  forcePathStyle: true,
  credentials: benchKeys,
})
try {
  for (const bucket of BUCKETS) await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  await setRules('policy-and-cors')
  const OwnershipControls = { Rules: [{ ObjectOwnership: 'ObjectWriter' as const }] }
  await s3.send(new PutBucketOwnershipControlsCommand({ Bucket: 'acls-that-count', OwnershipControls }))
  // Not counted: the server is warm after it.
  for (const bucket of BUCKETS) await turn(bucket, WARM_UP_MS / BUCKETS.length)
  const spent = new Map<string, { cpuMs: number; gets: number }>(
    BUCKETS.map((bucket) => [bucket, { cpuMs: 0, gets: 0 }]),
  )
  for (let round = 0; round < turns; round++) {
    // There and back: who comes after whom makes a difference.
    for (const bucket of round % 2 === 0 ? BUCKETS : BUCKETS.toReversed()) {
      const { cpuMs, gets } = await turn(bucket)
      const sum = spent.get(bucket)
      if (sum) spent.set(bucket, { cpuMs: sum.cpuMs + cpuMs, gets: sum.gets + gets })
    }
  }
  const costOf = (bucket: string) => {
    const { cpuMs = 0, gets = 1 } = spent.get(bucket) ?? {}
    return (cpuMs / gets) * 1000
  }
  for (const bucket of BUCKETS) {
    const more = ((costOf(bucket) / costOf('nothing') - 1) * 100).toFixed(1)
    console.log(`get, ${bucket}: ${costOf(bucket).toFixed(1)} µs of processor time each (${more} %)`)
  }
} finally {
  s3.destroy()
  await server.stop()
}

async function turn(bucket: string, durationMs = turnMs): Promise<{ cpuMs: number; gets: number }> {
  const { results } = await runLoad({
    endpoints: [endpoint],
    operations: ['get'],
    sizesBytes: [SIZE_BYTES],
    bucket,
    objectCount,
    connections: 16,
    durationMs,
    sliceMs: durationMs,
    sse: 'none',
    counterOf: () => server.cpuMs(),
  })
  const [result] = results
  if (result === undefined || result.errorCount > 0) throw new Error('a get failed')
  return { cpuMs: result.counted ?? 0, gets: result.operationCount }
}

/** Five statements, of which most are about every get, and three rules for origins. */
async function setRules(bucket: string): Promise<void> {
  const deny = (Action: string, Condition: object) => ({
    Effect: 'Deny',
    Principal: '*',
    Action,
    Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
    Condition,
  })
  const Statement = [
    deny('s3:*', { NotIpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '10.0.0.0/8'] } }),
    deny('s3:*', { StringNotEquals: { 's3:signatureversion': 'AWS4-HMAC-SHA256' } }),
    deny('s3:PutObject', { StringEquals: { 's3:x-amz-server-side-encryption': 'aws:fax' } }),
    deny('s3:Get*', { DateGreaterThan: { 'aws:CurrentTime': '2099-01-01T00:00:00Z' } }),
    {
      Effect: 'Allow',
      Principal: { Federated: 'ldap.coffer' },
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${bucket}/*`,
    },
  ]
  await s3.send(
    new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }),
  )
  const CORSRules = ['https://a.example', 'https://*.b.example', 'https://c.example'].map((origin) => ({
    AllowedMethods: ['GET', 'PUT'],
    AllowedOrigins: [origin],
    AllowedHeaders: ['*'],
  }))
  await s3.send(new PutBucketCorsCommand({ Bucket: bucket, CORSConfiguration: { CORSRules } }))
}
