/**
 * What a bucket policy and CORS rules cost a 4 KiB get: the same server without and with them, in turns, by the processor time of
 * its processes. `node test/bench/access-rules.ts [seconds for each]`
 */
import { PutBucketCorsCommand, PutBucketPolicyCommand, S3Client } from '@aws-sdk/client-s3'
import { runLoad } from '@coffer/service-coffer/bench'
import { type BenchServer, benchKeys, makeBenchBucket, startCoffer } from './bench-server.ts'

const SIZE_BYTES = 4096
const durationMs = Number(process.argv[2] ?? 10) * 1000
const NAMES = ['nothing', 'a policy and CORS rules', 'ACLs that count'] as const

const servers: BenchServer[] = []
try {
  for (const name of NAMES) {
    const server = await startCoffer({
      COFFER_WORKERS: '1',
      ...(name === 'ACLs that count' && { COFFER_OBJECT_OWNERSHIP: 'ObjectWriter' }),
    })
    servers.push(server)
    await makeBenchBucket(server)
    if (name === 'a policy and CORS rules') await setRules(server)
  }
  await load(1500)
  const before = servers.map((server) => server.cpuMs())
  const counts = await load(durationMs)
  const costs = servers.map((server, index) => (server.cpuMs() - (before[index] ?? 0)) / (counts[index] ?? 1))
  const [plain = 0] = costs
  for (const [index, cost] of costs.entries()) {
    const more = ((cost / plain - 1) * 100).toFixed(1)
    console.log(`get, ${NAMES[index]}: ${(cost * 1000).toFixed(1)} µs of processor time each (${more} %)`)
  }
} finally {
  for (const server of servers) await server.stop()
}

/** Five statements, of which most are about every get, and three rules for origins. */
async function setRules({ endpoint }: BenchServer): Promise<void> {
  const s3 = new S3Client({
    endpoint: endpoint.url,
    region: endpoint.region,
    forcePathStyle: true,
    credentials: benchKeys,
  })
  const deny = (Action: string, Condition: object) => ({
    Effect: 'Deny',
    Principal: '*',
    Action,
    Resource: ['arn:aws:s3:::bench', 'arn:aws:s3:::bench/*'],
    Condition,
  })
  const Statement = [
    deny('s3:*', { NotIpAddress: { 'aws:SourceIp': ['127.0.0.0/8', '10.0.0.0/8'] } }),
    deny('s3:*', { StringNotEquals: { 's3:signatureversion': 'AWS4-HMAC-SHA256' } }),
    deny('s3:PutObject', { StringEquals: { 's3:x-amz-server-side-encryption': 'aws:fax' } }),
    deny('s3:Get*', { DateGreaterThan: { 'aws:CurrentTime': '2099-01-01T00:00:00Z' } }),
    { Effect: 'Allow', Principal: { AWS: '111122223333' }, Action: 's3:GetObject', Resource: 'arn:aws:s3:::bench/*' },
  ]
  await s3.send(
    new PutBucketPolicyCommand({ Bucket: 'bench', Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }),
  )
  const CORSRules = ['https://a.example', 'https://*.b.example', 'https://c.example'].map((origin) => ({
    AllowedMethods: ['GET', 'PUT'],
    AllowedOrigins: [origin],
    AllowedHeaders: ['*'],
  }))
  await s3.send(new PutBucketCorsCommand({ Bucket: 'bench', CORSConfiguration: { CORSRules } }))
  s3.destroy()
}

/** How many operations each server has done. */
async function load(forMs: number): Promise<readonly number[]> {
  const { results } = await runLoad({
    endpoints: servers.map(({ endpoint }) => endpoint),
    operations: ['get'],
    sizesBytes: [SIZE_BYTES],
    bucket: 'bench',
    objectCount: 200,
    connections: 16,
    durationMs: forMs,
    sliceMs: 500,
    sse: 'none',
  })
  return servers.map(({ endpoint }) => results.find((result) => result.endpoint === endpoint.url)?.operationCount ?? 1)
}
