import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  ListAliasesCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import {
  CreateMultipartUploadCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  UpdateObjectEncryptionCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { kmsClient } from './kms-client.ts'

const server = await serverForSuite()
const kms = kmsClient(server)
const s3 = s3Client(server)
/** How long a worker may rely on what it knows of a key (services/crypto, LEASE_MS), and a little. */
const LEASE_MS = 2_500

const newKey = async () => (await kms.send(new CreateKeyCommand({}))).KeyMetadata
let blue = ''
let green = ''
let account = ''

beforeAll(async () => {
  const key = await newKey()
  blue = key?.KeyId ?? ''
  account = key?.AWSAccountId ?? ''
  green = (await newKey())?.KeyId ?? ''
})

describe('aliases over the AWS KMS API', () => {
  it('name a key, name another after an update, and go', async () => {
    const AliasName = 'alias/team/one'
    await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: blue }))
    const keyOf = async (KeyId: string) => (await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyId
    expect(await keyOf(AliasName)).toBe(blue)
    const arn = `arn:aws:kms:us-east-1:${account}:${AliasName}`
    expect(await keyOf(arn)).toBe(blue)
    const sealed = await kms.send(new EncryptCommand({ KeyId: arn, Plaintext: Buffer.from('x') }))
    await kms.send(new UpdateAliasCommand({ AliasName, TargetKeyId: green }))
    expect(await keyOf(AliasName)).toBe(green)
    // What was sealed says which key it needs, and it is not the one that the alias names now.
    const CiphertextBlob = sealed.CiphertextBlob ?? new Uint8Array(0)
    expect((await kms.send(new DecryptCommand({ CiphertextBlob }))).KeyId).toMatch(`key/${blue}`)
    const expected = await failureOf(kms.send(new DecryptCommand({ CiphertextBlob, KeyId: AliasName })))
    expect(expected.code).toBe('IncorrectKeyException')
    await kms.send(new DeleteAliasCommand({ AliasName }))
    expect((await failureOf(keyOf(AliasName))).code).toBe('NotFoundException')
    expect((await failureOf(kms.send(new DeleteAliasCommand({ AliasName })))).code).toBe('NotFoundException')
  })

  it('are listed page by page, of all keys or of one', async () => {
    for (const name of ['x', 'y', 'z']) {
      const TargetKeyId = name === 'y' ? green : blue
      await kms.send(new CreateAliasCommand({ AliasName: `alias/list/${name}`, TargetKeyId }))
    }
    const names = async (input: { KeyId?: string }) => {
      const found: (string | undefined)[] = []
      for (let Marker: string | undefined; ; ) {
        const page = await kms.send(new ListAliasesCommand({ ...input, Limit: 1, ...(Marker && { Marker }) }))
        found.push(...(page.Aliases ?? []).map(({ AliasName }) => AliasName))
        if (!page.Truncated) return found.filter((name) => name?.startsWith('alias/list/'))
        Marker = page.NextMarker
      }
    }
    expect(await names({})).toEqual(['alias/list/x', 'alias/list/y', 'alias/list/z'])
    expect(await names({ KeyId: green })).toEqual(['alias/list/y'])
  })

  it.each([
    ['taken', 'alias/taken', 'AlreadyExistsException'],
    ['AWS’s own', 'alias/aws/s3', 'InvalidAliasNameException'],
    ['without its beginning', 'payments', 'ValidationException'],
    ['of nothing', 'alias/', 'ValidationException'],
    ['with a dot', 'alias/a.b', 'ValidationException'],
  ])('are refused: one that is %s', async (_, AliasName, code) => {
    if (AliasName === 'alias/taken') await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: blue }))
    const refused = await failureOf(kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: green })))
    expect(refused).toEqual({ code, status: 400 })
  })

  it('never stand for the key where a key is managed', async () => {
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/managed', TargetKeyId: blue }))
    for (const KeyId of ['alias/managed', `arn:aws:kms:us-east-1:${account}:alias/managed`]) {
      expect((await failureOf(kms.send(new DisableKeyCommand({ KeyId })))).code).toBe('NotFoundException')
    }
    const chained = kms.send(new CreateAliasCommand({ AliasName: 'alias/chained', TargetKeyId: 'alias/managed' }))
    expect((await failureOf(chained)).code).toBe('NotFoundException')
  })
})

