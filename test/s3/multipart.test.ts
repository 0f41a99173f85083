import { createHash, randomBytes } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server, { checksums: 'WHEN_REQUIRED' })
const bucket = await newBucket(s3)

const PART_BYTES_MIN = 5 * 1024 * 1024

async function create(Key: string): Promise<{ Bucket: string; Key: string; UploadId: string }> {
  const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
  return { Bucket: bucket, Key, UploadId }
}

type Upload = Awaited<ReturnType<typeof create>>

async function part(upload: Upload, PartNumber: number, Body: Uint8Array | string): Promise<CompletedPart> {
  const { ETag } = await s3.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
  return { PartNumber, ETag }
}

async function complete(upload: Upload, Parts: CompletedPart[]): Promise<string | undefined> {
  const output = await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
  return output.ETag
}

async function bodyOf(Key: string): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))
}

function multipartEtag(parts: readonly Uint8Array[]): string {
  const digests = parts.map((bytes) => createHash('md5').update(bytes).digest())
  return `"${createHash('md5').update(Buffer.concat(digests)).digest('hex')}-${parts.length}"`
}

describe('multipart uploads', () => {
  it('join their parts in the order of their numbers, with the ETag that S3 gives', async () => {
    const bodies = [randomBytes(PART_BYTES_MIN), randomBytes(PART_BYTES_MIN + 1), randomBytes(123)]
    const upload = await create('joined')
    const parts: CompletedPart[] = []
    for (const index of [2, 0, 1]) parts[index] = await part(upload, index * 10 + 1, bodies[index] ?? '')
    const etag = await complete(upload, parts)
    expect(etag).toBe(multipartEtag(bodies))
    const whole = Buffer.concat(bodies)
    expect((await bodyOf('joined')).equals(whole)).toBe(true)
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'joined' }))
    expect(head).toMatchObject({ ContentLength: whole.length, ETag: etag })
  })

  it('give ranges across the borders of parts, and single parts', async () => {
    const bodies = [randomBytes(PART_BYTES_MIN), randomBytes(PART_BYTES_MIN), randomBytes(70_000)]
    const whole = Buffer.concat(bodies)
    const upload = await create('ranges')
    const parts = [
      await part(upload, 1, bodies[0] ?? ''),
      await part(upload, 2, bodies[1] ?? ''),
      await part(upload, 3, bodies[2] ?? ''),
    ]
    await complete(upload, parts)
    for (const [first, last] of [
      [PART_BYTES_MIN - 1, PART_BYTES_MIN],
      [PART_BYTES_MIN - 70_000, 2 * PART_BYTES_MIN + 10],
      [2 * PART_BYTES_MIN, whole.length - 1],
    ] as const) {
      const Range = `bytes=${first}-${last}`
      const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'ranges', Range }))
      expect((await bytesOf(got)).equals(whole.subarray(first, last + 1)), Range).toBe(true)
    }
    const second = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'ranges', PartNumber: 2 }))
    expect(second.$metadata.httpStatusCode).toBe(206)
    expect(second.PartsCount).toBe(3)
    expect((await bytesOf(second)).equals(bodies[1] ?? Buffer.alloc(0))).toBe(true)
    const past = s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'ranges', PartNumber: 4 }))
    await expect(past).rejects.toMatchObject({
      name: 'InvalidPartNumber',
      PartNumberRequested: '4',
      ActualPartCount: '3',
    })
    // AWS says how many parts there are only to whom asks for one.
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'ranges' }))
    expect(head.PartsCount).toBeUndefined()
    const attributes = await s3.send(
      new GetObjectAttributesCommand({
        Bucket: bucket,
        Key: 'ranges',
        ObjectAttributes: ['ObjectParts', 'ObjectSize'],
      }),
    )
    expect(attributes.ObjectSize).toBe(whole.length)
    expect(attributes.ObjectParts?.TotalPartsCount).toBe(3)
  })

  it('take the last upload of a part that is sent again', async () => {
    const upload = await create('again')
    const first = await part(upload, 1, randomBytes(PART_BYTES_MIN))
    const body = randomBytes(PART_BYTES_MIN)
    const second = await part(upload, 1, body)
    expect(await failureOf(complete(upload, [first]))).toEqual({ code: 'InvalidPart', status: 400 })
    await complete(upload, [second])
    expect((await bodyOf('again')).equals(body)).toBe(true)
  })

  it('leave out parts that are not named', async () => {
    const upload = await create('left-out')
    await part(upload, 1, randomBytes(PART_BYTES_MIN))
    const kept = await part(upload, 2, 'only this')
    await complete(upload, [kept])
    expect((await bodyOf('left-out')).toString()).toBe('only this')
  })

  it('refuse wrong orders, unknown parts, wrong ETags and small parts, and stay open', async () => {
    const upload = await create('refused')
    const one = await part(upload, 1, 'too small')
    const two = await part(upload, 2, 'last may be small')
    const bad = { status: 400 }
    expect(await failureOf(complete(upload, [two, one]))).toEqual({ ...bad, code: 'InvalidPartOrder' })
    expect(await failureOf(complete(upload, [one, one]))).toEqual({ ...bad, code: 'InvalidPartOrder' })
    expect(await failureOf(complete(upload, [one, { PartNumber: 3, ETag: one.ETag }]))).toEqual({
      ...bad,
      code: 'InvalidPart',
    })
    expect(await failureOf(complete(upload, [{ PartNumber: 2, ETag: '"0123"' }]))).toEqual({
      ...bad,
      code: 'InvalidPart',
    })
    expect(await failureOf(complete(upload, [one, two]))).toEqual({ ...bad, code: 'EntityTooSmall' })
    expect(await failureOf(complete(upload, []))).toEqual({ ...bad, code: 'MalformedXML' })
    expect((await failureOf(s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'refused' })))).status).toBe(404)
    await complete(upload, [two])
    expect((await bodyOf('refused')).toString()).toBe('last may be small')
  })

  it.each([0, 10_001, -1])('refuse the part number %i', async (PartNumber) => {
    const upload = await create('numbers')
    const failure = await failureOf(s3.send(new UploadPartCommand({ ...upload, PartNumber, Body: 'x' })))
    expect(failure).toEqual({ code: 'InvalidArgument', status: 400 })
  })

  it('accept the part number 10,000', async () => {
    const upload = await create('last-number')
    await complete(upload, [await part(upload, 10_000, 'x')])
    expect((await bodyOf('last-number')).toString()).toBe('x')
  })

  it('completed twice answer the same or NoSuchUpload, and change nothing', async () => {
    const upload = await create('twice')
    const one = await part(upload, 1, 'body')
    const etag = await complete(upload, [one])
    const again = await complete(upload, [one]).catch((error: Error) => error.name)
    expect([etag, 'NoSuchUpload']).toContain(again)
    expect((await bodyOf('twice')).toString()).toBe('body')
  })

  it('aborted are gone with their parts', async () => {
    const upload = await create('aborted')
    const one = await part(upload, 1, randomBytes(300_000))
    const aborted = await s3.send(new AbortMultipartUploadCommand(upload))
    expect(aborted.$metadata.httpStatusCode).toBe(204)
    const gone = { code: 'NoSuchUpload', status: 404 }
    expect(await failureOf(complete(upload, [one]))).toEqual(gone)
    expect(await failureOf(part(upload, 2, 'x'))).toEqual(gone)
    expect(await failureOf(s3.send(new ListPartsCommand(upload)))).toEqual(gone)
    expect(await failureOf(s3.send(new AbortMultipartUploadCommand(upload)))).toEqual(gone)
  })

  it('are aborted only if they began when the client says, where it says so', async () => {
    const upload = await create('aborted-if')
    const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'aborted-if' }))
    const initiated = Uploads[0]?.Initiated as Date
    const abort = (IfMatchInitiatedTime: Date) =>
      s3.send(new AbortMultipartUploadCommand({ ...upload, IfMatchInitiatedTime }))
    const refused = { code: 'PreconditionFailed', status: 412 }
    expect(await failureOf(abort(new Date(initiated.getTime() - 1000)))).toEqual(refused)
    await part(upload, 1, 'still there')
    await abort(initiated)
    expect(await failureOf(part(upload, 2, 'x'))).toEqual({ code: 'NoSuchUpload', status: 404 })
  })

  it('belong to their key', async () => {
    const upload = await create('this-key')
    expect(await failureOf(part({ ...upload, Key: 'other-key' }, 1, 'x'))).toEqual({
      code: 'NoSuchUpload',
      status: 404,
    })
  })

  it('keep metadata and headers given at the start', async () => {
    const { UploadId = '' } = await s3.send(
      new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'meta', ContentType: 'a/b', Metadata: { m: 'v' } }),
    )
    const upload = { Bucket: bucket, Key: 'meta', UploadId }
    await complete(upload, [await part(upload, 1, 'x')])
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'meta' }))
    expect(head).toMatchObject({ ContentType: 'a/b', Metadata: { m: 'v' } })
  })

  it('give each version its own id in a versioned bucket', async () => {
    const versioned = await newBucket(s3, { versioning: 'Enabled' })
    const before = await s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'k', Body: 'before' }))
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: versioned, Key: 'k' }))
    const upload = { Bucket: versioned, Key: 'k', UploadId }
    const Parts = [await part(upload, 1, 'after')]
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
    expect(done.VersionId).toBeTruthy()
    expect(done.VersionId).not.toBe(before.VersionId)
    expect(done.Location).toContain(`${versioned}/k`)
    const old = await s3.send(new GetObjectCommand({ Bucket: versioned, Key: 'k', VersionId: before.VersionId ?? '' }))
    expect((await bytesOf(old)).toString()).toBe('before')
  })
})

