import { createHash, randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite, temporaryDirectory } from '../harness/start-server.ts'

const started = await serverForSuite({ env: { COFFER_ALLOW_HTTP: 'true' } })
const server = { ...started, endpoint: started.endpoint.replace('http:', 'https:') }
const s3 = s3Client(server)

interface Line {
  readonly rekeyed: number
  readonly otherKey: number
  readonly notCustomer: number
  readonly failed: number
  readonly done?: boolean
  readonly failures?: readonly unknown[]
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')
const customer = (key: Buffer) => ({ SSECustomerAlgorithm: 'AES256', SSECustomerKey: key.toString('base64') })

function headersOf(prefix: string, key: Buffer): Record<string, string> {
  const name = `${prefix}-customer`
  return { [`${name}-algorithm`]: 'AES256', [`${name}-key`]: key.toString('base64'), [`${name}-key-md5`]: md5(key) }
}
const oldHeaders = (key: Buffer) => headersOf('x-amz-copy-source-server-side-encryption', key)
const newHeaders = (key: Buffer) => headersOf('x-amz-server-side-encryption', key)

function post(bucket: string, headers: Record<string, string>, query: Record<string, string> = {}, target = server) {
  return sendSigned(target, { method: 'POST', path: `/${bucket}`, query: { 'x-coffer-rekey': '', ...query }, headers })
}

async function rekey(bucket: string, from: Buffer, to: Buffer, query: Record<string, string> = {}): Promise<Line[]> {
  const answer = await post(bucket, { ...oldHeaders(from), ...newHeaders(to) }, query)
  expect([answer.status, answer.code]).toEqual([200, ''])
  const lines: Line[] = answer.body
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.at(-1)?.done).toBe(true)
  return lines
}

const [first, second, other] = [randomBytes(32), randomBytes(32), randomBytes(32)]

