import {
  GetBucketEncryptionCommand,
  GetBucketLoggingCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketEncryptionCommand,
  PutBucketLoggingCommand,
  PutBucketPolicyCommand,
  PutBucketRequestPaymentCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it, vi } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { send } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ env: { COFFER_ACCESS_LOG_SECONDS: '1', COFFER_PUBLIC_ACCESS: 'allowed' } })
const s3 = s3Client(server)
const created = await cofferJson<{ accessKey: { accessKeyId: string; secretAccessKey: string } }>(server, [
  'account',
  'create',
  'guest',
])
const guest = s3Client({ ...server, ...created.accessKey })

async function keepLogs(Bucket: string, TargetBucket: string, LoggingEnabled: object = {}): Promise<void> {
  const status = { LoggingEnabled: { TargetBucket, TargetPrefix: 'log/', ...LoggingEnabled } }
  await s3.send(new PutBucketLoggingCommand({ Bucket, BucketLoggingStatus: status }))
}

/** All lines that were delivered, once there are this many. */
async function linesOf(Bucket: string, Prefix: string, count: number): Promise<string[]> {
  return vi.waitFor(
    async () => {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))
      const texts = await Promise.all(
        Contents.map(async ({ Key }) =>
          (await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).toString(),
        ),
      )
      const lines = texts
        .join('')
        .split('\n')
        .filter((line) => line !== '')
      expect(lines.length).toBeGreaterThanOrEqual(count)
      return lines
    },
    { timeout: 60_000, interval: 300 },
  )
}