describe('part copy', () => {
  it('takes whole objects and ranges as parts', async () => {
    const source = randomBytes(PART_BYTES_MIN + 1_000)
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'part-source', Body: source }))
    const upload = await create('part-copied')
    const whole = await s3.send(
      new UploadPartCopyCommand({ ...upload, PartNumber: 1, CopySource: `${bucket}/part-source` }),
    )
    const slice = await s3.send(
      new UploadPartCopyCommand({
        ...upload,
        PartNumber: 2,
        CopySource: `${bucket}/part-source`,
        CopySourceRange: 'bytes=65530-65545',
      }),
    )
    await complete(upload, [
      { PartNumber: 1, ETag: whole.CopyPartResult?.ETag },
      { PartNumber: 2, ETag: slice.CopyPartResult?.ETag },
    ])
    expect((await bodyOf('part-copied')).equals(Buffer.concat([source, source.subarray(65_530, 65_546)]))).toBe(true)
  })

  it('refuses a range past the end and a source that is missing', async () => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'short-source', Body: 'short' }))
    const upload = await create('part-refused')
    const copy = { ...upload, PartNumber: 1, CopySource: `${bucket}/short-source` }
    const past = await failureOf(s3.send(new UploadPartCopyCommand({ ...copy, CopySourceRange: 'bytes=0-5' })))
    expect(['InvalidRange', 'InvalidArgument']).toContain(past.code)
    const absent = new UploadPartCopyCommand({ ...copy, CopySource: `${bucket}/absent` })
    expect(await failureOf(s3.send(absent))).toEqual({ code: 'NoSuchKey', status: 404 })
  })
})

