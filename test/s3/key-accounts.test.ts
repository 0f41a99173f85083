import { CreateAliasCommand, CreateKeyCommand, GetKeyPolicyCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms'
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteBucketEncryptionCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
  UpdateObjectEncryptionCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, it } from 'vitest'
import { sendSigned } from '../harness/raw-request.ts'
import { bytesOf, newBucket } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { policy } from '../iam/query-api.ts'
import { newTenant, outcomeOf } from '../kms-api/tenants.ts'

/** One worker: what was changed is in force at once. */
const server = await serverForSuite({ workers: 1 })
const [blue, red] = [await newTenant(server, 'blue'), await newTenant(server, 'red')]
const blues = await newBucket(blue.s3)
const reds = await newBucket(red.s3)
const KMS = { ServerSideEncryption: 'aws:kms' } as const
const NOT_FOUND = 'KMS.NotFoundException'
const REFUSED = 'AccessDenied'

let key = { KeyId: '', Arn: '' }
let redKeyId = ''
let defaultPolicy = ''

const arnOf = (accountId: string, name: string) => `arn:aws:kms:us-east-1:${accountId}:${name}`
const put = (client: S3Client, Bucket: string, SSEKMSKeyId?: string) => {
  const under = SSEKMSKeyId === undefined ? {} : { ...KMS, SSEKMSKeyId }
  return outcomeOf(client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...under })))
}
const get = (client: S3Client, Bucket: string, Key: string) =>
  outcomeOf(client.send(new GetObjectCommand({ Bucket, Key })))
const setDefault = (client: S3Client, Bucket: string, KMSMasterKeyID: string, BucketKeyEnabled = true) => {
  const Rules = [
    { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' as const, KMSMasterKeyID }, BucketKeyEnabled },
  ]
  return outcomeOf(
    client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } })),
  )
}
const toRed = async (...Action: readonly string[]) => {
  const statement = { Effect: 'Allow', Principal: { AWS: red.accountId }, Action, Resource: '*' }
  const { Statement, ...rest } = JSON.parse(defaultPolicy)
  const Policy = JSON.stringify({ ...rest, Statement: Action.length === 0 ? Statement : [...Statement, statement] })
  await blue.kms.send(new PutKeyPolicyCommand({ KeyId: key.KeyId, Policy }))
}
/** Another account may do everything with the objects of a bucket. */
const open = (client: S3Client, Bucket: string, AWS: string) =>
  client.send(
    new PutBucketPolicyCommand({
      Bucket,
      Policy: policy({
        Effect: 'Allow',
        Principal: { AWS },
        Action: 's3:*Object*',
        Resource: `arn:aws:s3:::${Bucket}/*`,
      }),
    }),
  )

beforeAll(async () => {
  const { KeyMetadata } = await blue.kms.send(new CreateKeyCommand({}))
  key = { KeyId: KeyMetadata?.KeyId ?? '', Arn: KeyMetadata?.Arn ?? '' }
  redKeyId = (await red.kms.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''
  defaultPolicy = (await blue.kms.send(new GetKeyPolicyCommand({ KeyId: key.KeyId }))).Policy ?? ''
  await blue.kms.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: key.KeyId }))
  await red.kms.send(new CreateAliasCommand({ AliasName: 'alias/app', TargetKeyId: redKeyId }))
  await open(blue.s3, blues, red.accountId)
  await open(red.s3, reds, blue.accountId)
  for (const [Key, BucketKeyEnabled] of [
    ['direct', false],
    ['bucket-key', true],
  ] as const) {
    const under = { ...KMS, SSEKMSKeyId: key.KeyId, BucketKeyEnabled }
    await blue.s3.send(new PutObjectCommand({ Bucket: blues, Key, Body: 'secret', ...under }))
  }
  await red.s3.send(new PutObjectCommand({ Bucket: reds, Key: 'plain', Body: 'x' }))
})

