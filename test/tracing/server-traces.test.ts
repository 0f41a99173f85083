import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'
import { OtlpCollector, type ReceivedSpan } from './otlp-collector.ts'

const LARGE_BYTES = 300_000
const CLIENT_TRACE = '0af7651916cd43dd8448eb211c80319c'
const CLIENT_SPAN = 'b7ad6b7169203331'
const SAMPLED = `00-${CLIENT_TRACE}-${CLIENT_SPAN}-01`

describeWithPrograms('the traces of a server', ['openssl'], ({ openssl }) => {
  const directory = temporaryDirectory('traces')
  const authority = new CertificateAuthority(openssl)
  const token = `Bearer ${randomBytes(24).toString('hex')}`
  const headersFile = join(directory, 'headers')
  const collector = new OtlpCollector(authority.issue('collector', 'serverAuth'))
  let server: CofferServer
  let s3: ReturnType<typeof s3Client>
  let bucket: string

  beforeAll(async () => {
    await collector.start()
    writeFileSync(headersFile, `# what the collector asks for\nauthorization: ${token}\n`, { mode: 0o600 })
    server = await startServer({
      workers: 2,
      env: {
        COFFER_TRACES_ENDPOINT: collector.endpoint,
        COFFER_TRACES_SAMPLE_RATIO: '1',
        COFFER_TRACES_CA_FILE: authority.caFile,
        COFFER_TRACES_HEADERS_FILE: headersFile,
        COFFER_LOG_LEVEL: 'trace',
        COFFER_LOG_FORMAT: 'json',
      },
    })
    s3 = s3Client(server)
    bucket = await newBucket(s3)
  })

  afterAll(async () => {
    s3?.destroy()
    await server?.dispose()
    await collector.stop()
  })

  it('show a put and a get from the request to the commit and the key, and whose they are', async () => {
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'private-name', Body: 'x'.repeat(1000) }))
    const root = await collector.ofRequest(put.$metadata.requestId)
    expect(root).toMatchObject({ service: 'coffer', name: 'S3/PutObject', kind: 'server', parentId: '', links: [] })
    expect(root.attributes).toEqual({
      'aws.request_id': put.$metadata.requestId,
      'aws.s3.bucket': bucket,
      'http.request.method': 'PUT',
      'http.response.status_code': 200,
      'network.protocol.version': '1.1',
      'rpc.method': 'S3/PutObject',
      'rpc.system.name': 'aws-api',
      'url.scheme': 'https',
    })
    const commit = await collector.inTrace(root, 'commit commitVersion')
    expect(commit.attributes).toEqual({ 'db.operation.name': 'commitVersion', 'db.system.name': 'lmdb' })
    const call = await collector.inTrace(root, 'metadata/commitVersion')
    expect(call.kind).toBe('internal')
    expect(commit.parentId).toBe(call.spanId)
    expect(call.parentId).toBe(root.spanId)
    const key = await collector.inTrace(root, 'crypto/issueObjectKey')
    expect(key.parentId).toBe(root.spanId)
    expect(Number(root.endedAt)).toBeGreaterThanOrEqual(Number(commit.endedAt))
    const get = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'private-name' }))
    await bytesOf(get)
    const read = await collector.ofRequest(get.$metadata.requestId)
    expect(read.name).toBe('S3/GetObject')
    expect(read.traceId).not.toBe(root.traceId)
    expect((await collector.inTrace(read, 'metadata/findVersion')).parentId).toBe(read.spanId)
    expect(collector.headers.every(({ authorization }) => authorization === token)).toBe(true)
    expect(collector.headers[0]?.['content-type']).toBe('application/x-protobuf')
  })

  it('show a KMS at work where a key is not known yet, below the call that needed it', async () => {
    const other = await newBucket(s3)
    const put = await s3.send(new PutObjectCommand({ Bucket: other, Key: 'k', Body: 'x' }))
    const root = await collector.ofRequest(put.$metadata.requestId)
    const kms = await collector.inTrace(root, 'kms generateDataKey')
    expect(kms.attributes).toEqual({ 'coffer.kms.connector': 'local', 'rpc.method': 'generateDataKey' })
    const issue = await collector.inTrace(root, 'crypto/issueObjectKey')
    const call = await collector.inTrace(root, 'kms/generateDataKey')
    expect(kms.parentId).toBe(call.spanId)
    expect(collector.descends(call, issue)).toBe(true)
  })

  it('show blobs that are written and read', async () => {
    const Body = Buffer.alloc(LARGE_BYTES, 'x')
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'large', Body }))
    const write = await collector.inTrace(await collector.ofRequest(put.$metadata.requestId), 'blob write')
    expect(write.attributes['coffer.blob.size_bytes']).toBeGreaterThan(LARGE_BYTES)
    const get = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'large' }))
    expect(await bytesOf(get)).toHaveLength(LARGE_BYTES)
    const root = await collector.ofRequest(get.$metadata.requestId)
    const read = await collector.inTrace(root, 'blob read')
    expect(read.parentId).toBe(root.spanId)
    expect(read.attributes['coffer.blob.size_bytes']).toBeGreaterThan(LARGE_BYTES)
  })

  it('say how a request was refused, in the words of the error catalogue, and what the server failed at', async () => {
    const missing = await sendSigned(server, { method: 'GET', path: `/${bucket}/missing-private-name` })
    const span = await collector.ofRequest(String(missing.headers['x-amz-request-id']))
    expect(span).toMatchObject({ hasFailed: false, statusText: '', eventCount: 0 })
    expect(span.attributes).toMatchObject({ 'error.type': 'NoSuchKey', 'http.response.status_code': 404 })
    const strange = await send(server, { method: 'FOOBAR', path: '/' })
    expect(strange.status).toBeGreaterThanOrEqual(400)
    expect(collector.spans.some(({ attributes }) => attributes['http.request.method'] === 'FOOBAR')).toBe(false)
  })

  it('point to the trace of a client and are not part of it, whatever it wants', async () => {
    const headers = { traceparent: SAMPLED }
    const linked = await sendSigned(server, { method: 'GET', path: '/', headers }, { unsignedHeaders: ['traceparent'] })
    const span = await collector.ofRequest(String(linked.headers['x-amz-request-id']))
    expect(span.traceId).not.toBe(CLIENT_TRACE)
    expect(span).toMatchObject({ parentId: '', links: [{ traceId: CLIENT_TRACE, spanId: CLIENT_SPAN }] })
    for (const traceparent of ['00-nonsense', `ff${SAMPLED.slice(2)}`, `00-${'0'.repeat(32)}-${CLIENT_SPAN}-01`]) {
      const answer = await send(server, { method: 'GET', path: '/', headers: { traceparent } })
      const begun = await collector.ofRequest(String(answer.headers['x-amz-request-id']))
      expect(begun).toMatchObject({ parentId: '', links: [] })
    }
  })

  it('are found from the log: a line of a traced request says to which trace it belongs', async () => {
    const lines = () =>
      server
        .logs()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
    const CreateKey = { method: 'POST', path: '/', headers: { 'x-amz-target': 'TrentService.CreateKey' }, body: '{}' }
    const made = await sendSigned(server, CreateKey, { service: 'kms' })
    expect(made.status).toBe(200)
    const requestId = String(made.headers['x-amzn-requestid'])
    const span = await collector.ofRequest(requestId)
    expect(span.name).toBe('KMS/CreateKey')
    await expect
      .poll(() => lines().find((line) => line.requestId === requestId), { timeout: 60_000 })
      .toMatchObject({ trace_id: span.traceId, span_id: span.spanId, audit: 'kms-api' })
  })

  it('show each object that a job changes as a trace of its own', async () => {
    const ofJobs = await newBucket(s3)
    for (const Key of ['a', 'b']) await s3.send(new PutObjectCommand({ Bucket: ofJobs, Key, Body: 'x' }))
    await cofferJson<{ id: string }>(server, ['job', 'start', 'reencrypt', '--bucket', ofJobs])
    const isUnit = (span: ReceivedSpan) => span.name === 'job reencrypt'
    const first = await collector.spanWhere(isUnit)
    const second = await collector.spanWhere((span) => isUnit(span) && span.traceId !== first.traceId)
    for (const unit of [first, second]) {
      expect(unit).toMatchObject({ parentId: '', attributes: { 'coffer.job.kind': 'reencrypt' } })
      expect(collector.descends(await collector.inTrace(unit, 'commit replaceBody'), unit)).toBe(true)
    }
  }, 90_000)
})