describe('server access logs', () => {
  it('tell of each request to a bucket, refused ones too, in AWS’s format', async () => {
    const source = await newBucket(s3)
    const target = await newBucket(s3)
    await keepLogs(source, target)
    await s3.send(new PutObjectCommand({ Bucket: source, Key: 'a "b"', Body: 'hello' }))
    await send(server, { method: 'GET', path: `/${source}/a%20%22b%22`, headers: { 'user-agent': 'x" 200 - "y' } })
    await failureOf(s3.send(new GetObjectCommand({ Bucket: source, Key: 'none' })))
    const lines = await linesOf(target, 'log/', 3)
    const of = (text: string) => lines.find((line) => line.includes(text)) ?? ''
    const put = of('REST.PUT.OBJECT')
    expect(put).toMatch(
      new RegExp(
        `^\\d{12} ${source} \\[\\d\\d/[A-Z][a-z]{2}/\\d{4}:\\d\\d:\\d\\d:\\d\\d \\+0000\\] 127\\.0\\.0\\.1 arn:aws:iam::\\d{12}:root [0-9A-F]{20} ` +
          `REST\\.PUT\\.OBJECT a%20%22b%22 "PUT /${source}/a%20%22b%22\\S* HTTP/1\\.1" 200 - `,
      ),
    )
    expect(put).toMatch(/ SigV4 \S+ AuthHeader 127\.0\.0\.1:\d+ TLSv1\.[23] /)
    // Nobody can write columns of a line with a header of theirs.
    const anonymous = of('AccessDenied')
    expect(anonymous).toMatch(/ 127\.0\.0\.1 - [0-9A-F]{20} REST\.GET\.OBJECT .* 403 AccessDenied /)
    expect(anonymous).toContain('"x%22 200 - %22y"')
    expect(of('NoSuchKey')).toContain(' 404 NoSuchKey ')
    expect(lines.every((line) => !line.includes(target))).toBe(true)
  })

  it('have no line and no column that a stranger wrote', async () => {
    const source = await newBucket(s3)
    const target = await newBucket(s3)
    await keepLogs(source, target)
    const forged = 'owner bucket [06/Feb/2019:00:00:38 +0000] 10.0.0.1 arn:aws:iam::111111111111:root FORGED'
    const query = { versionId: `x y\n${forged}\n` }
    await send(server, { method: 'GET', path: `/${source}/k`, query, headers: { host: 'a b "c' } })
    await send(server, { method: 'GET', path: `/${source}/last` })
    const lines = await linesOf(target, 'log/', 2)
    expect(lines.filter((line) => line.startsWith('owner'))).toEqual([])
    const [refused = '', last = ''] = ['FORGED', '/last '].map((text) => lines.find((line) => line.includes(text)))
    const columns = (line: string) => line.replaceAll(/"[^"]*"|\[[^\]]*\]/g, 'quoted').split(' ').length
    expect(columns(refused)).toBe(columns(last))
  })

  it('are objects of the target bucket, encrypted as it says, named by day where that was asked for', async () => {
    const source = await newBucket(s3)
    const target = await newBucket(s3)
    const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' as const } }
    const ServerSideEncryptionConfiguration = { Rules: [rule] }
    await s3.send(new PutBucketEncryptionCommand({ Bucket: target, ServerSideEncryptionConfiguration }))
    const TargetObjectKeyFormat = { PartitionedPrefix: { PartitionDateSource: 'EventTime' as const } }
    await keepLogs(source, target, { TargetObjectKeyFormat })
    const { LoggingEnabled } = await s3.send(new GetBucketLoggingCommand({ Bucket: source }))
    expect(LoggingEnabled).toEqual({ TargetBucket: target, TargetPrefix: 'log/', TargetObjectKeyFormat })
    await s3.send(new GetBucketEncryptionCommand({ Bucket: source }))
    await linesOf(target, 'log/', 2)
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: target }))
    const Key = Contents?.[0]?.Key ?? ''
    expect(Key).toMatch(new RegExp(`^log/\\d{12}/us-east-1/${source}/\\d{4}/\\d\\d/\\d\\d/[\\d-]{19}-[0-9A-F]{16}$`))
    expect((await s3.send(new HeadObjectCommand({ Bucket: target, Key }))).ServerSideEncryption).toBe('aws:kms')
  })

  it('show the format of their names only where one was asked for', async () => {
    const Bucket = await newBucket(s3)
    const enabled = async () => (await s3.send(new GetBucketLoggingCommand({ Bucket }))).LoggingEnabled
    await keepLogs(Bucket, Bucket)
    expect(await enabled()).toEqual({ TargetBucket: Bucket, TargetPrefix: 'log/' })
    const TargetObjectKeyFormat = { SimplePrefix: {} }
    await keepLogs(Bucket, Bucket, { TargetObjectKeyFormat })
    expect(await enabled()).toEqual({ TargetBucket: Bucket, TargetPrefix: 'log/', TargetObjectKeyFormat })
  })

  it('go to a bucket of the same account only, and end when they are taken away', async () => {
    const source = await newBucket(s3)
    const theirs = await newBucket(guest)
    for (const target of [theirs, 'no-such-bucket-anywhere']) {
      expect((await failureOf(keepLogs(source, target))).code).toBe('InvalidTargetBucketForLogging')
    }
    await keepLogs(source, source)
    await s3.send(new PutBucketLoggingCommand({ Bucket: source, BucketLoggingStatus: {} }))
    expect((await s3.send(new GetBucketLoggingCommand({ Bucket: source }))).LoggingEnabled).toBeUndefined()
  })
})

describe('a bucket whose requester pays', () => {
  it('lets in another account only when it says so, and nobody unknown', async () => {
    const Bucket = await newBucket(s3)
    const Statement = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` }
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    const RequestPaymentConfiguration = { Payer: 'Requester' as const }
    await s3.send(new PutBucketRequestPaymentCommand({ Bucket, RequestPaymentConfiguration }))
    expect((await send(server, { method: 'GET', path: `/${Bucket}/k` })).status).toBe(403)
    expect((await failureOf(guest.send(new GetObjectCommand({ Bucket, Key: 'k' })))).code).toBe('AccessDenied')
    const paid = await guest.send(new GetObjectCommand({ Bucket, Key: 'k', RequestPayer: 'requester' }))
    expect(paid.RequestCharged).toBe('requester')
    const own = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))
    expect(own.RequestCharged).toBeUndefined()
  })
})
