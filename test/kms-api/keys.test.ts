import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  type CreateKeyCommandInput,
  DescribeKeyCommand,
  DisableKeyCommand,
  DisableKeyRotationCommand,
  EnableKeyCommand,
  EnableKeyRotationCommand,
  GenerateDataKeyCommand,
  GetKeyPolicyCommand,
  GetKeyRotationStatusCommand,
  ListKeyPoliciesCommand,
  ListKeyRotationsCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  PutKeyPolicyCommand,
  RotateKeyOnDemandCommand,
  ScheduleKeyDeletionCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms'
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { kmsClient } from './kms-client.ts'

const server = await serverForSuite()
const kms = kmsClient(server)
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const DAY_MS = 24 * 3600 * 1000

async function newKey(input: CreateKeyCommandInput = {}): Promise<{ KeyId: string; Arn: string }> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand(input))
  return { KeyId: KeyMetadata?.KeyId ?? '', Arn: KeyMetadata?.Arn ?? '' }
}

describe('keys over the AWS KMS API', () => {
  it('are made with a random UUID, a description and tags, and described by id and by ARN', async () => {
    const Tags = [{ TagKey: 'team', TagValue: 'blue' }]
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({ Description: 'payments', Tags }))
    const { KeyId = '', Arn = '' } = KeyMetadata ?? {}
    expect(KeyId).toMatch(UUID)
    expect(Arn).toMatch(new RegExp(`^arn:aws:kms:us-east-1:\\d{12}:key/${KeyId}$`))
    for (const name of [KeyId, Arn]) {
      const described = await kms.send(new DescribeKeyCommand({ KeyId: name }))
      expect(described.KeyMetadata).toEqual(KeyMetadata)
    }
    expect(KeyMetadata).toMatchObject({
      Description: 'payments',
      Enabled: true,
      KeyState: 'Enabled',
      KeyUsage: 'ENCRYPT_DECRYPT',
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyManager: 'CUSTOMER',
    })
    expect(Math.abs(Number(KeyMetadata?.CreationDate) - Date.now())).toBeLessThan(60_000)
    expect((await kms.send(new ListResourceTagsCommand({ KeyId }))).Tags).toEqual(Tags)
    expect(await cofferJson(server, ['key', 'describe', KeyId])).toMatchObject({ state: 'enabled', currentVersion: 1 })
  })

  it.each([
    [{ KeySpec: 'RSA_2048' }],
    [{ KeyUsage: 'SIGN_VERIFY' }],
    [{ MultiRegion: true }],
    [{ Origin: 'EXTERNAL' }],
  ] as const)('that only AWS has are refused: %j', async (input) => {
    const refused = await failureOf(kms.send(new CreateKeyCommand(input)))
    expect(refused).toEqual({ code: 'UnsupportedOperationException', status: 400 })
  })

  it('are listed page by page, each once, also those that the command line made', async () => {
    await cofferJson(server, ['key', 'create', 'by-hand'])
    for (let count = 0; count < 5; count++) await newKey()
    const all = (await kms.send(new ListKeysCommand({}))).Keys?.map(({ KeyId }) => KeyId) ?? []
    expect(all).toContain('by-hand')
    const paged: (string | undefined)[] = []
    for (let Marker: string | undefined; ; ) {
      const page = await kms.send(new ListKeysCommand({ Limit: 2, ...(Marker && { Marker }) }))
      paged.push(...(page.Keys ?? []).map(({ KeyId }) => KeyId))
      expect(page.Keys?.length).toBeLessThanOrEqual(2)
      if (!page.Truncated) break
      Marker = page.NextMarker
    }
    expect(paged).toEqual(all)
    expect(new Set(paged).size).toBe(paged.length)
    const refused = await failureOf(kms.send(new ListKeysCommand({ Marker: '&&&' })))
    expect(refused.code).toBe('InvalidMarkerException')
  })

  it('that are disabled do nothing until they are enabled again', async () => {
    const { KeyId } = await newKey()
    const use = () => kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
    await kms.send(new DisableKeyCommand({ KeyId }))
    expect((await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState).toBe('Disabled')
    expect(await failureOf(use())).toEqual({ code: 'DisabledException', status: 400 })
    expect((await failureOf(kms.send(new RotateKeyOnDemandCommand({ KeyId })))).code).toBe('DisabledException')
    await kms.send(new EnableKeyCommand({ KeyId }))
    await use()
  })

  it('wait for their deletion, can be kept, and are disabled then', async () => {
    const { KeyId, Arn } = await newKey()
    const scheduled = await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
    expect(scheduled).toMatchObject({ KeyId: Arn, KeyState: 'PendingDeletion', PendingWindowInDays: 7 })
    const inDays = (Number(scheduled.DeletionDate) - Date.now()) / DAY_MS
    expect(inDays).toBeCloseTo(7, 1)
    const use = kms.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
    expect(await failureOf(use)).toEqual({ code: 'KMSInvalidStateException', status: 400 })
    expect((await failureOf(kms.send(new EnableKeyCommand({ KeyId })))).code).toBe('KMSInvalidStateException')
    expect(await kms.send(new CancelKeyDeletionCommand({ KeyId }))).toMatchObject({ KeyId: Arn })
    expect((await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata).toMatchObject({ KeyState: 'Disabled' })
    expect((await failureOf(kms.send(new CancelKeyDeletionCommand({ KeyId })))).code).toBe('KMSInvalidStateException')
    const tooSoon = kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 6 }))
    expect((await failureOf(tooSoon)).code).toBe('ValidationException')
  })

  it('are not deleted while they seal an object', async () => {
    const { KeyId } = await newKey()
    const s3 = s3Client(server)
    const sse = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyId } as const
    await s3.send(new PutObjectCommand({ Bucket: await newBucket(s3), Key: 'k', Body: 'x', ...sse }))
    const refused = await failureOf(kms.send(new ScheduleKeyDeletionCommand({ KeyId })))
    expect(refused).toEqual({ code: 'KMSInvalidStateException', status: 400 })
  })

  it('are deleted once the bucket is empty that had bucket keys of theirs, or gone', async () => {
    const s3 = s3Client(server)
    for (const removed of ['objects', 'bucket'] as const) {
      const { KeyId } = await newKey()
      const schedule = () => kms.send(new ScheduleKeyDeletionCommand({ KeyId }))
      const object = { Bucket: await newBucket(s3), Key: 'k' }
      const sse = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyId, BucketKeyEnabled: true } as const
      await s3.send(new PutObjectCommand({ ...object, Body: 'x', ...sse }))
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...object, ...sse }))
      expect((await failureOf(schedule())).code).toBe('KMSInvalidStateException')
      await s3.send(new DeleteObjectCommand(object))
      expect((await failureOf(schedule())).code).toBe('KMSInvalidStateException')
      if (removed === 'bucket') await s3.send(new DeleteBucketCommand(object))
      else await s3.send(new AbortMultipartUploadCommand({ ...object, UploadId }))
      expect(await schedule()).toMatchObject({ KeyState: 'PendingDeletion' })
    }
  })

  it('of the server itself cannot be put out of use here', async () => {
    // The first write makes it.
    await newBucket(s3Client(server))
    expect((await kms.send(new DescribeKeyCommand({ KeyId: 'coffer' }))).KeyMetadata?.KeyManager).toBe('AWS')
    for (const KeyId of ['coffer', 'local/coffer']) {
      const disabled = await failureOf(kms.send(new DisableKeyCommand({ KeyId })))
      const deleted = await failureOf(kms.send(new ScheduleKeyDeletionCommand({ KeyId })))
      expect([disabled.code, deleted.code]).toEqual(['UnsupportedOperationException', 'UnsupportedOperationException'])
    }
  })

  it.each([
    ['an unknown id', 'c0ffee00-0000-4000-8000-000000000000', 'NotFoundException'],
    ['no possible id', 'a b', 'NotFoundException'],
    ['a connector that is not there', 'nowhere/k', 'NotFoundException'],
    ['an ARN of another service', 'arn:aws:s3:::bucket', 'InvalidArnException'],
    ['an ARN of another region', 'arn:aws:kms:eu-west-1:123456789012:key/k', 'NotFoundException'],
    // As one that is there, and not for this account.
    ['an ARN of another account', 'arn:aws:kms:us-east-1:000000000000:key/k', 'AccessDeniedException'],
    ['a path', '../../key', 'NotFoundException'],
  ])('are not found by %s', async (_, KeyId, code) => {
    expect(await failureOf(kms.send(new DescribeKeyCommand({ KeyId })))).toEqual({ code, status: 400 })
  })
})

