import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketTaggingCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { send, sendSigned } from '../harness/raw-request.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { presignQuery } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'

/** Answers of AWS that others recorded (docs/s3-conformance.md says who, and where). */
const server = await serverForSuite()
const s3 = s3Client(server)

async function begin(
  Bucket: string,
  options: Partial<ConstructorParameters<typeof CreateMultipartUploadCommand>[0]> = {},
) {
  const upload = { Bucket, Key: 'k' }
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ ...upload, ...options }))
  const { ChecksumAlgorithm } = options
  const part = { ...upload, UploadId, PartNumber: 1, Body: 'x', ...(ChecksumAlgorithm && { ChecksumAlgorithm }) }
  const { ETag, ChecksumSHA256, ChecksumCRC32 } = await s3.send(new UploadPartCommand(part))
  const listed = { PartNumber: 1, ETag, ChecksumSHA256, ...(ChecksumAlgorithm === 'CRC32' && { ChecksumCRC32 }) }
  const complete = (said: Partial<ConstructorParameters<typeof CompleteMultipartUploadCommand>[0]> = {}) =>
    s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts: [listed] }, ...said }))
  return { upload: { ...upload, UploadId }, part: listed, complete }
}

describe('the end of a multipart upload', () => {
  it('must not name another type of checksum than its beginning, nor name one where the beginning did not', async () => {
    const Bucket = await newBucket(s3)
    const full = await begin(Bucket, { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' })
    expect(await failureOf(full.complete({ ChecksumType: 'COMPOSITE' }))).toEqual({
      code: 'InvalidRequest',
      status: 400,
    })
    expect((await full.complete({ ChecksumType: 'FULL_OBJECT' })).ChecksumType).toBe('FULL_OBJECT')
    const unsaid = await begin(Bucket)
    expect((await failureOf(unsaid.complete({ ChecksumType: 'FULL_OBJECT' }))).code).toBe('InvalidRequest')
    const alone = new CreateMultipartUploadCommand({ Bucket, Key: 'k', ChecksumType: 'COMPOSITE' })
    expect((await failureOf(s3.send(alone))).code).toBe('InvalidRequest')
  })

  it.each(['Enabled', undefined] as const)(
    'is a conflict where its condition holds for what was written since it began (%s)',
    async (versioning) => {
      const Bucket = await newBucket(s3, versioning && { versioning })
      const before = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'before' }))
      const { complete } = await begin(Bucket)
      const since = await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'since' }))
      expect((await failureOf(complete({ IfMatch: before.ETag }))).code).toBe('PreconditionFailed')
      expect(await failureOf(complete({ IfMatch: since.ETag }))).toEqual({
        code: 'ConditionalRequestConflict',
        status: 409,
      })
      const again = await begin(Bucket)
      expect((await again.complete({ IfMatch: since.ETag })).ETag).toMatch(/-1"$/)
    },
  )

  it('is a conflict where the object was deleted since it began, and a delete marker tells so', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    const { complete } = await begin(Bucket)
    expect((await failureOf(complete({ IfNoneMatch: '*' }))).code).toBe('PreconditionFailed')
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    expect((await failureOf(complete({ IfNoneMatch: '*' }))).code).toBe('ConditionalRequestConflict')
    expect((await (await begin(Bucket)).complete({ IfNoneMatch: '*' })).ETag).toMatch(/-1"$/)
  })
})

