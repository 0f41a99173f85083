import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  ListKeysCommand,
  PutKeyPolicyCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { kmsClient } from './kms-client.ts'

/** One worker: a policy is in force there at once. */
const server = await serverForSuite({ workers: 1 })
const kms = kmsClient(server)
const s3 = s3Client(server)
const bucket = await newBucket(s3)
const { account, accessKey } = JSON.parse((await coffer(['account', 'create', 'guest', '--json'], server.env)).stdout)
const guest = { ...server, accessKeyId: accessKey.accessKeyId, secretAccessKey: accessKey.secretAccessKey }
const guestS3 = s3Client(guest)
const guestKms = kmsClient(guest)
const GUEST = `arn:aws:iam::${account.accountId}:root`
const POLL = { timeout: 60_000, interval: 200 }

let KeyId = ''
let keyArn = ''
let defaultPolicy = ''
const KMS = { ServerSideEncryption: 'aws:kms' } as const

const put = (client: typeof s3, Key: string, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x', ...KMS, SSEKMSKeyId: keyArn, ...more }))
const get = (client: typeof s3, Key: string) => client.send(new GetObjectCommand({ Bucket: bucket, Key }))
const outcomeOf = (done: Promise<unknown>) =>
  failureOf(done).then(
    ({ code }) => code,
    () => 'done',
  )
/** The default statement and others. */
const setPolicy = (...statements: readonly object[]) => {
  const policy = JSON.parse(defaultPolicy)
  const Policy = JSON.stringify({ ...policy, Statement: [...policy.Statement, ...statements] })
  return kms.send(new PutKeyPolicyCommand({ KeyId, Policy }))
}
const forGuest = (Action: readonly string[], Condition: object = {}) => ({
  Effect: 'Allow',
  Principal: { AWS: GUEST },
  Action,
  Resource: '*',
  Condition,
})

beforeAll(async () => {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Description: 'shared' }))
  KeyId = KeyMetadata?.KeyId ?? ''
  keyArn = KeyMetadata?.Arn ?? ''
  defaultPolicy = (await kms.send(new GetKeyPolicyCommand({ KeyId }))).Policy ?? ''
  const Statement = {
    Effect: 'Allow',
    Principal: { AWS: GUEST },
    Action: ['s3:GetObject', 's3:PutObject'],
    Resource: `arn:aws:s3:::${bucket}/*`,
  }
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  await put(s3, 'secret')
  await put(s3, 'with-context', {
    SSEKMSEncryptionContext: Buffer.from(JSON.stringify({ team: 'blue' })).toString('base64'),
  })
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'plain', Body: 'x' }))
})

describe('who may get and put objects, but not use the key that they are under,', () => {
  it('gets AccessDenied, and everything else', async () => {
    expect((await bytesOf(await get(guestS3, 'plain'))).toString()).toBe('x')
    expect(await failureOf(get(guestS3, 'secret'))).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await failureOf(put(guestS3, 'mine'))).toMatchObject({ status: 403, code: 'AccessDenied' })
    const CopySource = `${bucket}/secret`
    const copy = new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource, ServerSideEncryption: 'AES256' })
    expect((await failureOf(guestS3.send(copy))).code).toBe('AccessDenied')
    const upload = new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'parts', ...KMS, SSEKMSKeyId: keyArn })
    expect((await failureOf(guestS3.send(upload))).code).toBe('AccessDenied')
    expect((await bytesOf(await get(s3, 'secret'))).toString()).toBe('x')
  })

  it('may use the key of the server itself, as everybody may use aws/s3', async () => {
    expect(await guestS3.send(new PutObjectCommand({ Bucket: bucket, Key: 'own', Body: 'x', ...KMS }))).toMatchObject(
      KMS,
    )
    expect((await bytesOf(await get(guestS3, 'own'))).toString()).toBe('x')
  })
})