describe('a key of another account', () => {
  it('is not named by its id, nor used by its ARN: who may not use it is told nothing of it', async () => {
    const names: readonly (readonly [name: string, code: string])[] = [
      [key.KeyId, NOT_FOUND],
      [`local/${key.KeyId}`, NOT_FOUND],
      [arnOf(red.accountId, `key/${key.KeyId}`), NOT_FOUND],
      ['no-such-key', NOT_FOUND],
      [key.Arn, REFUSED],
      [arnOf(blue.accountId, 'key/no-such-key'), REFUSED],
      [arnOf(blue.accountId, 'alias/app'), REFUSED],
      [arnOf(blue.accountId, 'alias/no-such-alias'), REFUSED],
      ['alias/no-such-alias', NOT_FOUND],
    ]
    for (const [SSEKMSKeyId, code] of names) {
      const under = { Bucket: reds, Key: 'k', ...KMS, SSEKMSKeyId }
      const copy = new CopyObjectCommand({ ...under, CopySource: `${reds}/plain` })
      const ObjectEncryption = { SSEKMS: { KMSKeyArn: SSEKMSKeyId } }
      const update = new UpdateObjectEncryptionCommand({ Bucket: reds, Key: 'plain', ObjectEncryption })
      const outcomes = [
        await put(red.s3, reds, SSEKMSKeyId),
        await outcomeOf(red.s3.send(copy)),
        await outcomeOf(red.s3.send(new CreateMultipartUploadCommand(under))),
        await outcomeOf(red.s3.send(update)),
        await outcomeOf(
          red.s3.send(new PutObjectCommand({ ...under, Body: 'x', ServerSideEncryption: 'aws:kms:dsse' })),
        ),
      ]
      expect([SSEKMSKeyId, ...outcomes]).toEqual([SSEKMSKeyId, code, code, code, code, code])
    }
    expect(await get(red.s3, reds, 'k')).toBe('NoSuchKey')
  })

  it('that is there is refused in the very words of one that is not', async () => {
    const told = async (SSEKMSKeyId: string) => {
      const put = new PutObjectCommand({ Bucket: reds, Key: 'k', Body: 'x', ...KMS, SSEKMSKeyId })
      return await red.s3.send(put).catch(({ name, message }: Error) => [name, message])
    }
    const refusal = await told(arnOf(blue.accountId, 'key/no-such-key'))
    expect(refusal).toEqual([REFUSED, expect.stringContaining('or it does not exist')])
    for (const name of [key.Arn, arnOf(blue.accountId, 'alias/app'), arnOf(blue.accountId, 'alias/no-such-alias')]) {
      expect([name, await told(name)]).toEqual([name, refusal])
    }
  })

  it('is not told of by the refusals of a policy that its writer has made for that', async () => {
    const Bucket = await newBucket(red.s3)
    const header = 's3:x-amz-server-side-encryption-aws-kms-key-id'
    const guess = `${arnOf(blue.accountId, 'key/')}${key.KeyId.slice(0, 4)}*`
    const Condition = { StringLike: { [header]: guess } }
    const all = {
      Effect: 'Deny',
      Principal: '*',
      Action: 's3:*Object',
      Resource: `arn:aws:s3:::${Bucket}/*`,
      Condition,
    }
    await red.s3.send(new PutBucketPolicyCommand({ Bucket, Policy: policy(all) }))
    // What comes after the bucket's policy, and would tell that it was passed.
    const wrong = { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==', Tagging: '=&=', IfMatch: '"none"' }
    const told = async (SSEKMSKeyId: string, more: object) => {
      const put = new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...KMS, SSEKMSKeyId, ...more })
      return await red.s3.send(put).catch(({ name, message }: Error) => [name, message])
    }
    const unused = async (SSEKMSKeyId: string) =>
      (
        await sendSigned(
          { ...server, ...red.keys },
          { method: 'GET', path: `/${Bucket}/k`, headers: { [header.slice(3)]: SSEKMSKeyId } },
        )
      ).status
    const [there, absent] = [arnOf(blue.accountId, 'alias/app'), arnOf(blue.accountId, 'alias/no-such-alias')]
    for (const more of [{}, ...Object.entries(wrong).map(([name, value]) => ({ [name]: value }))]) {
      expect([more, await told(there, more)]).toEqual([more, await told(absent, more)])
    }
    expect(await unused(there)).toBe(await unused(absent))
    // Who may use the key is held by the policy to what the alias names.
    await toRed('kms:GenerateDataKey', 'kms:Decrypt')
    expect(await told(there, {})).toEqual([REFUSED, 'Access Denied'])
    await toRed()
  })

  it('opens no object to who may read the object, by no way', async () => {
    for (const Key of ['direct', 'bucket-key']) {
      const CopySource = `${blues}/${Key}`
      const target = { Bucket: reds, Key: 'stolen' }
      const { UploadId } = await red.s3.send(new CreateMultipartUploadCommand(target))
      const part = new UploadPartCopyCommand({ ...target, UploadId, PartNumber: 1, CopySource })
      const ObjectEncryption = { SSEKMS: { KMSKeyArn: redKeyId } }
      const update = new UpdateObjectEncryptionCommand({ Bucket: blues, Key, ObjectEncryption })
      expect([
        await get(red.s3, blues, Key),
        await outcomeOf(red.s3.send(new CopyObjectCommand({ ...target, CopySource }))),
        await outcomeOf(red.s3.send(part)),
        await outcomeOf(red.s3.send(update)),
      ]).toEqual([REFUSED, REFUSED, REFUSED, REFUSED])
    }
    expect(await get(red.s3, reds, 'stolen')).toBe('NoSuchKey')
  })

  it('is used by its ARN where its policy says so, and no longer than that', async () => {
    await toRed('kms:GenerateDataKey', 'kms:Decrypt')
    expect([await put(red.s3, reds, key.Arn), await put(red.s3, reds, arnOf(blue.accountId, 'alias/app'))]).toEqual([
      'done',
      'done',
    ])
    expect(await put(red.s3, reds, key.KeyId)).toBe(NOT_FOUND)
    for (const Key of ['direct', 'bucket-key']) {
      const got = await red.s3.send(new GetObjectCommand({ Bucket: blues, Key }))
      expect((await bytesOf(got)).toString()).toBe('secret')
    }
    expect(await get(red.s3, reds, 'k')).toBe('done')
    await toRed()
    expect([await get(red.s3, reds, 'k'), await get(red.s3, blues, 'direct')]).toEqual([REFUSED, REFUSED])
    expect(await put(red.s3, reds, key.Arn)).toBe(REFUSED)
  })
})

