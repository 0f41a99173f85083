/** What each stage of a small put and get costs at best, one by one on one core. `node test/bench/stages.ts` */
import { createHash, createHmac, hash } from 'node:crypto'
import {
  encodeFields,
  generateObjectKey,
  MetadataKey,
  openObjectKey,
  openWhole,
  Secret,
  sealObjectKey,
  sealWhole,
} from '@coffer/crypto-core'
import {
  canonicalRequest,
  deriveSigningKey,
  parseAuthentication,
  parseRequest,
  verifySignature,
} from '@coffer/s3-protocol'

const BATCHES = 100
const BATCH_ROUNDS = 200
const WARM_UP_ROUNDS = 5_000
const SIZE_BYTES = 4096

function measure(name: string, stage: () => unknown): void {
  for (let round = 0; round < WARM_UP_ROUNDS; round++) stage()
  const microseconds = Math.min(...Array.from({ length: BATCHES }, () => measureBatch(stage)))
  console.log(`| ${name} | ${microseconds.toFixed(1)} µs |`)
}

/** Microseconds of one call. The least of many batches: what else the machine does makes the others longer. */
function measureBatch(stage: () => unknown): number {
  const startedAt = process.hrtime.bigint()
  for (let round = 0; round < BATCH_ROUNDS; round++) stage()
  return Number(process.hrtime.bigint() - startedAt) / BATCH_ROUNDS / 1000
}

const body = Buffer.alloc(SIZE_BYTES, 1)
const context = {
  bucketId: '0'.repeat(32),
  key: 'bench/object-000001',
  versionId: '1'.repeat(32),
  algorithm: 'AES-256-GCM' as const,
}
const additionalData = encodeFields(
  'version',
  context.bucketId,
  context.key,
  context.versionId,
  true,
  false,
  1,
  SIZE_BYTES,
)
const bucketKey = Secret.random(32)
const objectKey = generateObjectKey('AES-256-GCM')
const metadataKey = new MetadataKey(Secret.random(32))
const attributes = Buffer.alloc(320, 0x61)
const sealedKey = sealObjectKey(objectKey, bucketKey, context)
const sealedBody = sealWhole(objectKey, body, { algorithm: 'AES-256-GCM', partNumber: 0 })
const sealedRecord = metadataKey.sealRecord(attributes, additionalData)

const signingKey = deriveSigningKey(Buffer.from('secret'), '20261123', 'us-east-1', 's3')
const raw = signedRequest()
const parsed = () => parseRequest(raw, { virtualHosts: ['localhost'] })
const atMs = Date.UTC(2026, 10, 23, 12)

console.log('| stage | one call |\n| --- | --- |')
measure('parse the request', parsed)
const request = parsed()
measure('parse and verify its signature (SigV4)', () => {
  const authentication = parseAuthentication(request)
  if (authentication.kind !== 'anonymous') verifySignature(request, authentication, signingKey, atMs)
})
measure('MD5 of 4 KiB', () => hash('md5', body, 'buffer'))
measure('SHA-256 of 4 KiB (signed payloads)', () => createHash('sha256').update(body).digest())
measure('seal the object key', () => sealObjectKey(objectKey, bucketKey, context))
measure('seal the body', () => sealWhole(objectKey, body, { algorithm: 'AES-256-GCM', partNumber: 0 }))
measure('seal the attributes', () => metadataKey.sealRecord(attributes, additionalData))
measure('seal the listing entry', () => metadataKey.sealSummary(body.subarray(0, 16), additionalData))
measure('open the attributes', () => metadataKey.openRecord(sealedRecord, additionalData))
measure('open the object key', () => openObjectKey(sealedKey, bucketKey, context))
measure('open the body', () => openWhole(objectKey, sealedBody, { partNumber: 0 }))

/** A put as the load generator sends it. */
function signedRequest() {
  const headers: Record<string, string> = {
    host: '127.0.0.1:9000',
    'x-amz-date': '20261123T120000Z',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'content-length': String(SIZE_BYTES),
  }
  const unsigned = { method: 'PUT', url: '/bench/object-000001', headers, secure: false }
  const signedHeaders = ['host', 'x-amz-content-sha256', 'x-amz-date']
  const canonical = canonicalRequest(parseRequest(unsigned, { virtualHosts: [] }), signedHeaders, 'UNSIGNED-PAYLOAD', {
    presigned: false,
  })
  const scope = '20261123/us-east-1/s3/aws4_request'
  const toSign = `AWS4-HMAC-SHA256\n20261123T120000Z\n${scope}\n${hash('sha256', canonical)}`
  const signature = createHmac('sha256', signingKey).update(toSign).digest('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=bench/${scope}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`
  return { ...unsigned, headers: { ...headers, authorization } }
}