describe('a key policy', () => {
  it('lets another account read, or read and write', async () => {
    await setPolicy(forGuest(['kms:Decrypt']))
    await expect.poll(() => outcomeOf(get(guestS3, 'secret')), POLL).toBe('done')
    expect(await outcomeOf(put(guestS3, 'mine'))).toBe('AccessDenied')
    await setPolicy(forGuest(['kms:Decrypt', 'kms:GenerateDataKey']))
    await expect.poll(() => outcomeOf(put(guestS3, 'mine')), POLL).toBe('done')
    const upload = { Bucket: bucket, Key: 'parts' }
    const { UploadId } = await guestS3.send(
      new CreateMultipartUploadCommand({ ...upload, ...KMS, SSEKMSKeyId: keyArn }),
    )
    const part = new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: 'x' })
    const { ETag } = await guestS3.send(part)
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await guestS3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }))
    expect((await bytesOf(await get(guestS3, 'parts'))).toString()).toBe('x')
  })

  it('is held to by its conditions: through S3 only, and for one encryption context', async () => {
    await setPolicy(forGuest(['kms:*'], { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } }))
    await expect.poll(() => outcomeOf(get(guestS3, 'secret')), POLL).toBe('done')
    const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('p') }))
    const decrypt = () => guestKms.send(new DecryptCommand({ CiphertextBlob, KeyId: keyArn }))
    await expect.poll(() => outcomeOf(decrypt()), POLL).toBe('AccessDeniedException')
    await setPolicy(forGuest(['kms:Decrypt'], { StringEquals: { 'kms:EncryptionContext:team': 'blue' } }))
    await expect.poll(() => outcomeOf(get(guestS3, 'secret')), POLL).toBe('AccessDenied')
    expect(await outcomeOf(get(guestS3, 'with-context'))).toBe('done')
  })

  it('lets another account use the key by the KMS API, and nothing but use it', async () => {
    await setPolicy(forGuest(['kms:*']))
    const encrypted = () => guestKms.send(new EncryptCommand({ KeyId: keyArn, Plaintext: Buffer.from('p') }))
    await expect.poll(() => outcomeOf(encrypted()), POLL).toBe('done')
    const { CiphertextBlob } = await encrypted()
    const { Plaintext } = await guestKms.send(new DecryptCommand({ CiphertextBlob }))
    expect(Buffer.from(Plaintext ?? []).toString()).toBe('p')
    expect(await outcomeOf(guestKms.send(new DescribeKeyCommand({ KeyId: keyArn })))).toBe('done')
    expect((await guestKms.send(new ListKeysCommand({}))).Keys).toEqual([])
    const take = new PutKeyPolicyCommand({ KeyId: keyArn, Policy: defaultPolicy })
    expect(await outcomeOf(guestKms.send(take))).toBe('AccessDeniedException')
  })

  it('binds the root of its own account too, with a Deny', async () => {
    await setPolicy({ Effect: 'Deny', Principal: '*', Action: 'kms:Decrypt', Resource: '*' })
    await expect.poll(() => outcomeOf(get(s3, 'secret')), POLL).toBe('AccessDenied')
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy: defaultPolicy }))
    await expect.poll(() => outcomeOf(get(s3, 'secret')), POLL).toBe('done')
  })

  it('can be given when the key is made, and is refused for the key of the server', async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Policy: defaultPolicy }))
    const { Policy } = await kms.send(new GetKeyPolicyCommand({ KeyId: KeyMetadata?.KeyId }))
    expect(JSON.parse(Policy ?? '')).toEqual(JSON.parse(defaultPolicy))
    const put = new PutKeyPolicyCommand({ KeyId: 'coffer', Policy: defaultPolicy })
    expect(await outcomeOf(kms.send(put))).toBe('UnsupportedOperationException')
  })

  it('keeps an alias on the key, for who may not take it from there', async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
    const AliasName = 'alias/kept'
    await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyId }))
    await setPolicy({ Effect: 'Deny', Principal: '*', Action: ['kms:UpdateAlias', 'kms:DeleteAlias'], Resource: '*' })
    const take = new UpdateAliasCommand({ AliasName, TargetKeyId: KeyMetadata?.KeyId })
    await expect.poll(() => outcomeOf(kms.send(take)), POLL).toBe('AccessDeniedException')
    expect(await outcomeOf(kms.send(new DeleteAliasCommand({ AliasName })))).toBe('AccessDeniedException')
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy: defaultPolicy }))
    await expect.poll(() => outcomeOf(kms.send(take)), POLL).toBe('done')
  })

  it('says which tags may be given to the key or taken from it', async () => {
    const Action = ['kms:TagResource', 'kms:UntagResource']
    const own = { Principal: { AWS: '*' }, Action, Resource: '*' }
    await setPolicy(
      { Effect: 'Deny', ...own, Condition: { 'ForAnyValue:StringNotEquals': { 'aws:TagKeys': ['team'] } } },
      { Effect: 'Deny', ...own, Condition: { StringEquals: { 'aws:RequestTag/team': 'theirs' } } },
    )
    const tag = (tags: Readonly<Record<string, string>>) => {
      const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }))
      return outcomeOf(kms.send(new TagResourceCommand({ KeyId, Tags })))
    }
    expect(await tag({ team: 'ours' })).toBe('done')
    expect(await tag({ team: 'theirs' })).toBe('AccessDeniedException')
    expect(await tag({ team: 'ours', class: 'open' })).toBe('AccessDeniedException')
    const untag = (...TagKeys: string[]) => outcomeOf(kms.send(new UntagResourceCommand({ KeyId, TagKeys })))
    expect(await untag('team', 'class')).toBe('AccessDeniedException')
    expect(await untag('team')).toBe('done')
  })

  it('may lock its author out only where that is said', async () => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [forGuest(['kms:Decrypt'])] })
    const locking = { KeyId: KeyMetadata?.KeyId, Policy }
    expect(await outcomeOf(kms.send(new PutKeyPolicyCommand(locking)))).toBe('MalformedPolicyDocumentException')
    await kms.send(new PutKeyPolicyCommand({ ...locking, BypassPolicyLockoutSafetyCheck: true }))
    const describe = () => kms.send(new DescribeKeyCommand({ KeyId: KeyMetadata?.KeyId }))
    await expect.poll(() => outcomeOf(describe()), POLL).toBe('AccessDeniedException')
  })
})