describe('what is kept of a key', () => {
  it('is its description and its tags, which change and go', async () => {
    const { KeyId } = await newKey({ Description: 'old' })
    await kms.send(new UpdateKeyDescriptionCommand({ KeyId, Description: 'new' }))
    expect((await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.Description).toBe('new')
    const Tags = ['a', 'b', 'c'].map((TagKey) => ({ TagKey, TagValue: TagKey }))
    await kms.send(new TagResourceCommand({ KeyId, Tags }))
    await kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: 'b', TagValue: 'other' }] }))
    await kms.send(new UntagResourceCommand({ KeyId, TagKeys: ['a'] }))
    const first = await kms.send(new ListResourceTagsCommand({ KeyId, Limit: 1 }))
    expect(first).toMatchObject({ Tags: [{ TagKey: 'b', TagValue: 'other' }], Truncated: true })
    const rest = await kms.send(new ListResourceTagsCommand({ KeyId, Limit: 1, Marker: first.NextMarker }))
    expect(rest).toMatchObject({ Tags: [{ TagKey: 'c', TagValue: 'c' }], Truncated: false })
    const reserved = kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: 'aws:x', TagValue: '' }] }))
    expect((await failureOf(reserved)).code).toBe('TagException')
    const many = Array.from({ length: 51 }, (_, index) => ({ TagKey: `k${index}`, TagValue: 'v' }))
    expect((await failureOf(kms.send(new CreateKeyCommand({ Tags: many })))).code).toBe('TagException')
  })

  it('is when it rotates: a setting with its next date, and the rotations that were', async () => {
    const { KeyId, Arn } = await newKey()
    const status = () => kms.send(new GetKeyRotationStatusCommand({ KeyId }))
    expect(await status()).toMatchObject({ KeyId: Arn, KeyRotationEnabled: false })
    await kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }))
    const enabled = await status()
    expect(enabled).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 })
    expect((Number(enabled.NextRotationDate) - Date.now()) / DAY_MS).toBeCloseTo(90, 1)
    expect(await kms.send(new RotateKeyOnDemandCommand({ KeyId }))).toMatchObject({ KeyId: Arn })
    const { Rotations } = await kms.send(new ListKeyRotationsCommand({ KeyId }))
    expect(Rotations).toEqual([{ KeyId: Arn, RotationDate: expect.any(Date), RotationType: 'ON_DEMAND' }])
    await kms.send(new DisableKeyRotationCommand({ KeyId }))
    expect((await status()).KeyRotationEnabled).toBe(false)
    for (const RotationPeriodInDays of [89, 2561]) {
      const refused = kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays }))
      expect((await failureOf(refused)).code).toBe('ValidationException')
    }
  })

  it('is the default policy until another is put, which must be one and leave its author in', async () => {
    const { KeyId } = await newKey()
    const { Policy = '' } = await kms.send(new GetKeyPolicyCommand({ KeyId }))
    expect(JSON.parse(Policy).Statement).toHaveLength(1)
    expect((await kms.send(new ListKeyPoliciesCommand({ KeyId }))).PolicyNames).toEqual(['default'])
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy }))
    const denying = JSON.stringify({ ...JSON.parse(Policy), Statement: [] })
    const put = (text: string) => failureOf(kms.send(new PutKeyPolicyCommand({ KeyId, Policy: text })))
    expect((await put(denying)).code).toBe('MalformedPolicyDocumentException')
    const others = Policy.replace(/arn:aws:iam::\d{12}:root/, 'arn:aws:iam::000000000000:root')
    expect((await put(others)).code).toBe('MalformedPolicyDocumentException')
    expect((await put('{')).code).toBe('MalformedPolicyDocumentException')
    expect((await put(`"${'x'.repeat(40_000)}"`)).code).toBe('LimitExceededException')
    const made = await failureOf(kms.send(new CreateKeyCommand({ Policy: denying })))
    expect(made.code).toBe('MalformedPolicyDocumentException')
  })
})
