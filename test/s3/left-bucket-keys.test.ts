import { join } from 'node:path'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { afterAll, expect, it } from 'vitest'
import { bytesOf, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite({ workers: 2 })
const s3 = s3Client(server)
const store = await openLmdbStore({ directory: join(server.dataDir, 'metadata') })
afterAll(() => store.close())

const Bucket = 'made-anew'
const keysOf = async (bucketId = '') =>
  (await store.listRecords('bucket-keys', { prefix: `${bucketId}/`, afterId: '', limit: 99 })).map(({ id }) => id)
const put = () => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'sealed' }))

it('a bucket takes its keys with it, and one of its name that is made anew has keys of its own', async () => {
  await s3.send(new CreateBucketCommand({ Bucket }))
  await put()
  const before = await store.findBucket(Bucket)
  const keys = await keysOf(before?.id)
  expect(keys.length).toBeGreaterThan(0)
  await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
  // Empty, but there.
  expect(await keysOf(before?.id)).toEqual(keys)
  await s3.send(new DeleteBucketCommand({ Bucket }))
  await s3.send(new CreateBucketCommand({ Bucket }))
  await put()
  await expect.poll(() => keysOf(before?.id), { timeout: 60_000 }).toEqual([])
  const after = await store.findBucket(Bucket)
  expect(after?.id).not.toBe(before?.id)
  expect((await keysOf(after?.id)).filter((id) => keys.includes(id))).toEqual([])
  const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'k' }))
  expect((await bytesOf(got)).toString()).toBe('sealed')
})