describe('the default encryption of a bucket', () => {
  it('names keys of the bucket’s owner, and those of others by ARN, which gives nobody leave for them', async () => {
    expect(await setDefault(red.s3, reds, key.KeyId)).toBe(NOT_FOUND)
    expect(await setDefault(red.s3, reds, 'no-such-key')).toBe(NOT_FOUND)
    expect(await setDefault(red.s3, reds, redKeyId)).toBe('done')
    expect(await put(red.s3, reds)).toBe('done')
    for (const [arn, bucketKey] of [
      [key.Arn, true],
      [key.Arn, false],
      [arnOf(blue.accountId, 'key/no-such-key'), true],
      [arnOf(blue.accountId, 'alias/app'), true],
    ] as const) {
      expect(await setDefault(red.s3, reds, arn, bucketKey)).toBe('done')
      expect([arn, await put(red.s3, reds)]).toEqual([arn, REFUSED])
    }
    await setDefault(red.s3, reds, key.Arn)
    const { ServerSideEncryptionConfiguration: shown } = await red.s3.send(
      new GetBucketEncryptionCommand({ Bucket: reds }),
    )
    expect(shown?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.KMSMasterKeyID).toBe(key.Arn)
    await toRed('kms:GenerateDataKey', 'kms:Decrypt')
    const stored = await red.s3.send(new PutObjectCommand({ Bucket: reds, Key: 'k', Body: 'y' }))
    expect(stored).toMatchObject({ ...KMS, SSEKMSKeyId: key.Arn, BucketKeyEnabled: true })
    expect((await bytesOf(await red.s3.send(new GetObjectCommand({ Bucket: reds, Key: 'k' })))).toString()).toBe('y')
    await toRed()
    expect([await put(red.s3, reds), await get(red.s3, reds, 'k')]).toEqual([REFUSED, REFUSED])
  })

  it('names by an alias what its owner calls so, whoever writes', async () => {
    await red.s3.send(new DeleteBucketEncryptionCommand({ Bucket: reds }))
    expect(await setDefault(red.s3, reds, 'alias/app')).toBe('done')
    const stored = await red.s3.send(new PutObjectCommand({ Bucket: reds, Key: 'k', Body: 'x' }))
    expect(stored.SSEKMSKeyId).toBe(`local/${redKeyId}`)
    // Blue has an alias of this name too, and may use the key that it names: it is not what the bucket means.
    expect(await put(blue.s3, reds)).toBe(REFUSED)
    expect(await put(blue.s3, reds, 'alias/app')).toBe('done')
    expect([await get(blue.s3, reds, 'k'), await get(red.s3, reds, 'k')]).toEqual(['done', REFUSED])
  })
})

describe('the server’s own key', () => {
  it('is everybody’s in S3, as aws/s3 is, by each of its names', async () => {
    for (const name of ['alias/aws/s3', 'coffer', arnOf(red.accountId, 'alias/aws/s3')]) {
      expect([name, await put(red.s3, reds, name)]).toEqual([name, 'done'])
      expect(await get(red.s3, reds, 'k')).toBe('done')
    }
  })
})
