import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteBucketLifecycleCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type LifecycleRule,
  ListPartsCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { s3apiOf } from '../harness/aws-cli.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)
const DAY_MS = 86_400_000

const setRules = (Bucket: string, Rules: LifecycleRule[]) =>
  s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))
const rulesOf = async (Bucket: string) => (await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules

/** Midnight after so many days from now. */
function dayAfter(days: number): string {
  return new Date(Math.ceil((Date.now() + days * DAY_MS) / DAY_MS) * DAY_MS).toUTCString()
}

describe('a lifecycle configuration', () => {
  it('is put, shown as it was put, replaced and deleted', async () => {
    const Bucket = await newBucket(s3)
    expect(await failureOf(rulesOf(Bucket))).toEqual({ code: 'NoSuchLifecycleConfiguration', status: 404 })
    const rules: LifecycleRule[] = [
      {
        ID: 'logs',
        Status: 'Enabled',
        Filter: { And: { Prefix: 'logs/', Tags: [{ Key: 'a', Value: '1' }], ObjectSizeGreaterThan: 10 } },
        Expiration: { Days: 30 },
        NoncurrentVersionExpiration: { NoncurrentDays: 7, NewerNoncurrentVersions: 3 },
      },
      { ID: 'uploads', Status: 'Disabled', Filter: {}, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } },
      { ID: 'old', Status: 'Enabled', Prefix: 'x', Expiration: { ExpiredObjectDeleteMarker: true } },
    ]
    await setRules(Bucket, rules)
    expect(await rulesOf(Bucket)).toEqual(rules)
    await setRules(Bucket, rules.slice(1))
    expect(await rulesOf(Bucket)).toEqual(rules.slice(1))
    await s3.send(new DeleteBucketLifecycleCommand({ Bucket }))
    expect((await failureOf(rulesOf(Bucket))).code).toBe('NoSuchLifecycleConfiguration')
  })

  it('that is refused leaves the one before', async () => {
    const Bucket = await newBucket(s3)
    const rule: LifecycleRule = { ID: 'r', Status: 'Enabled', Filter: {}, Expiration: { Days: 1 } }
    await setRules(Bucket, [rule])
    const refusals: [LifecycleRule[], string][] = [
      [[rule, rule], 'InvalidArgument'],
      [[{ ...rule, Expiration: { Days: 0 } }], 'InvalidArgument'],
      [[{ ...rule, Expiration: { Date: new Date(Date.UTC(2030, 0, 1, 5)) } }], 'InvalidArgument'],
      [[{ ID: 'r', Status: 'Enabled', Filter: {} }], 'InvalidRequest'],
      [[{ ...rule, Status: 'On' as 'Enabled' }], 'MalformedXML'],
      [[{ ...rule, Transitions: [{ Days: 1, StorageClass: 'GLACIER' }] }], 'InvalidStorageClass'],
      [[{ ...rule, Transitions: [{ Days: 0, StorageClass: 'GLACIER_IR' }] }], 'InvalidStorageClass'],
    ]
    for (const [rules, code] of refusals) expect((await failureOf(setRules(Bucket, rules))).code).toBe(code)
    expect(await rulesOf(Bucket)).toEqual([rule])
  })
})

describe('x-amz-expiration', () => {
  it('tells when the current version goes, and by which rule', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    await setRules(Bucket, [
      { ID: 'all logs', Status: 'Enabled', Filter: { Prefix: 'logs/' }, Expiration: { Days: 30 } },
      { ID: 'soon', Status: 'Enabled', Filter: { Tag: { Key: 'keep', Value: 'no' } }, Expiration: { Days: 2 } },
    ])
    const inMonth = `expiry-date="${dayAfter(30)}", rule-id="all%20logs"`
    const object = { Bucket, Key: 'logs/a' }
    const put = await s3.send(new PutObjectCommand({ ...object, Body: 'x' }))
    expect(put.Expiration).toBe(inMonth)
    expect((await s3.send(new HeadObjectCommand(object))).Expiration).toBe(inMonth)
    const tagged = await s3.send(new PutObjectCommand({ ...object, Body: 'x', Tagging: 'keep=no' }))
    expect(tagged.Expiration).toBe(`expiry-date="${dayAfter(2)}", rule-id="soon"`)
    expect((await s3.send(new GetObjectCommand(object))).Expiration).toBe(tagged.Expiration)
    const older = await s3.send(new HeadObjectCommand({ ...object, VersionId: put.VersionId }))
    expect(older.Expiration).toBeUndefined()
    expect((await s3.send(new PutObjectCommand({ Bucket, Key: 'other', Body: 'x' }))).Expiration).toBeUndefined()
    const copy = { Bucket, Key: 'logs/copy', CopySource: `${Bucket}/other` }
    expect((await s3.send(new CopyObjectCommand(copy))).Expiration).toBe(inMonth)
  })

  it('and x-amz-abort-date come with a multipart upload', async () => {
    const Bucket = await newBucket(s3)
    const Filter = { Prefix: 'p' }
    await setRules(Bucket, [
      { ID: 'abort', Status: 'Enabled', Filter, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 5 } },
      { ID: 'expire', Status: 'Enabled', Filter, Expiration: { Days: 1 } },
    ])
    const object = { Bucket, Key: 'p' }
    const { UploadId, AbortDate, AbortRuleId } = await s3.send(new CreateMultipartUploadCommand(object))
    expect([AbortDate?.toUTCString(), AbortRuleId]).toEqual([dayAfter(5), 'abort'])
    expect((await s3.send(new ListPartsCommand({ ...object, UploadId }))).AbortRuleId).toBe('abort')
    const { ETag } = await s3.send(new UploadPartCommand({ ...object, UploadId, PartNumber: 1, Body: 'x' }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }))
    expect(done.Expiration).toBe(`expiry-date="${dayAfter(1)}", rule-id="expire"`)
  })
})

describe('a document that is no configuration', () => {
  it.each(['<LifecycleConfiguration/>', '<LifecycleConfiguration><Rule/></LifecycleConfiguration>', '<Other/>', '<'])(
    '%s is MalformedXML',
    async (body) => {
      const Bucket = await newBucket(s3)
      const answer = await sendSigned(server, { method: 'PUT', path: `/${Bucket}`, query: { lifecycle: '' }, body })
      expect([answer.status, answer.code]).toEqual([400, 'MalformedXML'])
    },
  )
})

describeWithPrograms('the AWS CLI', ['aws'], ({ aws }) => {
  it('puts, shows and deletes rules', async () => {
    const bucket = await newBucket(s3)
    const s3api = s3apiOf(aws, server)
    const Rules = [{ ID: 'r', Filter: { Prefix: 'tmp/' }, Status: 'Enabled', Expiration: { Days: 3 } }]
    const configuration = ['--lifecycle-configuration', JSON.stringify({ Rules })]
    await s3api('put-bucket-lifecycle-configuration', '--bucket', bucket, ...configuration)
    const shown = JSON.parse(await s3api('get-bucket-lifecycle-configuration', '--bucket', bucket))
    expect(shown.Rules).toEqual(Rules)
    await s3api('delete-bucket-lifecycle', '--bucket', bucket)
    const get = s3api('get-bucket-lifecycle-configuration', '--bucket', bucket)
    await expect(get).rejects.toThrow('NoSuchLifecycleConfiguration')
  })
})
