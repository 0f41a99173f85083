import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeletePublicAccessBlockCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  RenameObjectCommand,
  type RenameObjectCommandInput,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const Bucket = await newBucket(s3)
const customerKey = randomBytes(32)
const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: customerKey.toString('base64') } as const

const rename = (RenameSource: string, Key: string, more: Partial<RenameObjectCommandInput> = {}) =>
  s3.send(new RenameObjectCommand({ Bucket, Key, RenameSource, ...more }))
const put = (Key: string, Body: Uint8Array | string, more: Partial<PutObjectCommandInput> = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const md5Of = (key: Buffer) => createHash('md5').update(key).digest('base64')
const contextOf = (purpose: string) => Buffer.from(JSON.stringify({ purpose })).toString('base64')
const textOf = async (Key: string) => (await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).toString()
const isThere = async (Key: string) =>
  (await failureOf(s3.send(new HeadObjectCommand({ Bucket, Key }))).catch(() => ({ status: 200 }))).status !== 404

/** Every blob with the time at which it was written. */
function blobsOnDisk(): readonly string[] {
  const folder = join(server.dataDir, 'blobs')
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
  return files.map((file) => `${file.name} ${statSync(join(file.parentPath, file.name)).mtimeMs}`).toSorted()
}

describe('an object with another name', () => {
  it.each([0, 1000, 300_000])('keeps its %d bytes and all that is said of it, and no data moves', async (sizeBytes) => {
    const body = randomBytes(sizeBytes)
    const source = `folder/a ü+${sizeBytes}`
    const Key = `elsewhere/${sizeBytes}`
    await put(source, body, {
      Metadata: { colour: 'blue' },
      Tagging: 'team=blue',
      ContentType: 'text/x',
      CacheControl: 'no-cache',
    })
    const before = await s3.send(new HeadObjectCommand({ Bucket, Key: source, ChecksumMode: 'ENABLED' }))
    const blobs = blobsOnDisk()
    await rename(encodeURIComponent(source), Key)
    expect(blobsOnDisk()).toEqual(blobs)
    expect(await isThere(source)).toBe(false)
    const after = await s3.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    expect({ ...after, $metadata: 0 }).toEqual({ ...before, $metadata: 0 })
    expect(after.Metadata).toEqual({ colour: 'blue' })
    const tags = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))
    expect(tags.TagSet).toEqual([{ Key: 'team', Value: 'blue' }])
    expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).equals(body)).toBe(true)
    const range = await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=10-19' })).catch(() => undefined)
    if (sizeBytes > 0 && range) expect((await bytesOf(range)).equals(body.subarray(10, 20))).toBe(true)
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'elsewhere/' }))
    expect(Contents?.find((entry) => entry.Key === Key)).toMatchObject({ ETag: before.ETag, Size: sizeBytes })
  })

  it('that came in parts is read by them', async () => {
    const parts = [randomBytes(5 * 1024 * 1024), randomBytes(70_000)]
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
    const Parts = []
    for (const [index, Body] of parts.entries()) {
      const part = { Bucket, Key: 'parts', UploadId, PartNumber: index + 1, Body }
      Parts.push({ PartNumber: index + 1, ETag: (await s3.send(new UploadPartCommand(part))).ETag })
    }
    const complete = { Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } }
    await s3.send(new CompleteMultipartUploadCommand(complete))
    await rename('parts', 'renamed-parts')
    await rename('renamed-parts', 'parts-2')
    const second = await s3.send(new GetObjectCommand({ Bucket, Key: 'parts-2', PartNumber: 2 }))
    expect((await bytesOf(second)).equals(parts[1] ?? Buffer.alloc(0))).toBe(true)
    const whole = await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'parts-2' })))
    expect(whole.equals(Buffer.concat(parts))).toBe(true)
  })

  it('keeps its encryption, under every kind of key', async () => {
    expect(await coffer(['key', 'create', 'renames'], server.env)).toMatchObject({ code: 0 })
    const kinds: [string, Partial<PutObjectCommandInput>][] = [
      ['kms', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'renames', SSEKMSEncryptionContext: contextOf('a') }],
      ['bucket-key', { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'renames', BucketKeyEnabled: true }],
      ['dsse', { ServerSideEncryption: 'aws:kms:dsse', SSEKMSKeyId: 'renames' }],
    ]
    for (const [name, how] of kinds) {
      for (const body of [randomBytes(100), randomBytes(200_000)]) {
        await put(name, body, how)
        await rename(name, `new-${name}`)
        const got = await s3.send(new GetObjectCommand({ Bucket, Key: `new-${name}` }))
        expect([got.ServerSideEncryption, got.SSEKMSKeyId]).toEqual([how.ServerSideEncryption, 'renames'])
        expect((await bytesOf(got)).equals(body)).toBe(true)
      }
    }
  })

  it("of a client's own key needs that key", async () => {
    await put('sse-c', 'v', customer)
    expect(await failureOf(rename('sse-c', 'sse-c-2'))).toEqual({ code: 'InvalidRequest', status: 400 })
    const headersOf = (key: Buffer) => ({
      'x-amz-rename-source': 'sse-c',
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': key.toString('base64'),
      'x-amz-server-side-encryption-customer-key-md5': md5Of(key),
    })
    const request = { method: 'PUT', path: `/${Bucket}/sse-c-2`, query: { renameObject: '' } }
    const wrong = await sendSigned(server, { ...request, headers: headersOf(randomBytes(32)) })
    expect([wrong.status, wrong.code]).toEqual([403, 'AccessDenied'])
    expect((await sendSigned(server, { ...request, headers: headersOf(customerKey) })).status).toBe(200)
    const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'sse-c-2', ...customer }))
    expect((await bytesOf(got)).toString()).toBe('v')
  })

  it('replaces what stood there, unless it is told not to', async () => {
    await put('one', '1')
    await put('two', '2')
    const refused = rename('one', 'two', { DestinationIfNoneMatch: '*' })
    expect(await failureOf(refused)).toEqual({ code: 'PreconditionFailed', status: 412 })
    expect([await textOf('one'), await textOf('two')]).toEqual(['1', '2'])
    await rename('/one', 'two')
    expect([await isThere('one'), await textOf('two')]).toEqual([false, '1'])
  })

  it('is renamed under conditions on both names', async () => {
    const { ETag } = await put('c', 'c')
    await put('d', 'd')
    const past = new Date(Date.now() - 3_600_000)
    const other = { ETag: '"00000000000000000000000000000000"' }
    const refused: Partial<RenameObjectCommandInput>[] = [
      { SourceIfMatch: other.ETag },
      { SourceIfNoneMatch: ETag },
      { SourceIfUnmodifiedSince: past },
      { DestinationIfMatch: other.ETag },
      { DestinationIfUnmodifiedSince: past },
    ]
    for (const condition of refused) {
      expect(await failureOf(rename('c', 'd', condition))).toEqual({ code: 'PreconditionFailed', status: 412 })
    }
    const absent = rename('c', 'nothing-here', { DestinationIfModifiedSince: past })
    expect(await failureOf(absent)).toEqual({ code: 'PreconditionFailed', status: 412 })
    expect([await textOf('c'), await textOf('d')]).toEqual(['c', 'd'])
    const fits = { SourceIfMatch: ETag, SourceIfModifiedSince: past, DestinationIfModifiedSince: past }
    await rename('c', 'd', fits)
    expect(await textOf('d')).toBe('c')
  })

  it('asked for again with the same token is not renamed again', async () => {
    await put('again', 'first')
    await rename('again', 'done', { ClientToken: 'token-1' })
    await put('again', 'second')
    await rename('again', 'done', { ClientToken: 'token-1' })
    expect([await textOf('again'), await textOf('done')]).toEqual(['second', 'first'])
    await put('third', '3')
    const reused = rename('third', 'done', { ClientToken: 'token-1' })
    expect(await failureOf(reused)).toEqual({ code: 'IdempotencyParameterMismatch', status: 400 })
    await rename('again', 'done', { ClientToken: 'token-2' })
    expect(await textOf('done')).toBe('second')
    const tooLong = rename('third', 'done', { ClientToken: 't'.repeat(65) })
    expect(await failureOf(tooLong)).toEqual({ code: 'InvalidArgument', status: 400 })
  })

  it('is renamed once by many at once', async () => {
    await put('crowd', 'v')
    const attempts = Array.from({ length: 12 }, (_, index) => rename('crowd', `winner-${index}`).then(() => 'done'))
    const outcomes = await Promise.all(attempts.map((attempt) => attempt.catch((error: Error) => error.name)))
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 11 }, () => 'NoSuchKey'), 'done'])
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'winner-' }))
    expect(Contents).toHaveLength(1)
  })
})

