import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectCommand,
  DeleteObjectTaggingCommand,
  GetBucketTaggingCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { s3apiOf } from '../harness/aws-cli.ts'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)

type TagMap = Readonly<Record<string, string>>
const tagSetOf = (tags: TagMap) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))

async function tagsOf(Bucket: string, Key: string, VersionId?: string): Promise<TagMap> {
  const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key, ...(VersionId && { VersionId }) }))
  return Object.fromEntries((TagSet ?? []).map((tag) => [tag.Key, tag.Value ?? '']))
}

async function setTags(Bucket: string, Key: string, tags: TagMap, VersionId?: string): Promise<string | undefined> {
  const Tagging = { TagSet: tagSetOf(tags) }
  const command = new PutObjectTaggingCommand({ Bucket, Key, Tagging, ...(VersionId && { VersionId }) })
  return (await s3.send(command)).VersionId
}

describe('tags of an object', () => {
  it('are put, replaced and deleted, and nothing else of it changes', async () => {
    const Bucket = await newBucket(s3)
    const object = { Bucket, Key: 'k' }
    await s3.send(new PutObjectCommand({ ...object, Body: 'data', Metadata: { kept: 'yes' }, Tagging: 'a=1&b=x%20y' }))
    const before = await s3.send(new HeadObjectCommand(object))
    expect(before.TagCount).toBe(2)
    expect(await tagsOf(Bucket, 'k')).toEqual({ a: '1', b: 'x y' })
    await setTags(Bucket, 'k', { c: 'straße 東京' })
    expect(await tagsOf(Bucket, 'k')).toEqual({ c: 'straße 東京' })
    await s3.send(new DeleteObjectTaggingCommand(object))
    expect(await tagsOf(Bucket, 'k')).toEqual({})
    const { TagCount, ...after } = await s3.send(new HeadObjectCommand(object))
    expect(TagCount).toBeUndefined()
    const { TagCount: _, ...same } = before
    expect({ ...after, $metadata: undefined }).toEqual({ ...same, $metadata: undefined })
  })

  it('belong to a version', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    const put = (Body: string) => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body, Tagging: `is=${Body}` }))
    const { VersionId: first = '' } = await put('first')
    const { VersionId: second = '' } = await put('second')
    expect(await setTags(Bucket, 'k', { is: 'changed' }, first)).toBe(first)
    expect(await tagsOf(Bucket, 'k')).toEqual({ is: 'second' })
    expect(await tagsOf(Bucket, 'k', first)).toEqual({ is: 'changed' })
    const removed = await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'k', VersionId: second }))
    expect(removed.VersionId).toBe(second)
    expect(await tagsOf(Bucket, 'k', first)).toEqual({ is: 'changed' })
    const { VersionId: marker = '' } = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect((await failureOf(tagsOf(Bucket, 'k'))).code).toBe('MethodNotAllowed')
    expect((await failureOf(setTags(Bucket, 'k', {}, marker))).code).toBe('MethodNotAllowed')
    expect((await failureOf(tagsOf(Bucket, 'k', '0'.repeat(32)))).code).toBe('NoSuchVersion')
  })

  it('are copied, or replaced, whatever happens to the metadata', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', Metadata: { m: '1' }, Tagging: 'a=1' }))
    const copy = async (Key: string, more: object) => {
      await s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/k`, ...more }))
      const { Metadata } = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      return { tags: await tagsOf(Bucket, Key), metadata: Metadata }
    }
    expect(await copy('plain', {})).toEqual({ tags: { a: '1' }, metadata: { m: '1' } })
    expect(await copy('tags', { TaggingDirective: 'REPLACE', Tagging: 'b=2' })).toEqual({
      tags: { b: '2' },
      metadata: { m: '1' },
    })
    expect(await copy('none', { TaggingDirective: 'REPLACE' })).toEqual({ tags: {}, metadata: { m: '1' } })
    const metadata = { MetadataDirective: 'REPLACE', Metadata: { n: '2' } }
    expect(await copy('metadata', metadata)).toEqual({ tags: { a: '1' }, metadata: { n: '2' } })
    const failure = await failureOf(copy('never', { TaggingDirective: 'MIX' }))
    expect(failure).toEqual({ code: 'InvalidArgument', status: 400 })
  })

  it('come with a multipart upload', async () => {
    const Bucket = await newBucket(s3)
    const object = { Bucket, Key: 'k' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...object, Tagging: 'a=1' }))
    const part = { ...object, UploadId, PartNumber: 1 }
    const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: 'x' }))
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
    await s3.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }))
    expect(await tagsOf(Bucket, 'k')).toEqual({ a: '1' })
  })

  it('are refused beyond the limits, and the old ones stay', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', Tagging: 'a=1' }))
    const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, 'v']))
    expect((await failureOf(setTags(Bucket, 'k', eleven))).code).toBe('BadRequest')
    for (const bad of [{ ['k'.repeat(129)]: '' }, { k: 'v'.repeat(257) }, { 'aws:k': '' }, { 'k<': '' }]) {
      expect(await failureOf(setTags(Bucket, 'k', bad))).toEqual({ code: 'InvalidTag', status: 400 })
    }
    expect(await tagsOf(Bucket, 'k')).toEqual({ a: '1' })
    expect((await failureOf(setTags(Bucket, 'missing', {}))).code).toBe('NoSuchKey')
  })

  it('change under many hands without losing the object', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'data', ContentType: 'text/x' }))
    await Promise.all(Array.from({ length: 12 }, (_, index) => setTags(Bucket, 'k', { by: String(index) })))
    expect(Number((await tagsOf(Bucket, 'k')).by)).toBeLessThan(12)
    expect((await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).ContentType).toBe('text/x')
  })

  it('rest encrypted, and stay when the master key is rotated and rewrapped', async () => {
    const Bucket = await newBucket(s3)
    const secret = 'tag-value-that-must-not-rest-in-the-clear'
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'tagged' } as const
    await coffer(['key', 'create', 'tagged'], server.env)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ...kms }))
    await setTags(Bucket, 'k', { secret })
    const files = readdirSync(server.dataDir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(server.dataDir, name))
      .filter((path) => statSync(path).isFile())
    expect(files.filter((path) => readFileSync(path).includes(secret))).toEqual([])
    await coffer(['key', 'rotate', 'tagged'], server.env)
    await coffer(['key', 'rewrap', 'tagged'], server.env)
    expect(await tagsOf(Bucket, 'k')).toEqual({ secret })
  })
})

describe('tags of a bucket', () => {
  it('are put, replaced and deleted', async () => {
    const Bucket = await newBucket(s3)
    const get = async () => (await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet
    expect(await failureOf(get())).toEqual({ code: 'NoSuchTagSet', status: 404 })
    const fifty = tagSetOf(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`k${index}`, 'v'])))
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: fifty } }))
    const byKey = (tags: typeof fifty) => [...tags].sort((a, b) => (String(a.Key) < String(b.Key) ? -1 : 1))
    expect(await get()).toEqual(byKey(fifty))
    const more = { Bucket, Tagging: { TagSet: [...fifty, { Key: 'one', Value: 'more' }] } }
    expect((await failureOf(s3.send(new PutBucketTaggingCommand(more)))).code).toBe('BadRequest')
    await s3.send(new DeleteBucketTaggingCommand({ Bucket }))
    expect((await failureOf(get())).code).toBe('NoSuchTagSet')
  })

  it('come with the making of it', async () => {
    const Bucket = `b-tagged-${Date.now()}`
    const TagSet = [{ Key: 'team', Value: 'payments' }]
    await s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { Tags: TagSet } }))
    expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(TagSet)
  })
})

describeWithPrograms('the AWS CLI', ['aws'], ({ aws }) => {
  it('tags an object and a bucket', async () => {
    const bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'x' }))
    const s3api = s3apiOf(aws, server)
    const object = ['--bucket', bucket, '--key', 'k']
    await s3api('put-object-tagging', ...object, '--tagging', 'TagSet=[{Key=a,Value=1}]')
    expect(JSON.parse(await s3api('get-object-tagging', ...object))).toEqual({ TagSet: [{ Key: 'a', Value: '1' }] })
    await s3api('delete-object-tagging', ...object)
    expect(JSON.parse(await s3api('get-object-tagging', ...object))).toEqual({ TagSet: [] })
    await s3api('put-bucket-tagging', '--bucket', bucket, '--tagging', 'TagSet=[{Key=b,Value=2}]')
    expect(JSON.parse(await s3api('get-bucket-tagging', '--bucket', bucket)).TagSet).toEqual([{ Key: 'b', Value: '2' }])
  })
})
