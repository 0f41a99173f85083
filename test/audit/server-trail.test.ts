import { randomBytes } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { describe, expect, it, vi } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { formBody, policyFields, postForm } from '../harness/posted-form.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, serverForSuite, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { callKms } from '../kms-api/kms-client.ts'

type AuditedRequest = Readonly<Record<string, unknown>> & { readonly kind: string; readonly operation?: string }

const PATIENCE = { timeout: 60_000, interval: 50 }

function trailText(directory: string): string {
  return readdirSync(directory)
    .sort()
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('')
}

function recordsOf({ dataDir }: Pick<CofferServer, 'dataDir'>): AuditedRequest[] {
  const lines = trailText(join(dataDir, 'audit')).split('\n')
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as AuditedRequest)
}

/** The record of a request, once it is in the file. */
async function recordWhere(server: CofferServer, facts: object): Promise<AuditedRequest> {
  return await vi.waitFor(() => {
    const found = recordsOf(server).find((record) => {
      const wanted = Object.entries(facts)
      return record.kind === 'request' && wanted.every(([name, value]) => record[name] === value)
    })
    expect(found, JSON.stringify(facts)).toBeDefined()
    return found as AuditedRequest
  }, PATIENCE)
}

describe('the audit trail of all requests', () => {
  const all = serverForSuite({ env: { COFFER_AUDIT: 'all', COFFER_LOG_LEVEL: 'trace' } })
  const ready = async (): Promise<{ server: CofferServer; s3: S3Client; bucket: string }> => {
    const server = await all
    const s3 = s3Client(server)
    return { server, s3, bucket: await newBucket(s3, { versioning: 'Enabled' }) }
  }

  it('tells of a put and a get who, from where, what, why, which key, and what became of it', async () => {
    const { server, s3, bucket } = await ready()
    const put = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'a b', Body: 'x'.repeat(1000) }))
    await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'a b' })))
    const principal = { kind: 'account-root', accessKeyId: server.accessKeyId, verified: true }
    const shared = { service: 's3', bucket, key: 'a b', versionId: put.VersionId, status: 200 }
    const putRecord = await recordWhere(server, { operation: 'PutObject', bucket })
    expect(putRecord).toMatchObject({
      ...shared,
      requestId: put.$metadata.requestId,
      principal,
      source: { address: '127.0.0.1', tls: 'TLSv1.3', cipher: expect.stringMatching(/^TLS_AES/) },
      decision: { action: 's3:PutObject', effect: 'allow' },
      kmsKeys: [
        {
          version: 1,
          id: expect.stringMatching(/^local\//),
          arn: expect.stringMatching(/^arn:aws:kms:us-east-1:\d{12}:key\/[^/]+$/),
          bucketKey: expect.any(String),
        },
      ],
      bytesOut: 0,
    })
    expect(putRecord.latencyMs).toBeGreaterThan(0)
    expect(putRecord.bytesIn).toBeGreaterThanOrEqual(1000)
    expect(await recordWhere(server, { operation: 'GetObject', bucket })).toMatchObject({
      ...shared,
      principal,
      kmsKeys: putRecord.kmsKeys,
      bytesOut: 1000,
    })
  })

  it('tells of refusals: an unknown access key, a wrong signature, nobody, what is not there', async () => {
    const { server, s3, bucket } = await ready()
    const target = { ...server, accessKeyId: server.accessKeyId, secretAccessKey: 'wrong-secret-of-twenty' }
    await sendSigned(target, { method: 'GET', path: `/${bucket}/forged` })
    await sendSigned({ ...server, accessKeyId: 'AKNOBODY' }, { method: 'GET', path: `/${bucket}/unknown` })
    await send(server, { method: 'GET', path: `/${bucket}/anonymous` })
    await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'absent' })).catch(() => undefined)
    expect(await recordWhere(server, { key: 'forged' })).toMatchObject({
      status: 403,
      error: 'SignatureDoesNotMatch',
      principal: { accessKeyId: server.accessKeyId, verified: false },
    })
    const unknown = await recordWhere(server, { key: 'unknown' })
    expect(unknown).toMatchObject({ status: 403, error: 'InvalidAccessKeyId' })
    expect(unknown.principal).toBeUndefined()
    expect(await recordWhere(server, { key: 'anonymous' })).toMatchObject({
      error: 'AccessDenied',
      decision: { effect: 'deny', reason: 'anonymous' },
    })
    expect(await recordWhere(server, { key: 'absent' })).toMatchObject({ status: 404, error: 'NoSuchKey' })
  })

  it('tells of each key of a multi-delete, and of the KMS API with the key that it names', async () => {
    const { server, s3, bucket } = await ready()
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'one', Body: '1' }))
    const Objects = [{ Key: 'one' }, { Key: 'two' }]
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
    await callKms(server, 'DescribeKey', { KeyId: 'no-such-key' })
    for (const key of ['one', 'two']) await recordWhere(server, { operation: 'DeleteObjects', key })
    expect(await recordWhere(server, { service: 'kms', operation: 'DescribeKey' })).toMatchObject({
      resource: expect.stringMatching(/^arn:aws:kms:us-east-1:\d{12}:key\/no-such-key$/),
      status: 400,
      error: 'NotFoundException',
      decision: { action: 'kms:DescribeKey', effect: 'allow' },
    })
  })

  it('holds no secret that a request used, and neither do logs, answers and errors', async () => {
    const { server, s3, bucket } = await ready()
    const secrets: string[] = [server.secretAccessKey]
    const customerKey = randomBytes(32)
    secrets.push(customerKey.toString('base64'), customerKey.toString('hex'))
    const SSECustomerKey = customerKey.toString('base64')
    const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey }
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'c', Body: 'c', ...sse }))
    await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'c', ...sse }))
    const url = new URL(await getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: 'presigned' })))
    secrets.push(url.searchParams.get('X-Amz-Signature') ?? '')
    const answers = [
      await send(server, { method: 'GET', path: url.pathname, query: Object.fromEntries(url.searchParams) }),
    ]
    const token = `token-${randomBytes(16).toString('hex')}`
    secrets.push(token)
    const tamper = (headers: Record<string, string>) => {
      secrets.push(/Signature=([0-9a-f]+)/.exec(headers.authorization ?? '')?.[1] ?? '')
    }
    const headers = { 'x-amz-security-token': token }
    answers.push(await sendSigned(server, { method: 'GET', path: `/${bucket}/token`, headers }, { tamper }))
    const wrong = { ...server, secretAccessKey: `wrong-${randomBytes(12).toString('hex')}` }
    secrets.push(wrong.secretAccessKey)
    answers.push(await sendSigned(wrong, { method: 'PUT', path: `/${bucket}/wrong`, body: 'x' }, { tamper }))
    const fields: Record<string, string> = {
      key: 'posted',
      ...policyFields(server, [{ bucket }, ['starts-with', '$key', '']]),
    }
    secrets.push(fields['x-amz-signature'] ?? '', fields.policy ?? '')
    answers.push(await postForm(server, bucket, formBody(fields, { name: 'f', bytes: 'f' })))
    const plaintext = randomBytes(24).toString('base64')
    secrets.push(plaintext)
    await callKms(server, 'Encrypt', { KeyId: 'nothing', Plaintext: plaintext })
    answers.push(
      await sendSigned({ ...server, accessKeyId: `${server.secretAccessKey}x` }, { method: 'GET', path: '/' }),
    )
    for (const key of ['c', 'presigned', 'token', 'wrong', 'posted']) await recordWhere(server, { bucket, key })
    await recordWhere(server, { operation: 'Encrypt' })
    await recordWhere(server, { error: 'InvalidAccessKeyId', operation: 'ListBuckets' })
    const outputs = {
      trail: trailText(join(server.dataDir, 'audit')),
      logs: server.logs(),
      answers: answers.map(({ headers: given, body }) => `${JSON.stringify(given)}${body}`).join('\n'),
    }
    const found = Object.entries(outputs).flatMap(([name, text]) =>
      secrets.filter((secret) => secret.length < 8 || text.includes(secret)).map((secret) => `${name}: ${secret}`),
    )
    // The client's own words, in a refusal to itself.
    expect(found.filter((line) => line !== `answers: ${server.secretAccessKey}`)).toEqual([])
  })

  it('is found whole beside the running server, by its own store and by what was exported', async () => {
    const { server } = await ready()
    const beside = await coffer(['audit', 'verify', '--json'], server.env)
    expect(beside.stdout + beside.stderr).toContain('"chains"')
    expect(JSON.parse(beside.stdout).fault).toBeUndefined()
    expect(beside.code).toBe(0)
    const directory = temporaryDirectory('witness')
    const publicKeyFile = join(directory, 'audit.pub')
    writeFileSync(publicKeyFile, (await coffer(['audit', 'public-key'], server.env)).stdout)
    const headsFile = join(directory, 'heads.json')
    writeFileSync(headsFile, (await coffer(['audit', 'heads'], server.env)).stdout)
    const copy = join(directory, 'trail')
    cpSync(join(server.dataDir, 'audit'), copy, { recursive: true })
    const args = ['audit', 'verify', '--directory', copy, '--public-key-file', publicKeyFile, '--heads-file', headsFile]
    expect(await coffer(args, server.env)).toMatchObject({ code: 0 })
    const [name = ''] = readdirSync(copy).filter((file) =>
      readFileSync(join(copy, file), 'utf8').includes('"GetObject"'),
    )
    expect(statSync(join(server.dataDir, 'audit', name)).mode & 0o777).toBe(0o600)
    const path = join(copy, name)
    const text = readFileSync(path, 'utf8')
    const line = text.slice(0, text.indexOf('"GetObject"')).split('\n').length
    writeFileSync(path, text.replace('"GetObject"', '"HeadObject"'))
    const changed = await coffer(args, server.env)
    expect(changed.code).toBe(1)
    expect(changed.stdout).toContain(`Record ${line} of chain`)
    expect(changed.stdout).toContain('is not as it was written')
    rmSync(path)
    const removed = await coffer(args, server.env)
    expect(removed).toMatchObject({ code: 1, stdout: expect.stringContaining('with all of its chain') })
    rmSync(directory, { recursive: true })
  })
})