describe("clients' keys of many objects", () => {
  it('are replaced in one request, versions, dates and ETags as they were; other objects are left alone', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const bodies = new Map<string, Buffer>()
    for (let index = 0; index < 40; index++) {
      const body = randomBytes(index % 10 === 0 ? 200_000 : 300)
      const place = { Bucket: bucket, Key: `in/k${index % 15}` }
      const { VersionId = '' } = await s3.send(new PutObjectCommand({ ...place, Body: body, ...customer(first) }))
      bodies.set(VersionId, body)
    }
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'in/k3' }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'in/plain', Body: 'x' }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'in/other', Body: 'y', ...customer(other) }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'out', Body: 'z', ...customer(first) }))
    const list = async () => {
      const { Versions, DeleteMarkers } = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket }))
      return { Versions, DeleteMarkers }
    }
    const before = await list()
    const counted = { rekeyed: 40, otherKey: 1, notCustomer: 1, failed: 0, failures: [] }
    expect((await rekey(bucket, first, second, { prefix: 'in/', 'dry-run': '' })).at(-1)).toMatchObject(counted)
    const unchanged = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'in/k0', ...customer(first) }))
    await bytesOf(unchanged)
    expect((await rekey(bucket, first, second, { prefix: 'in/' })).at(-1)).toMatchObject(counted)
    expect(await list()).toEqual(before)
    for (const { Key, VersionId = '' } of before.Versions ?? []) {
      const body = bodies.get(VersionId)
      if (body === undefined) continue
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, VersionId, ...customer(second) }))
      expect((await bytesOf(got)).equals(body)).toBe(true)
      const place = { Bucket: bucket, Key, VersionId }
      expect((await failureOf(s3.send(new GetObjectCommand({ ...place, ...customer(first) })))).status).toBe(403)
    }
    for (const [Key, key] of [
      ['in/other', other],
      ['out', first],
    ] as const) {
      await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key, ...customer(key) })))
    }
    // Asked for again, what is done is nobody's with the old key any more.
    expect((await rekey(bucket, first, second, { prefix: 'in/' })).at(-1)).toMatchObject({ rekeyed: 0, otherKey: 41 })
  })

  it('are replaced page by page, and told of while it lasts', async () => {
    const bucket = await newBucket(s3)
    const put = (index: number) =>
      s3.send(new PutObjectCommand({ Bucket: bucket, Key: `k${index}`, Body: 'x', ...customer(first) }))
    for (let start = 0; start < 1_100; start += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => put(start + index)))
    }
    const lines = await rekey(bucket, first, second)
    expect(lines.map(({ rekeyed }) => rekeyed)).toEqual([500, 1000, 1100])
  })

  it('are replaced on versions under a legal hold too: nothing of them goes away', async () => {
    const bucket = `locked-${randomBytes(6).toString('hex')}`
    const made = await sendSigned(server, {
      method: 'PUT',
      path: `/${bucket}`,
      headers: { 'x-amz-bucket-object-lock-enabled': 'true' },
    })
    expect(made.status).toBe(200)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'held', Body: 'x', ...customer(first) }))
    await s3.send(new PutObjectLegalHoldCommand({ Bucket: bucket, Key: 'held', LegalHold: { Status: 'ON' } }))
    expect((await rekey(bucket, first, second)).at(-1)).toMatchObject({ rekeyed: 1, failed: 0 })
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'held', ...customer(second) }))
    expect([(await bytesOf(got)).toString(), got.ObjectLockLegalHoldStatus]).toEqual(['x', 'ON'])
  })

  it('are replaced from the command line, with keys in files', async () => {
    const bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: "it's (1)/k", Body: 'x', ...customer(first) }))
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'y', ...customer(first) }))
    const directory = temporaryDirectory('rekey')
    const files = [join(directory, 'old'), join(directory, 'new')] as const
    writeFileSync(files[0], first.toString('base64'), { mode: 0o600 })
    writeFileSync(files[1], second.toString('base64'), { mode: 0o600 })
    const env = { ...server.env, AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey }
    const replace = (endpoint: string, ...more: string[]) => {
      const place = ['--endpoint', endpoint, '--ca-file', server.caFile, '--bucket', bucket]
      const keys = ['--old-key-file', files[0], '--new-key-file', files[1]]
      return coffer(['customer-key', 'replace', ...place, ...keys, '--json', ...more], env)
    }
    const done = await replace(server.endpoint, '--prefix', "it's (1)/")
    expect([done.code, done.stderr]).toEqual([0, ''])
    expect(JSON.parse(done.stdout)).toMatchObject({ rekeyed: 1, otherKey: 0, done: true })
    await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key: "it's (1)/k", ...customer(second) })))
    await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', ...customer(first) })))
    const plain = await replace(server.endpoint.replace('https:', 'http:'))
    expect([plain.code, plain.stderr]).toEqual([1, expect.stringContaining('COFFER_ENDPOINT_INVALID')])
    const elsewhere = await replace(server.endpoint, '--region', 'elsewhere')
    expect([elsewhere.code, elsewhere.stderr]).toEqual([1, expect.stringContaining('COFFER_REQUEST_REFUSED')])
    rmSync(directory, { recursive: true })
  })

  it('are asked for with both keys, over TLS, by the owner', async () => {
    const bucket = await newBucket(s3)
    const both = { ...oldHeaders(first), ...newHeaders(second) }
    expect((await post(bucket, oldHeaders(first))).code).toBe('InvalidRequest')
    expect((await post(bucket, newHeaders(second))).code).toBe('InvalidRequest')
    expect((await post(bucket, { ...oldHeaders(first), ...newHeaders(first) })).code).toBe('InvalidRequest')
    const wrongMd5 = { 'x-amz-server-side-encryption-customer-key-md5': md5(other) }
    expect((await post(bucket, { ...both, ...wrongMd5 })).code).toBe('InvalidArgument')
    expect((await post('not-there-at-all', both)).code).toBe('NoSuchBucket')
    const plain = { ...server, endpoint: server.endpoint.replace('https:', 'http:') }
    expect((await post(bucket, both, {}, plain)).code).toBe('InvalidRequest')
    const created = await coffer(['account', 'create', 'stranger', '--json'], server.env)
    const { accessKey } = JSON.parse(created.stdout)
    expect((await post(bucket, both, {}, { ...server, ...accessKey })).code).toBe('AccessDenied')
    for (const key of [first, second]) {
      expect(server.logs()).not.toContain(key.toString('base64'))
      expect(server.logs()).not.toContain(key.toString('hex'))
    }
  })
})
