import {
  ListObjectsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)

async function fill(client: S3Client, keys: readonly string[]): Promise<string> {
  const bucket = await newBucket(client)
  const queue = [...keys]
  const put = async (): Promise<void> => {
    for (let Key = queue.pop(); Key !== undefined; Key = queue.pop()) {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }))
    }
  }
  await Promise.all(Array.from({ length: 32 }, put))
  return bucket
}

interface Listing {
  readonly keys: string[]
  readonly prefixes: string[]
  readonly pages: number
}

async function listV2(query: Omit<ListObjectsV2CommandInput, 'ContinuationToken'>): Promise<Listing> {
  const listing: Listing & { pages: number } = { keys: [], prefixes: [], pages: 0 }
  let token: string | undefined
  do {
    const page = await s3.send(new ListObjectsV2Command({ ...query, ...(token && { ContinuationToken: token }) }))
    const entries = (page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0)
    expect(page.KeyCount).toBe(entries)
    expect(entries).toBeLessThanOrEqual(query.MaxKeys ?? 1000)
    expect(page.IsTruncated).toBe(page.NextContinuationToken !== undefined)
    listing.keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''))
    listing.prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''))
    listing.pages++
    token = page.NextContinuationToken
  } while (token)
  return listing
}

async function listV1(Bucket: string, MaxKeys: number, Delimiter?: string): Promise<Listing> {
  const listing: Listing & { pages: number } = { keys: [], prefixes: [], pages: 0 }
  let marker: string | undefined
  for (;;) {
    const page = await s3.send(
      new ListObjectsCommand({ Bucket, MaxKeys, ...(Delimiter && { Delimiter }), ...(marker && { Marker: marker }) }),
    )
    listing.keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''))
    listing.prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ''))
    listing.pages++
    if (!page.IsTruncated) return listing
    // S3 gives NextMarker only with a delimiter; else the last key is the marker.
    marker = page.NextMarker ?? page.Contents?.at(-1)?.Key
    if (Delimiter) expect(page.NextMarker).toBeDefined()
  }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

describe('a bucket with 2,500 keys', async () => {
  const keys = Array.from({ length: 2_500 }, (_, index) => `d${index % 7}/k${String(index).padStart(4, '0')}`).sort(
    byBytes,
  )
  const bucket = await fill(s3, keys)

  it('lists every key once, in order, in pages of 1,000', async () => {
    const listing = await listV2({ Bucket: bucket })
    expect(listing.keys).toEqual(keys)
    expect(listing.pages).toBe(3)
  })

  it('lists the same in v1', async () => {
    expect(await listV1(bucket, 1000)).toEqual({ keys, prefixes: [], pages: 3 })
  })

  it('rolls up by delimiter, whatever the page size', async () => {
    const prefixes = Array.from({ length: 7 }, (_, index) => `d${index}/`)
    expect(await listV2({ Bucket: bucket, Delimiter: '/' })).toEqual({ keys: [], prefixes, pages: 1 })
    expect(await listV2({ Bucket: bucket, Delimiter: '/', MaxKeys: 2 })).toEqual({ keys: [], prefixes, pages: 4 })
    expect(await listV1(bucket, 3, '/')).toEqual({ keys: [], prefixes, pages: 3 })
  })

  it('lists below a prefix, in odd page sizes', async () => {
    const expected = keys.filter((key) => key.startsWith('d3/k1'))
    const listing = await listV2({ Bucket: bucket, Prefix: 'd3/k1', MaxKeys: 13 })
    expect(listing.keys).toEqual(expected)
    expect(listing.pages).toBe(Math.ceil(expected.length / 13))
  })

  it('starts after a key, there or not', async () => {
    const after = await listV2({ Bucket: bucket, StartAfter: 'd5/k9', MaxKeys: 400 })
    expect(after.keys).toEqual(keys.filter((key) => byBytes(key, 'd5/k9') > 0))
  })

  it('gives at most 1,000 where more is asked', async () => {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 5_000 }))
    expect(page.Contents).toHaveLength(1_000)
    expect(page.IsTruncated).toBe(true)
  })

  it('gives nothing for max-keys 0', async () => {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 0 }))
    expect(page.KeyCount).toBe(0)
    expect(page.IsTruncated).toBe(false)
  })
})