describe('aliases in S3 and on the command line', () => {
  const alias = 'alias/s3'
  const sse = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: alias } as const

  it('seal under the key that they name, and the object says which that was', async () => {
    const Bucket = await newBucket(s3)
    await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: blue }))
    for (const BucketKeyEnabled of [true, false]) {
      const Key = `before-${BucketKeyEnabled}`
      const stored = await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', BucketKeyEnabled, ...sse }))
      expect(stored.SSEKMSKeyId).toBe(`local/${blue}`)
    }
    const upload = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts', ...sse }))
    expect(upload.SSEKMSKeyId).toBe(`local/${blue}`)
    await kms.send(new UpdateAliasCommand({ AliasName: alias, TargetKeyId: green }))
    await sleep(LEASE_MS)
    const arn = `arn:aws:kms:us-east-1:${account}:${alias}`
    for (const SSEKMSKeyId of [alias, arn]) {
      const stored = await s3.send(new PutObjectCommand({ Bucket, Key: 'after', Body: 'y', ...sse, SSEKMSKeyId }))
      expect(stored.SSEKMSKeyId).toBe(`local/${green}`)
    }
    // The old need their key, not the alias: it decides whether they can be read.
    const get = async (Key: string) => (await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key })))).toString()
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'before-true' }))).SSEKMSKeyId).toBe(`local/${blue}`)
    await kms.send(new DisableKeyCommand({ KeyId: blue }))
    await sleep(LEASE_MS)
    for (const Key of ['before-true', 'before-false']) {
      expect((await failureOf(get(Key))).code).toBe('KMS.DisabledException')
    }
    expect(await get('after')).toBe('y')
    await kms.send(new EnableKeyCommand({ KeyId: blue }))
    await sleep(LEASE_MS)
    expect([await get('before-true'), await get('before-false')]).toEqual(['x', 'x'])
  })

  it('are a bucket’s default, and what an object’s key is changed to', async () => {
    const Bucket = await newBucket(s3)
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/default', TargetKeyId: blue }))
    const byDefault = { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: 'alias/default' } as const
    const Rules = [{ ApplyServerSideEncryptionByDefault: byDefault, BucketKeyEnabled: true }]
    await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }))
    const kept = await s3.send(new GetBucketEncryptionCommand({ Bucket }))
    expect(kept.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault).toEqual(byDefault)
    expect((await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))).SSEKMSKeyId).toBe(`local/${blue}`)
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/other', TargetKeyId: green }))
    const KMSKeyArn = `arn:aws:kms:us-east-1:${account}:alias/other`
    const ObjectEncryption = { SSEKMS: { KMSKeyArn } }
    await s3.send(new UpdateObjectEncryptionCommand({ Bucket, Key: 'k', ObjectEncryption }))
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).SSEKMSKeyId).toBe(`local/${green}`)
    expect((await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key: 'k' })))).toString()).toBe('x')
  })

  it('that are not there are refused with S3’s own error, and alias/aws/s3 is the server’s key', async () => {
    const Bucket = await newBucket(s3)
    const put = (SSEKMSKeyId: string) =>
      s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...sse, SSEKMSKeyId }))
    expect(await failureOf(put('alias/nothing'))).toEqual({ code: 'KMS.NotFoundException', status: 400 })
    expect((await put('alias/aws/s3')).SSEKMSKeyId).toBe('local/coffer')
  })

  it('name keys for `coffer key`', async () => {
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/cli', TargetKeyId: green }))
    expect(await cofferJson(server, ['key', 'describe', 'alias/cli'])).toMatchObject({ keyId: green })
    expect(await cofferJson(server, ['key', 'usage', 'alias/cli'])).toMatchObject({ connector: 'local', keyId: green })
    const report = await cofferJson(server, ['key', 'rewrap', 'alias/cli', '--dry-run'])
    expect(report).toMatchObject({ from: `local/${green}`, to: `local/${green}` })
  })
})
