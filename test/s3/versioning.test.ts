import { randomBytes } from 'node:crypto'
import {
  CopyObjectCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)

async function put(Bucket: string, Key: string, Body: string | Buffer): Promise<string | undefined> {
  return (await s3.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId
}

async function textOf(Bucket: string, Key: string, VersionId?: string): Promise<string> {
  return (
    await bytesOf(await s3.send(new GetObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) })))
  ).toString()
}

async function setVersioning(Bucket: string, Status: 'Enabled' | 'Suspended'): Promise<void> {
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }))
}

/** `key@version*` for versions, `key#version*` for markers; `*`: latest. */
async function versionsOf(Bucket: string): Promise<string[]> {
  const page = await s3.send(new ListObjectVersionsCommand({ Bucket }))
  const latest = (flag: boolean | undefined): string => (flag ? '*' : '')
  return [
    ...(page.Versions ?? []).map((v) => `${v.Key}@${v.VersionId}${latest(v.IsLatest)}`),
    ...(page.DeleteMarkers ?? []).map((v) => `${v.Key}#${v.VersionId}${latest(v.IsLatest)}`),
  ]
}

describe('versioning status', () => {
  it('is empty, then Enabled, then Suspended', async () => {
    const bucket = await newBucket(s3)
    const status = async (): Promise<string | undefined> =>
      (await s3.send(new GetBucketVersioningCommand({ Bucket: bucket }))).Status
    expect(await status()).toBeUndefined()
    await setVersioning(bucket, 'Enabled')
    expect(await status()).toBe('Enabled')
    await setVersioning(bucket, 'Suspended')
    expect(await status()).toBe('Suspended')
  })

  it('refuses another word', async () => {
    const bucket = await newBucket(s3)
    const put = new PutBucketVersioningCommand({
      Bucket: bucket,
      VersioningConfiguration: { Status: 'Sometimes' as 'Enabled' },
    })
    const failure = await failureOf(s3.send(put))
    expect(['IllegalVersioningConfigurationException', 'MalformedXML']).toContain(failure.code)
    expect(failure.status).toBe(400)
  })
})

describe('a versioned bucket', () => {
  it('keeps every version, newest first', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const ids: string[] = []
    for (let index = 0; index < 5; index++) ids.push((await put(bucket, 'k', `body ${index}`)) ?? '')
    expect(new Set(ids).size).toBe(5)
    expect(await textOf(bucket, 'k')).toBe('body 4')
    for (const [index, id] of ids.entries()) expect(await textOf(bucket, 'k', id)).toBe(`body ${index}`)
    expect(await versionsOf(bucket)).toEqual(ids.toReversed().map((id, index) => `k@${id}${index === 0 ? '*' : ''}`))
    const head = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k', VersionId: ids[1] ?? '' }))
    expect(head.VersionId).toBe(ids[1])
  })

  it('hides an object behind a delete marker and shows it again when the marker goes', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const id = (await put(bucket, 'k', 'kept')) ?? ''
    const deleted = await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect(deleted.DeleteMarker).toBe(true)
    const marker = deleted.VersionId ?? ''
    expect(marker).not.toBe(id)
    expect(await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' })))).toEqual({
      code: 'NoSuchKey',
      status: 404,
    })
    expect((await s3.send(new ListObjectsV2Command({ Bucket: bucket }))).KeyCount).toBe(0)
    expect(await textOf(bucket, 'k', id)).toBe('kept')
    expect(await versionsOf(bucket)).toEqual([`k@${id}`, `k#${marker}*`])
    const byMarker = s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', VersionId: marker }))
    expect(await failureOf(byMarker)).toEqual({ code: 'MethodNotAllowed', status: 405 })
    const undone = await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k', VersionId: marker }))
    expect(undone).toMatchObject({ DeleteMarker: true, VersionId: marker })
    expect(await textOf(bucket, 'k')).toBe('kept')
  })

  it('answers a get of a deleted key with x-amz-delete-marker', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    await put(bucket, 'k', 'x')
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    const error = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' })).catch((reason: unknown) => reason)
    const { headers } = (error as { $response: { headers: Record<string, string> } }).$response
    expect(headers['x-amz-delete-marker']).toBe('true')
    expect(headers['x-amz-version-id']).toBeTruthy()
  })

  it('removes one version for good; the one before becomes the latest', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const first = (await put(bucket, 'k', randomBytes(200_000))) ?? ''
    const second = (await put(bucket, 'k', randomBytes(200_000))) ?? ''
    const third = (await put(bucket, 'k', 'third')) ?? ''
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k', VersionId: third }))
    expect(await versionsOf(bucket)).toEqual([`k@${second}*`, `k@${first}`])
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k', VersionId: first }))
    expect(await versionsOf(bucket)).toEqual([`k@${second}*`])
    expect(await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', VersionId: third })))).toEqual({
      code: 'NoSuchVersion',
      status: 404,
    })
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k', VersionId: second }))
    await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  })

  it('refuses a version id that is none', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    await put(bucket, 'k', 'x')
    const failure = await failureOf(s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', VersionId: 'nonsense' })))
    expect(['InvalidArgument', 'NoSuchVersion']).toContain(failure.code)
  })

  it('copies an old version to the front', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const old = await put(bucket, 'k', 'old')
    await put(bucket, 'k', 'new')
    const copy = { Bucket: bucket, Key: 'k', CopySource: `${bucket}/k?versionId=${old}` }
    const copied = await s3.send(new CopyObjectCommand(copy))
    expect(copied.CopySourceVersionId).toBe(old)
    expect(copied.VersionId).not.toBe(old)
    expect(await textOf(bucket, 'k')).toBe('old')
    expect(await versionsOf(bucket)).toHaveLength(3)
  })

  it('deletes many: versions and markers', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const a = await put(bucket, 'a', 'x')
    await put(bucket, 'b', 'x')
    const Objects = [{ Key: 'a', VersionId: a }, { Key: 'b' }]
    const result = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
    const deletedA = result.Deleted?.find(({ Key }) => Key === 'a')
    const deletedB = result.Deleted?.find(({ Key }) => Key === 'b')
    expect(deletedA?.VersionId).toBe(a)
    expect(deletedB?.DeleteMarker).toBe(true)
    expect(deletedB?.DeleteMarkerVersionId).toBeTruthy()
  })

  it('is not deleted while it holds only a delete marker', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'never-there' }))
    expect((await failureOf(s3.send(new DeleteBucketCommand({ Bucket: bucket })))).code).toBe('BucketNotEmpty')
  })
})

