import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { GetObjectCommand, PutBucketNotificationConfigurationCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Client } from 'minio'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { WebhookReceiver } from '../events/webhook-receiver.ts'
import { coffer, cofferJson } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'
import { callKms } from '../kms-api/kms-client.ts'
import { firstScrape, scrape } from '../monitoring/scrape.ts'
import { OtlpCollector, type ReceivedSpan } from './otlp-collector.ts'
import { RefusingServer } from './refusing-server.ts'

const PATIENCE = { timeout: 60_000 }
const ARN = 'arn:aws:sqs:us-east-1:000000000000'
const PROMETHEUS_ACCEPTS = 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1'
/** A sample, with or without an exemplar; what a family is; the end. Source: OpenMetrics 1.0, "ABNF". */
const OPEN_METRICS_LINE =
  /^([a-zA-Z_:][\w:]*(\{[^{}]*\})? \S+( # \{[^{}]*\} \S+ \d+(\.\d+)?)?|# (HELP|TYPE) \S+ .+|# EOF)$/
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
  const hookSecret = randomBytes(24).toString('hex')
  const receiver = new WebhookReceiver(hookSecret)
  const vaultToken = `token-${randomBytes(16).toString('hex')}`
  const keyServer = new RefusingServer()
  let server: CofferServer
  let healthAddress = ''
  let s3: ReturnType<typeof s3Client>
  let bucket: string

  beforeAll(async () => {
    await Promise.all([collector.start(), receiver.start()])
    const kmsFile = join(directory, 'kms.json')
    const tokenFile = join(directory, 'vault-token')
    writeFileSync(tokenFile, vaultToken, { mode: 0o600 })
    const vault = { type: 'vault', address: await keyServer.start(), auth: { method: 'token', tokenFile } }
    writeFileSync(kmsFile, JSON.stringify({ connectors: { vault } }))
    healthAddress = `127.0.0.1:${await freePort()}`
    const secretFile = join(directory, 'hook-secret')
    writeFileSync(secretFile, hookSecret, { mode: 0o600 })
    const eventsFile = join(directory, 'events.json')
    const hook = { type: 'webhook', url: receiver.url, secretFile }
    writeFileSync(eventsFile, JSON.stringify({ targets: { hook } }))
    writeFileSync(headersFile, `# what the collector asks for\nauthorization: ${token}\n`, { mode: 0o600 })
    server = await startServer({
      workers: 2,
      env: {
        COFFER_TRACES_ENDPOINT: collector.endpoint,
        COFFER_TRACES_SAMPLE_RATIO: '1',
        COFFER_TRACES_CA_FILE: authority.caFile,
        COFFER_TRACES_HEADERS_FILE: headersFile,
        COFFER_EVENTS_FILE: eventsFile,
        COFFER_KMS_FILE: kmsFile,
        COFFER_HEALTH_ADDRESS: healthAddress,
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
    await Promise.all([collector.stop(), receiver.stop(), keyServer.stop()])
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

  it('tell a key server of the trace, and show what became of the call', async () => {
    const key = `vault/${randomBytes(6).toString('hex')}`
    const answer = await callKms(server, 'DescribeKey', { KeyId: key })
    expect(answer.status).toBeGreaterThanOrEqual(400)
    const root = await collector.ofRequest(String(answer.headers['x-amz-request-id']))
    const asked = await collector.inTrace(root, 'kms describeKey', 'client')
    expect(asked).toMatchObject({ hasFailed: true, statusText: '' })
    expect(asked.attributes['coffer.kms.connector']).toBe('vault')
    expect(keyServer.traceparents).toContain(`00-${root.traceId}-${asked.spanId}-01`)
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
    const strange = await send(server, { method: 'PROPFIND', path: '/private-name?secret=private-name' })
    const other = await collector.ofRequest(String(strange.headers['x-amz-request-id']))
    expect(other.attributes['http.request.method']).toBe('_OTHER')
    expect(JSON.stringify([span, other])).not.toContain('private-name')
  })

  it('point to the trace of a client and are not part of it, whatever it wants', async () => {
    const headers = { traceparent: SAMPLED }
    const refused = ['00-nonsense', `ff${SAMPLED.slice(2)}`, `00-${'0'.repeat(32)}-${CLIENT_SPAN}-01`].map(
      (traceparent) => send(server, { method: 'GET', path: '/', headers: { traceparent } }),
    )
    const linked = await sendSigned(server, { method: 'GET', path: '/', headers }, { unsignedHeaders: ['traceparent'] })
    const span = await collector.ofRequest(String(linked.headers['x-amz-request-id']))
    expect(span.traceId).not.toBe(CLIENT_TRACE)
    expect(span).toMatchObject({ parentId: '', links: [{ traceId: CLIENT_TRACE, spanId: CLIENT_SPAN }] })
    for (const answer of await Promise.all(refused)) {
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

  it('are found from a latency: OpenMetrics has the trace of the last request of each bucket', async () => {
    await firstScrape(healthAddress)
    const get = () => s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'private-name' })).then(bytesOf)
    await Promise.all(Array.from({ length: 20 }, get))
    const page = async (accept: string) => await fetch(`http://${healthAddress}/metrics`, { headers: { accept } })
    const exemplars = async () => {
      const text = await (await page(PROMETHEUS_ACCEPTS)).text()
      expect(text.split('\n').filter((line) => !OPEN_METRICS_LINE.test(line))).toEqual([''])
      const lines = text.matchAll(
        /^coffer_request_seconds_bucket\{.*operation="GetObject".*# \{trace_id="(\w{32})"\}/gm,
      )
      return [...lines].map(([, traceId]) => traceId)
    }
    await expect.poll(exemplars, PATIENCE).not.toEqual([])
    expect((await page(PROMETHEUS_ACCEPTS)).headers.get('content-type')).toContain('application/openmetrics-text')
    for (const traceId of await exemplars()) {
      await collector.spanWhere((span) => span.traceId === traceId && span.name === 'S3/GetObject')
    }
    const plain = await page('text/plain')
    expect(plain.headers.get('content-type')).toContain('text/plain')
    expect(await plain.text()).not.toContain('trace_id')
    const exported = async () =>
      (await scrape(healthAddress)).value('coffer_trace_spans_total', { outcome: 'exported' })
    await expect.poll(exported, PATIENCE).toBeGreaterThan(0)
  })

  it('are tried by the doctor, with the token and the authority that the collector needs', async () => {
    const examined = async (settings: NodeJS.ProcessEnv) => {
      const { stdout } = await coffer(['doctor', '--json'], { ...server.env, ...settings })
      const findings = JSON.parse(stdout) as readonly { readonly code: string; readonly text: string }[]
      return findings.filter(({ code }) => code.startsWith('traces'))
    }
    writeFileSync(join(directory, 'no-headers'), 'no header')
    const [right, untrusting, withoutHeaders] = await Promise.all([
      examined({}),
      examined({ COFFER_TRACES_CA_FILE: server.caFile }),
      examined({ COFFER_TRACES_HEADERS_FILE: join(directory, 'no-headers') }),
    ])
    expect(right).toMatchObject([{ code: 'traces', level: 'ok' }])
    expect(untrusting).toMatchObject([{ code: 'traces-unreachable', level: 'problem' }])
    expect(withoutHeaders).toMatchObject([{ text: expect.stringContaining('TRACING_SETTINGS_INVALID') }])
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
  })

  it('tell who is told of an event which delivery it belongs to', async () => {
    const told = await newBucket(s3)
    const QueueConfigurations = [{ QueueArn: `${ARN}:hook`, Events: ['s3:ObjectCreated:*' as const] }]
    const NotificationConfiguration = { QueueConfigurations }
    await s3.send(new PutBucketNotificationConfigurationCommand({ Bucket: told, NotificationConfiguration }))
    const put = await s3.send(new PutObjectCommand({ Bucket: told, Key: 'k', Body: 'x' }))
    await expect.poll(() => receiver.received.some(({ body }) => body.includes('ObjectCreated')), PATIENCE).toBe(true)
    const hook = receiver.received.find(({ body }) => body.includes('ObjectCreated'))
    const [, traceId, spanId] = /^00-(\w{32})-(\w{16})-01$/.exec(hook?.traceparent ?? '') ?? []
    const span = await collector.spanWhere((one) => one.spanId === spanId)
    expect(span).toMatchObject({ traceId, parentId: '', name: 'deliver events', kind: 'producer', service: 'coffer' })
    expect(span.attributes).toMatchObject({ 'messaging.destination.name': 'hook' })
    const cause = await collector.ofRequest(put.$metadata.requestId)
    expect(span.links).toEqual([{ traceId: cause.traceId, spanId: cause.spanId }])
    expect(hook?.body).not.toContain(cause.traceId)
    expect((await collector.inTrace(span, 'commit moveEvents')).attributes['db.system.name']).toBe('lmdb')
  })

  it('of a live tail end with its beginning: what it asks for in the hours after is no part of them', async () => {
    const watched = await newBucket(s3)
    const [accessKey, secretKey] = [server.accessKeyId, server.secretAccessKey]
    const request = (options: object, callback: never) => get({ ...options, ca: readFileSync(server.caFile) }, callback)
    const at = { endPoint: '127.0.0.1', port: server.port, region: 'us-east-1', transport: { request } as never }
    const poller = new Client({ ...at, accessKey, secretKey }).listenBucketNotification(watched, '', '', [
      's3:ObjectCreated:*',
    ])
    let heardCount = 0
    poller.on('notification', () => {
      heardCount += 1
    })
    const put = async () => {
      await s3.send(new PutObjectCommand({ Bucket: watched, Key: 'k', Body: 'x' }))
      return heardCount
    }
    await expect.poll(put, { ...PATIENCE, interval: 300 }).toBeGreaterThan(0)
    poller.stop()
    const root = await collector.spanWhere(({ name }) => name === 'S3/ListenBucketNotification')
    expect((await collector.inTrace(root, 'commit updateBucket')).traceId).toBe(root.traceId)
    expect(collector.ofTrace(root).filter(({ name }) => name === 'metadata/listEvents')).toEqual([])
  })

  it('hold no secret, no name of an object, no query and no metadata that a request used', async () => {
    const secrets: string[] = [server.secretAccessKey, token.slice('Bearer '.length), hookSecret, vaultToken]
    const customerKey = randomBytes(32)
    secrets.push(customerKey.toString('base64'), customerKey.toString('hex'), customerKey.toString('latin1'))
    const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey.toString('base64') }
    const name = `name-${randomBytes(12).toString('hex')}`
    const [tag, note, type, agent] = ['tag', 'note', 'type', 'agent'].map(
      (what) => `${what}-${randomBytes(9).toString('hex')}`,
    )
    secrets.push(name, ...[tag, note, type, agent].map(String))
    const object = { Bucket: bucket, Key: name }
    const described = { Metadata: { note: String(note) }, Tagging: `t=${tag}`, ContentType: `text/${type}` }
    const put = await s3.send(new PutObjectCommand({ ...object, ...described, Body: `body ${note}`, ...sse }))
    const get = await s3.send(new GetObjectCommand({ ...object, ...sse }))
    await bytesOf(get)
    const url = new URL(await getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: `${name}-presigned` })))
    secrets.push(...['X-Amz-Signature', 'X-Amz-Credential'].map((part) => url.searchParams.get(part) ?? ''))
    const query = { ...Object.fromEntries(url.searchParams), [`q-${note}`]: String(note) }
    const withAgent = { 'user-agent': String(agent) }
    const answers = [await send(server, { method: 'GET', path: url.pathname, query, headers: withAgent })]
    const session = `token-${randomBytes(16).toString('hex')}`
    secrets.push(session)
    const tamper = (headers: Record<string, string>) => {
      secrets.push(/Signature=([0-9a-f]+)/.exec(headers.authorization ?? '')?.[1] ?? '')
    }
    const headers = { 'x-amz-security-token': session, tracestate: `vendor=${note}`, baggage: `b=${note}` }
    answers.push(
      await sendSigned(server, { method: 'PUT', path: `/${bucket}/${name}`, body: 'x', headers }, { tamper }),
    )
    const wrong = { ...server, secretAccessKey: `wrong-${randomBytes(12).toString('hex')}` }
    secrets.push(wrong.secretAccessKey)
    answers.push(await sendSigned(wrong, { method: 'DELETE', path: `/${bucket}/${name}` }, { tamper }))
    const absent = `absent-${randomBytes(9).toString('hex')}`
    secrets.push(absent)
    answers.push(await send(server, { method: 'GET', path: `/${absent}/${name}` }))
    const Plaintext = randomBytes(24).toString('base64')
    secrets.push(Plaintext)
    const encrypted = await callKms(server, 'Encrypt', { KeyId: name, Plaintext, EncryptionContext: { note } })
    const unknown = await callKms(server, `Operation${name}`, {})
    const action = new URLSearchParams({ Action: `Do${name}`, Version: '2011-06-15', WebIdentityToken: session })
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    answers.push(await send(server, { method: 'POST', path: '/', headers: form, body: action.toString() }))
    const requestIds = [
      ...[put, get].map(({ $metadata }) => $metadata.requestId),
      ...[...answers, unknown, encrypted].map(({ headers: given }) => String(given['x-amz-request-id'])),
    ]
    const spans = await Promise.all(requestIds.map((requestId) => collector.ofRequest(requestId)))
    expect(spans.at(-1)?.name).toBe('KMS/Encrypt')
    expect(spans.at(-2)?.name).toBe('KMS/unknown')
    expect(spans.at(-3)?.name).toBe('STS/STS')
    const bytes = collector.received.toString('latin1')
    expect(bytes).toContain(bucket)
    expect(secrets.filter((secret) => secret.length < 8)).toEqual([])
    expect(secrets.filter((secret) => bytes.includes(secret))).toEqual([])
    expect(secrets.filter((secret) => secret !== name && server.logs().includes(secret))).toEqual([])
    expect(collector.spans.filter(({ statusText, eventCount }) => statusText !== '' || eventCount > 0)).toEqual([])
  })
})
