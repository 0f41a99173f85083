import { randomBytes } from 'node:crypto'
import {
  CreateBucketCommand,
  GetBucketAclCommand,
  GetBucketOwnershipControlsCommand,
  GetObjectAclCommand,
  PutBucketAclCommand,
  PutObjectAclCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const s3 = s3Client(server)

describe('without a word of its own everything in a bucket is its owner’s', () => {
  it('as its access control lists say', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
    for (const { Owner, Grants } of [
      await s3.send(new GetBucketAclCommand({ Bucket })),
      await s3.send(new GetObjectAclCommand({ Bucket, Key: 'k' })),
    ]) {
      expect(Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
      expect(Grants).toEqual([{ Grantee: { ...Owner, Type: 'CanonicalUser' }, Permission: 'FULL_CONTROL' }])
    }
    expect((await failureOf(s3.send(new GetObjectAclCommand({ Bucket, Key: 'none' })))).code).toBe('NoSuchKey')
  })

  it('and nothing that says otherwise is taken and passed over', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ACL: 'bucket-owner-full-control' }))
    // As older versions of rclone upload.
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ACL: 'private' }))
    const asked = `b-${randomBytes(6).toString('hex')}`
    await s3.send(new CreateBucketCommand({ Bucket: asked, ObjectOwnership: 'BucketOwnerEnforced' }))
    const strict = s3.send(new PutObjectCommand({ Bucket: asked, Key: 'k', Body: 'x', ACL: 'private' }))
    expect(await failureOf(strict)).toEqual({ code: 'AccessControlListNotSupported', status: 400 })
    for (const refused of [
      () => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', ACL: 'public-read' })),
      () => s3.send(new PutBucketAclCommand({ Bucket, ACL: 'private' })),
      () => s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x', GrantRead: 'id=1' })),
      () => s3.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read' })),
      () => s3.send(new PutObjectAclCommand({ Bucket, Key: 'k', ACL: 'public-read' })),
      () =>
        s3.send(new PutObjectAclCommand({ Bucket, Key: 'k', AccessControlPolicy: { Grants: [], Owner: { ID: 'x' } } })),
    ]) {
      expect(await failureOf(refused())).toEqual({ code: 'AccessControlListNotSupported', status: 400 })
    }
    const made = new CreateBucketCommand({ Bucket: `b-${randomBytes(6).toString('hex')}`, ACL: 'public-read' })
    expect((await failureOf(s3.send(made))).code).toBe('InvalidBucketAclWithObjectOwnership')
  })

  it('as its ownership controls say', async () => {
    const Bucket = await newBucket(s3)
    const { OwnershipControls } = await s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))
    expect(OwnershipControls).toEqual({ Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] })
  })
})