describe('conditions', () => {
  it('on the source of a copy are named where they do not hold; a time that is to come is none', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    const copy = (said: object) =>
      s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/k`, ...said }))
    const refused: unknown = await copy({ CopySourceIfMatch: '"other"' }).catch((error: unknown) => error)
    expect(refused).toMatchObject({ name: 'PreconditionFailed', Condition: 'x-amz-copy-source-If-Match' })
    const tomorrow = new Date(Date.now() + 86_400_000)
    expect((await copy({ CopySourceIfModifiedSince: tomorrow })).CopyObjectResult?.ETag).toBeDefined()
    const read = new GetObjectCommand({ Bucket, Key: 'k', IfModifiedSince: tomorrow })
    expect(await (await s3.send(read)).Body?.transformToString()).toBe('x')
  })

  it('a range counts only for the object that its client has begun with', async () => {
    const Bucket = await newBucket(s3)
    const put = (Body: string) => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body }))
    const { ETag = '' } = await put('0123456789')
    const resume = () =>
      sendSigned(server, { method: 'GET', path: `/${Bucket}/k`, headers: { range: 'bytes=5-', 'if-range': ETag } })
    const rest = await resume()
    expect([rest.status, rest.body.toString()]).toEqual([206, '56789'])
    await put('abcdefghij')
    const anew = await resume()
    expect([anew.status, anew.body.toString()]).toEqual([200, 'abcdefghij'])
  })

  it('a range that is the whole object comes with its checksum, one that is less does not', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: '0123456789', ChecksumAlgorithm: 'SHA256' }))
    const sumOf = async (Range: string) =>
      (await s3.send(new GetObjectCommand({ Bucket, Key: 'k', Range, ChecksumMode: 'ENABLED' }))).ChecksumSHA256
    const whole = await sumOf('bytes=0-')
    expect(whole).toBeDefined()
    expect([await sumOf('bytes=-10'), await sumOf('bytes=0-100'), await sumOf('bytes=junk')]).toEqual([
      whole,
      whole,
      whole,
    ])
    expect([await sumOf('bytes=0-8'), await sumOf('bytes=-9')]).toEqual([undefined, undefined])
  })
})

describe('versions', () => {
  it('a list of deletions says of an id that is none that there is no such version', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    const Objects = [{ Key: 'k', VersionId: 'HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD' }]
    const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    expect(Errors?.map(({ Code }) => Code)).toEqual(['NoSuchVersion'])
  })

  it('a delete marker has neither tags nor a list of who may do what, and takes none, as the newest too', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Enabled' })
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
    const Tagging = { TagSet: [] }
    for (const command of [
      new GetObjectTaggingCommand({ Bucket, Key: 'k' }),
      new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging }),
    ]) {
      expect(await failureOf(s3.send(command as GetObjectTaggingCommand))).toEqual({
        code: 'MethodNotAllowed',
        status: 405,
      })
    }
    expect((await failureOf(s3.send(new GetObjectAclCommand({ Bucket, Key: 'k' })))).code).toBe('MethodNotAllowed')
    const absent = new GetObjectTaggingCommand({ Bucket, Key: 'none' })
    expect((await failureOf(s3.send(absent))).code).toBe('NoSuchKey')
  })
})

describe('listings', () => {
  it('a marker within a common prefix leaves the prefix behind', async () => {
    const Bucket = await newBucket(s3)
    for (const Key of ['f/a/1', 'f/a/2', 'f/b']) {
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: '' }))
      await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
    }
    const query = { Bucket, Prefix: 'f/', Delimiter: '/' }
    const objects = await s3.send(new ListObjectsCommand({ ...query, Marker: 'f/a/1' }))
    expect([objects.CommonPrefixes, objects.Contents?.map(({ Key }) => Key)]).toEqual([undefined, ['f/b']])
    const versions = await s3.send(new ListObjectVersionsCommand({ ...query, KeyMarker: 'f/a/1' }))
    expect([versions.CommonPrefixes, versions.Versions?.map(({ Key }) => Key)]).toEqual([undefined, ['f/b']])
    const uploads = await s3.send(new ListMultipartUploadsCommand({ ...query, KeyMarker: 'f/a/1' }))
    expect([uploads.CommonPrefixes, uploads.Uploads?.map(({ Key }) => Key)]).toEqual([undefined, ['f/b']])
    expect(uploads.NextKeyMarker).toBe('f/b')
  })

  it('name markers where nothing is left, and show times in whole seconds', async () => {
    const Bucket = await newBucket(s3)
    const none = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
    expect([none.IsTruncated, none.NextKeyMarker, none.NextUploadIdMarker]).toEqual([false, '', ''])
    const upload = { Bucket, Key: 'k' }
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(upload))
    expect((await s3.send(new ListPartsCommand({ ...upload, UploadId }))).NextPartNumberMarker).toBe('0')
    const [listed] = (await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []
    expect(listed?.Initiated?.getUTCMilliseconds()).toBe(0)
  })
})

describe('buckets', () => {
  it('are named by their ARN, made anew without tags only, and have none after an empty set', async () => {
    const Bucket = await newBucket(s3)
    const BucketArn = `arn:aws:s3:::${Bucket}`
    const create = (Tags?: { Key: string; Value: string }[]) =>
      s3.send(new CreateBucketCommand({ Bucket, ...(Tags && { CreateBucketConfiguration: { Tags } }) }))
    expect((await create()).BucketArn).toBe(BucketArn)
    expect((await create([])).BucketArn).toBe(BucketArn)
    expect((await failureOf(create([{ Key: 'a', Value: 'b' }]))).code).toBe('BucketAlreadyOwnedByYou')
    expect((await s3.send(new HeadBucketCommand({ Bucket }))).BucketArn).toBe(BucketArn)
    expect((await s3.send(new ListBucketsCommand({ Prefix: Bucket }))).Buckets?.[0]?.BucketArn).toBe(BucketArn)
    const TagSet = [{ Key: 'a', Value: 'b' }]
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }))
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: undefined } }))
    expect((await failureOf(s3.send(new GetBucketTaggingCommand({ Bucket })))).code).toBe('NoSuchTagSet')
  })

  it('a preflight is told first that the bucket has no rules, or is not there', async () => {
    const headers = { origin: 'https://app.example' }
    for (const bucket of [await newBucket(s3), 'no-bucket-of-this-name']) {
      const answer = await send(server, { method: 'OPTIONS', path: `/${bucket}/k`, headers })
      expect([answer.status, answer.code]).toEqual([403, 'AccessForbidden'])
    }
    const unsaid = await send(server, { method: 'OPTIONS', path: '/no-bucket-of-this-name/k' })
    expect([unsaid.status, unsaid.code]).toEqual([400, 'BadRequest'])
  })
})

describe('a copy of an object onto itself', () => {
  it('is one that names a class, a redirect or an encryption, or gets another of these', async () => {
    const Bucket = await newBucket(s3)
    const self = { Bucket, Key: 'k', CopySource: `${Bucket}/k` }
    const copy = (said: object = {}) => s3.send(new CopyObjectCommand({ ...self, ...said }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', WebsiteRedirectLocation: '/a' }))
    expect((await failureOf(copy())).code).toBe('InvalidRequest')
    await copy({ StorageClass: 'STANDARD' })
    const redirectOf = async () => (await s3.send(new HeadObjectCommand({ Bucket, Key: 'k' }))).WebsiteRedirectLocation
    expect(await redirectOf()).toBeUndefined()
    await copy({ WebsiteRedirectLocation: '/b' })
    expect(await redirectOf()).toBe('/b')
    expect((await copy({ ServerSideEncryption: 'aws:kms' })).ServerSideEncryption).toBe('aws:kms')
    expect((await copy()).ServerSideEncryption).toBe('AES256')
    expect((await failureOf(copy())).code).toBe('InvalidRequest')
  })

  it('has the null version where versioning is suspended, and says so', async () => {
    const Bucket = await newBucket(s3, { versioning: 'Suspended' })
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    const copy = new CopyObjectCommand({ Bucket, Key: 'k', CopySource: `${Bucket}/k`, MetadataDirective: 'REPLACE' })
    expect((await s3.send(copy)).VersionId).toBe('null')
  })
})

describe('what is not passed over', () => {
  it('conditions that a presigned URL has in its query', async () => {
    const Bucket = await newBucket(s3)
    const path = `/${Bucket}/k`
    const headers = { host: new URL(server.endpoint).host }
    const unsigned = { method: 'PUT', path, query: { 'If-None-Match': '*' }, headers, payloadHash: 'UNSIGNED-PAYLOAD' }
    const put = () => send(server, { method: 'PUT', path, query: presignQuery(unsigned, server), body: 'x' })
    expect((await put()).status).toBe(200)
    const again = await put()
    expect([again.status, again.code]).toEqual([412, 'PreconditionFailed'])
  })

  it('the region of a master key’s ARN', async () => {
    const Bucket = await newBucket(s3)
    const put = { Bucket, Key: 'k', Body: 'x', ServerSideEncryption: 'aws:kms' } as const
    const SSEKMSKeyId = 'arn:aws:kms:mars-north-1:111122223333:key/coffer'
    expect(await failureOf(s3.send(new PutObjectCommand({ ...put, SSEKMSKeyId })))).toEqual({
      code: 'KMS.NotFoundException',
      status: 400,
    })
  })

  it('two kinds of encryption, a part’s checksum of another algorithm', async () => {
    const Bucket = await newBucket(s3)
    const headers = {
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-server-side-encryption-customer-algorithm': 'KMS',
    }
    const both = await sendSigned(server, { method: 'PUT', path: `/${Bucket}/k`, headers, body: 'x' })
    expect([both.code, /<ArgumentName>([^<]*)/.exec(both.body.toString())?.[1]]).toEqual([
      'InvalidArgument',
      'x-amz-server-side-encryption',
    ])
    const { part, complete } = await begin(Bucket, { ChecksumAlgorithm: 'CRC32' })
    const other = { PartNumber: 1, ETag: part.ETag, ChecksumSHA256: Buffer.alloc(32).toString('base64') }
    expect((await failureOf(complete({ MultipartUpload: { Parts: [other] } }))).code).toBe('BadDigest')
    const [listed] = (await s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []
    expect([listed?.ChecksumAlgorithm, listed?.ChecksumType]).toEqual(['CRC32', 'COMPOSITE'])
  })
})