describe('odd names', async () => {
  const keys = [
    'a',
    'a/',
    'a//b',
    'a/b',
    'a/b/c',
    'aé',
    'b+c d',
    'foo',
    'foo!',
    'foo-bar',
    'foo/1',
    'foo/bar/2',
    'foo0',
    '\u{ff5e}',
    '\u{1f600}',
    'ctrl\u0001\u0007',
    'amp&<>"\'',
  ]
  const bucket = await fill(s3, keys)
  const sorted = [...keys].sort(byBytes)

  it('sort by their UTF-8 bytes', async () => {
    const listing = await listV2({ Bucket: bucket, EncodingType: 'url' })
    expect(listing.keys.map((key) => decodeURIComponent(key.replaceAll('+', ' ')))).toEqual(sorted)
  })

  it.each([1, 2, 3, 5, 100])('roll up the same in pages of %i', async (MaxKeys) => {
    const listing = await listV2({ Bucket: bucket, Delimiter: '/', MaxKeys, EncodingType: 'url' })
    const decode = (name: string): string => decodeURIComponent(name.replaceAll('+', ' '))
    expect(listing.keys.map(decode)).toEqual(sorted.filter((key) => !key.includes('/')))
    expect(listing.prefixes.map(decode)).toEqual(['a/', 'foo/'])
  })

  it.each([
    ['foo/', '/', ['foo/1'], ['foo/bar/']],
    ['foo', '', ['foo', 'foo!', 'foo-bar', 'foo/1', 'foo/bar/2', 'foo0'], []],
    ['a/', '/', ['a/', 'a/b'], ['a//', 'a/b/']],
    ['foo', 'oo', ['foo', 'foo!', 'foo-bar', 'foo/1', 'foo/bar/2', 'foo0'], []],
    ['', 'o', [], ['fo']],
    ['foo', '-ba', ['foo', 'foo!', 'foo/1', 'foo/bar/2', 'foo0'], ['foo-ba']],
    ['nothing', '/', [], []],
  ] as const)('with prefix %j and delimiter %j', async (Prefix, Delimiter, expectedKeys, prefixes) => {
    const listing = await listV2({ Bucket: bucket, Prefix, ...(Delimiter && { Delimiter }), EncodingType: 'url' })
    const keysShown = listing.keys.map((key) => decodeURIComponent(key.replaceAll('+', ' ')))
    if (Prefix === '') expect(keysShown.every((key) => !key.includes('o'))).toBe(true)
    else expect(keysShown).toEqual(expectedKeys)
    expect(listing.prefixes.map((name) => decodeURIComponent(name))).toEqual(prefixes)
  })
})

describe('what an entry shows', async () => {
  const bucket = await fill(s3, ['k'])

  it('has size, ETag, date and class; the owner where it is asked for', async () => {
    const plain = (await s3.send(new ListObjectsV2Command({ Bucket: bucket }))).Contents?.[0]
    expect(plain).toMatchObject({
      Key: 'k',
      Size: 1,
      ETag: '"8ce4b16b22b58894aa86c421e8759df3"',
      StorageClass: 'STANDARD',
    })
    expect(plain?.LastModified).toBeInstanceOf(Date)
    expect(plain?.Owner).toBeUndefined()
    const owned = (await s3.send(new ListObjectsV2Command({ Bucket: bucket, FetchOwner: true }))).Contents?.[0]
    expect(owned?.Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
    const v1 = (await s3.send(new ListObjectsCommand({ Bucket: bucket }))).Contents?.[0]
    expect(v1?.Owner?.ID).toBe(owned?.Owner?.ID)
  })

  it('echoes the query', async () => {
    const query = { Bucket: bucket, Prefix: 'p', Delimiter: '/', StartAfter: 'a', MaxKeys: 7 }
    const page = await s3.send(new ListObjectsV2Command(query))
    expect(page).toMatchObject({ Name: bucket, Prefix: 'p', Delimiter: '/', StartAfter: 'a', MaxKeys: 7, KeyCount: 0 })
  })

  it('takes an empty continuation token for the beginning', async () => {
    const first = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: '', StartAfter: 'a' }))
    const same = await s3.send(new ListObjectsV2Command({ Bucket: bucket, StartAfter: 'a' }))
    expect(first.Contents).toEqual(same.Contents)
    expect(first.ContinuationToken).toBe('')
  })

  it('refuses bad queries', async () => {
    const refused = { code: 'InvalidArgument', status: 400 }
    expect(await failureOf(s3.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: -1 })))).toEqual(refused)
    const token = new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: 'not-a-token!' })
    expect(await failureOf(s3.send(token))).toEqual(refused)
    const encoding = new ListObjectsV2Command({ Bucket: bucket, EncodingType: 'rot13' as 'url' })
    expect(await failureOf(s3.send(encoding))).toEqual(refused)
    expect(await failureOf(s3.send(new ListObjectsV2Command({ Bucket: 'absent-bucket' })))).toEqual({
      code: 'NoSuchBucket',
      status: 404,
    })
  })
})