describe('null versions', () => {
  it('what was there before versioning stays as the null version', async () => {
    const bucket = await newBucket(s3)
    expect(await put(bucket, 'k', 'before')).toBeUndefined()
    await setVersioning(bucket, 'Enabled')
    const id = await put(bucket, 'k', 'after')
    expect(await versionsOf(bucket)).toEqual([`k@${id}*`, 'k@null'])
    expect(await textOf(bucket, 'k', 'null')).toBe('before')
  })

  it('suspended: each put replaces the null version and leaves the others', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const id = await put(bucket, 'k', 'versioned')
    await setVersioning(bucket, 'Suspended')
    const first = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: 'null 1' }))
    expect([undefined, 'null']).toContain(first.VersionId)
    await put(bucket, 'k', 'null 2')
    expect(await versionsOf(bucket)).toEqual(['k@null*', `k@${id}`])
    expect(await textOf(bucket, 'k')).toBe('null 2')
    expect(await textOf(bucket, 'k', id)).toBe('versioned')
  })

  it('suspended: a delete puts a null marker in place of the null version', async () => {
    const bucket = await newBucket(s3, { versioning: 'Enabled' })
    const id = await put(bucket, 'k', 'versioned')
    await setVersioning(bucket, 'Suspended')
    await put(bucket, 'k', 'null')
    const deleted = await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect(deleted).toMatchObject({ DeleteMarker: true, VersionId: 'null' })
    expect(await versionsOf(bucket)).toEqual([`k@${id}`, 'k#null*'])
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k', VersionId: 'null' }))
    expect(await versionsOf(bucket)).toEqual([`k@${id}*`])
  })
})

describe('ListObjectVersions', async () => {
  const bucket = await newBucket(s3, { versioning: 'Enabled' })
  const expected: string[] = []
  for (const key of ['a', 'dir/x', 'dir/y', 'z']) {
    const ids: string[] = []
    for (let index = 0; index < 3; index++) ids.unshift((await put(bucket, key, `${key} ${index}`)) ?? '')
    expected.push(...ids.map((id) => `${key}@${id}`))
  }

  it.each([1, 2, 3, 5, 7, 1000])('walks all versions in pages of %i', async (MaxKeys) => {
    const seen: string[] = []
    let KeyMarker: string | undefined
    let VersionIdMarker: string | undefined
    for (;;) {
      const page = await s3.send(
        new ListObjectVersionsCommand({
          Bucket: bucket,
          MaxKeys,
          ...(KeyMarker && { KeyMarker }),
          ...(VersionIdMarker && { VersionIdMarker }),
        }),
      )
      seen.push(...(page.Versions ?? []).map((version) => `${version.Key}@${version.VersionId}`))
      if (!page.IsTruncated) break
      KeyMarker = page.NextKeyMarker
      VersionIdMarker = page.NextVersionIdMarker
    }
    expect(seen).toEqual(expected)
  })

  it('rolls up by delimiter and keeps to the prefix', async () => {
    const rolled = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, Delimiter: '/' }))
    expect(rolled.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['dir/'])
    expect(rolled.Versions?.map(({ Key }) => Key)).toEqual(['a', 'a', 'a', 'z', 'z', 'z'])
    const below = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: 'dir/y' }))
    expect(below.Versions?.map(({ Key }) => Key)).toEqual(['dir/y', 'dir/y', 'dir/y'])
    expect(below.Versions?.map(({ IsLatest }) => IsLatest)).toEqual([true, false, false])
  })
})