describe('a rename is refused', () => {
  it.each([
    ['of nothing', 'absent', 'NoSuchKey', 404],
    ['onto itself', 'new', 'InvalidRequest', 400],
    ['of no name', '%2F', 'InvalidArgument', 400],
    ['of what is no encoding', '%zz', 'InvalidArgument', 400],
    ['of too long a name', 'k'.repeat(1025), 'KeyTooLongError', 400],
  ])('%s', async (_, source, code, status) => {
    expect(await failureOf(rename(source, 'new'))).toEqual({ code, status })
  })

  it('in a bucket with versions', async () => {
    const versioned = await newBucket(s3, { versioning: 'Enabled' })
    await s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'k', Body: 'v' }))
    const request = s3.send(new RenameObjectCommand({ Bucket: versioned, Key: 'k2', RenameSource: 'k' }))
    expect(await failureOf(request)).toEqual({ code: 'InvalidRequest', status: 400 })
    expect((await s3.send(new HeadObjectCommand({ Bucket: versioned, Key: 'k' }))).ContentLength).toBe(1)
  })

  it('where a policy refuses what is not encrypted in some way, of what is not', async () => {
    const strict = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: strict, Key: 'plain', Body: 'v' }))
    await s3.send(new PutObjectCommand({ Bucket: strict, Key: 'kms', Body: 'v', ServerSideEncryption: 'aws:kms' }))
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: {
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:PutObject',
        Resource: `arn:aws:s3:::${strict}/*`,
        Condition: { StringNotEquals: { 's3:x-amz-server-side-encryption': 'aws:kms' } },
      },
    })
    await s3.send(new PutBucketPolicyCommand({ Bucket: strict, Policy }))
    const move = (RenameSource: string) =>
      s3.send(new RenameObjectCommand({ Bucket: strict, Key: `new-${RenameSource}`, RenameSource }))
    expect(await failureOf(move('plain'))).toEqual({ code: 'AccessDenied', status: 403 })
    await move('kms')
    const moved = await s3.send(new HeadObjectCommand({ Bucket: strict, Key: 'new-kms' }))
    expect(moved.ServerSideEncryption).toBe('aws:kms')
  })

  it('to who may not read and delete the old name and write the new one', async () => {
    const shared = await newBucket(s3)
    await s3.send(new DeletePublicAccessBlockCommand({ Bucket: shared }))
    const { stdout } = await coffer(['account', 'create', 'mover', '--json'], server.env)
    const { account, accessKey } = JSON.parse(stdout) as {
      account: { accountId: string }
      accessKey: { accessKeyId: string; secretAccessKey: string }
    }
    const mover = s3Client({ ...server, ...accessKey })
    const move = (RenameSource: string) =>
      mover.send(new RenameObjectCommand({ Bucket: shared, Key: 'out/k', RenameSource }))
    const statement = (Action: string | string[], path: string) => ({
      Effect: 'Allow',
      Principal: { AWS: account.accountId },
      Action,
      Resource: `arn:aws:s3:::${shared}/${path}`,
    })
    const rights: [ReturnType<typeof statement>[], boolean][] = [
      [[statement('s3:PutObject', '*')], false],
      [[statement(['s3:PutObject', 's3:DeleteObject'], '*')], false],
      [[statement(['s3:PutObject', 's3:GetObject'], '*')], false],
      [[statement(['s3:GetObject', 's3:DeleteObject'], '*'), statement('s3:PutObject', 'in/*')], false],
      [[statement(['s3:GetObject', 's3:DeleteObject'], 'in/*'), statement('s3:PutObject', 'out/*')], true],
    ]
    for (const [Statement, allowed] of rights) {
      await s3.send(new PutObjectCommand({ Bucket: shared, Key: 'in/k', Body: 'v' }))
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
      await s3.send(new PutBucketPolicyCommand({ Bucket: shared, Policy }))
      if (allowed) await move('in/k')
      else expect(await failureOf(move('in/k'))).toEqual({ code: 'AccessDenied', status: 403 })
    }
    // Without leave to list nobody is told that it is gone now.
    expect(await failureOf(move('in/k'))).toEqual({ code: 'AccessDenied', status: 403 })
    expect((await s3.send(new HeadObjectCommand({ Bucket: shared, Key: 'out/k' }))).ContentLength).toBe(1)
  })
})