describe('the audit trail of changes, which is on without being asked for', () => {
  it('keeps what changes a bucket or a key, nothing of objects or of nobody, and is whole after a stop', async () => {
    const server = await startServer({ workers: 1 })
    try {
      const s3 = s3Client(server)
      const bucket = await newBucket(s3)
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
      await send(server, { method: 'PUT', path: '/bucket-of-nobody' })
      await callKms(server, 'CreateKey', {})
      await s3.send(new PutBucketTaggingCommand({ Bucket: bucket, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }))
      await recordWhere(server, { operation: 'PutBucketTagging', bucket })
      await recordWhere(server, { operation: 'CreateKey' })
      await server.stop()
      const operations = recordsOf(server).filter(({ kind }) => kind === 'request')
      expect(operations.map(({ operation }) => operation)).toEqual(['CreateBucket', 'CreateKey', 'PutBucketTagging'])
      expect(
        recordsOf(server)
          .map(({ kind }) => kind)
          .slice(-2),
      ).toEqual(['close', 'checkpoint'])
      const verified = await coffer(['audit', 'verify'], server.env)
      expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('The trail is whole.') })
      expect(verified.stdout).not.toContain('not signed')
      const directory = join(server.dataDir, 'audit')
      const path = join(directory, readdirSync(directory)[0] ?? '')
      const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
      writeFileSync(path, `${lines.slice(0, -3).join('\n')}\n`)
      const cut = await coffer(['audit', 'verify', '--json'], server.env)
      expect(cut.code).toBe(1)
      expect(JSON.parse(cut.stdout).fault).toMatchObject({ problem: 'truncated', seq: lines.length - 2 })
    } finally {
      await server.dispose()
    }
  })
})

describe('an audit target that has stalled', () => {
  it('has requests refused, where that is configured', async () => {
    const directory = temporaryDirectory('stalled')
    const auditFile = join(directory, 'audit.yaml')
    // Nobody listens there: every batch is refused.
    const target = { type: 'syslog', transport: 'tcp', host: '127.0.0.1', port: 9 }
    writeFileSync(auditFile, JSON.stringify({ whenStalled: 'refuse', queueRecordsMax: 100, targets: [target] }))
    const server = await startServer({ workers: 1, env: { COFFER_AUDIT: 'all', COFFER_AUDIT_FILE: auditFile } })
    try {
      const s3 = s3Client(server)
      const list = async () => (await failureOf(s3.send(new ListBucketsCommand({})))).code
      for (let count = 0; count < 110; count++) await s3.send(new ListBucketsCommand({})).catch(() => undefined)
      expect(await list()).toBe('ServiceUnavailable')
      await expect.poll(() => server.logs()).toContain('an audit target takes no records')
    } finally {
      await server.dispose()
      rmSync(directory, { recursive: true })
    }
  })
})