describe('what is in progress', () => {
  it('lists parts page by page with size and ETag', async () => {
    const upload = await create('parts')
    const etags: (string | undefined)[] = []
    for (let number = 1; number <= 5; number++) etags.push((await part(upload, number, 'x'.repeat(number))).ETag)
    const first = await s3.send(new ListPartsCommand({ ...upload, MaxParts: 3 }))
    expect(first.IsTruncated).toBe(true)
    expect(first.Parts?.map(({ PartNumber, Size, ETag }) => [PartNumber, Size, ETag])).toEqual([
      [1, 1, etags[0]],
      [2, 2, etags[1]],
      [3, 3, etags[2]],
    ])
    const rest = await s3.send(new ListPartsCommand({ ...upload, PartNumberMarker: first.NextPartNumberMarker ?? '' }))
    expect(rest.Parts?.map(({ PartNumber }) => PartNumber)).toEqual([4, 5])
    expect(rest.IsTruncated).toBe(false)
    expect(rest.Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
  })

  it('lists uploads by key and age, with prefix, delimiter and pages', async () => {
    const own = await newBucket(s3)
    const ids = new Map<string, string[]>()
    for (const Key of ['a', 'a', 'dir/x', 'dir/y', 'z']) {
      const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: own, Key }))
      ids.set(Key, [...(ids.get(Key) ?? []), UploadId])
    }
    const expected = [...ids].flatMap(([key, list]) => list.map((id) => `${key} ${id}`))
    const seen: string[] = []
    let markers = {}
    for (;;) {
      const page = await s3.send(new ListMultipartUploadsCommand({ Bucket: own, MaxUploads: 2, ...markers }))
      seen.push(...(page.Uploads ?? []).map(({ Key, UploadId }) => `${Key} ${UploadId}`))
      if (!page.IsTruncated) break
      markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
    }
    expect(seen).toEqual(expected)
    const rolled = await s3.send(new ListMultipartUploadsCommand({ Bucket: own, Delimiter: '/' }))
    expect(rolled.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['dir/'])
    expect(rolled.Uploads?.map(({ Key }) => Key)).toEqual(['a', 'a', 'z'])
    const below = await s3.send(new ListMultipartUploadsCommand({ Bucket: own, Prefix: 'dir/' }))
    expect(below.Uploads?.map(({ Key }) => Key)).toEqual(['dir/x', 'dir/y'])
    expect((await s3.send(new ListObjectsV2Command({ Bucket: own }))).KeyCount).toBe(0)
    await s3.send(new DeleteBucketCommand({ Bucket: own }))
    expect((await failureOf(s3.send(new ListMultipartUploadsCommand({ Bucket: own })))).code).toBe('NoSuchBucket')
  })
})
