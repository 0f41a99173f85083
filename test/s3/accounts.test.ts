import {
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketEncryptionCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'

const server = await serverForSuite()
const root = s3Client(server)

/** The key pair that `account create` prints once. */
async function createAccount(name: string): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  const { code, stdout, stderr } = await coffer(['account', 'create', name, '--json'], server.env)
  expect(code, stderr).toBe(0)
  const { accessKey } = JSON.parse(stdout) as { accessKey: { accessKeyId: string; secretAccessKey: string } }
  return accessKey
}

describe('two accounts on one server', async () => {
  const keys = await createAccount('alice')
  const alice = s3Client({ ...server, ...keys })
  const bucket = await newBucket(root)
  await root.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: "root's" }))

  it('each see only their own buckets, under different owners', async () => {
    const hers = await newBucket(alice)
    const [list, rootList] = [await alice.send(new ListBucketsCommand({})), await root.send(new ListBucketsCommand({}))]
    expect(list.Buckets?.map(({ Name }) => Name)).toEqual([hers])
    expect(rootList.Buckets?.map(({ Name }) => Name)).toEqual([bucket])
    expect(list.Owner?.ID).toMatch(/^[0-9a-f]{64}$/)
    expect(list.Owner?.ID).not.toBe(rootList.Owner?.ID)
    await alice.send(new DeleteBucketCommand({ Bucket: hers }))
  })

  it("can't touch each other's buckets and objects", async () => {
    const Bucket = bucket
    const hers = await newBucket(alice)
    const commands = [
      alice.send(new GetObjectCommand({ Bucket, Key: 'k' })),
      alice.send(new GetObjectCommand({ Bucket, Key: 'absent' })),
      alice.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'hers' })),
      alice.send(new DeleteObjectCommand({ Bucket, Key: 'k' })),
      alice.send(new ListObjectsV2Command({ Bucket })),
      alice.send(new CreateMultipartUploadCommand({ Bucket, Key: 'k' })),
      alice.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
      alice.send(new GetBucketEncryptionCommand({ Bucket })),
      alice.send(new DeleteBucketCommand({ Bucket })),
      alice.send(new CopyObjectCommand({ Bucket: hers, Key: 'k', CopySource: `${Bucket}/k` })),
      alice.send(new CopyObjectCommand({ Bucket, Key: 'k2', CopySource: `${Bucket}/k` })),
    ]
    const failures = await Promise.all(commands.map(async (command) => await failureOf(command)))
    for (const failure of failures) expect(failure).toEqual({ code: 'AccessDenied', status: 403 })
    expect((await failureOf(alice.send(new HeadObjectCommand({ Bucket, Key: 'k' })))).status).toBe(403)
    expect((await failureOf(alice.send(new HeadBucketCommand({ Bucket })))).status).toBe(403)
    expect((await failureOf(root.send(new ListObjectsV2Command({ Bucket: hers })))).status).toBe(403)
    const kept = await root.send(new GetObjectCommand({ Bucket, Key: 'k' }))
    expect((await bytesOf(kept)).toString()).toBe("root's")
    await alice.send(new DeleteBucketCommand({ Bucket: hers }))
  })

  it('use no bucket of another owner than the one that they expect', async () => {
    const mine = await newBucket(root)
    const { Owner } = await root.send(new ListBucketsCommand({}))
    expect(Owner?.ID).toBeDefined()
    const { stdout } = await coffer(['account', 'list', '--json'], server.env)
    const [first] = (JSON.parse(stdout) as { name: string; accountId: string }[]).filter(({ name }) => name === 'root')
    const right = first?.accountId ?? ''
    const using = (expected: string) => {
      const named = { Bucket: mine, Key: 'k', ExpectedBucketOwner: expected }
      const copied = { Bucket: mine, Key: 'copy', CopySource: `${bucket}/k` }
      return [
        () => root.send(new PutObjectCommand({ ...named, Body: 'mine' })),
        () => root.send(new GetObjectCommand(named)),
        () => root.send(new ListObjectsV2Command({ Bucket: mine, ExpectedBucketOwner: expected })),
        () => root.send(new CopyObjectCommand({ ...copied, ExpectedSourceBucketOwner: expected })),
        () => root.send(new DeleteObjectCommand(named)),
      ]
    }
    for (const act of using(right)) await act()
    const refused = { code: 'AccessDenied', status: 403 }
    for (const act of using('000000000000')) expect(await failureOf(act())).toEqual(refused)
    // What can be nobody's id is no other answer.
    for (const act of using('x'.repeat(12))) expect(await failureOf(act())).toEqual(refused)
    // Refused before anything is done.
    expect((await failureOf(root.send(new HeadObjectCommand({ Bucket: mine, Key: 'k' })))).status).toBe(404)
  })

  it("can't take a bucket name that the other owns", async () => {
    expect(await failureOf(alice.send(new CreateBucketCommand({ Bucket: bucket })))).toEqual({
      code: 'BucketAlreadyExists',
      status: 409,
    })
  })

  it('are listed, and removed only when they own nothing', async () => {
    const hers = await newBucket(alice)
    const listed = await coffer(['account', 'list'], server.env)
    expect(listed.stdout).toContain('alice')
    expect(listed.stdout).toContain('root')
    expect(listed.stdout).not.toContain(keys.secretAccessKey)
    const refused = await coffer(['account', 'remove', 'alice'], server.env)
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain('IAM_ACCOUNT_OWNS_BUCKETS')
    await alice.send(new DeleteBucketCommand({ Bucket: hers }))
    const removed = await coffer(['account', 'remove', 'alice'], server.env)
    expect(removed.code, removed.stderr).toBe(0)
    await expect
      .poll(async () => await failureOf(alice.send(new ListBucketsCommand({}))).catch(() => undefined), {
        timeout: 60_000,
      })
      .toEqual({ code: 'InvalidAccessKeyId', status: 403 })
  })

  it('a name that is taken, or the root account, is refused', async () => {
    expect((await coffer(['account', 'create', 'root'], server.env)).stderr).toContain('IAM_ACCOUNT_EXISTS')
    expect((await coffer(['account', 'remove', 'root'], server.env)).stderr).toContain('IAM_ACCOUNT_IS_ROOT')
  })

  it("an account's secret is shown once and never logged", () => {
    expect(server.logs()).not.toContain(keys.secretAccessKey)
    expect(server.logs()).not.toContain(server.secretAccessKey)
  })
})
