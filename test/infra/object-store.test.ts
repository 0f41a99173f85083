import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { s3Client } from '../harness/s3.ts'
import {
  type CofferServer,
  cleanEnvironment,
  REPOSITORY,
  startServer,
  temporaryDirectory,
} from '../harness/start-server.ts'

const SCRIPT = join(REPOSITORY, 'infra/compose/make-object-store.ts')
const SIZE_BYTES = 1 << 20

interface Blobs {
  readonly bucket: string
  readonly accessKeyId: string
}

describe('infra/compose/make-object-store.ts', () => {
  const directory = temporaryDirectory('object-store')
  const folder = join(directory, 'blobs')
  const blobsFile = join(folder, 'blobs.yaml')
  const secretFile = join(folder, 'secret-access-key')
  let store: CofferServer
  const setUp = async () => {
    const env = { ...cleanEnvironment({}), NODE_EXTRA_CA_CERTS: store.caFile }
    const args = [SCRIPT, store.endpoint, join(directory, 'root-credentials'), folder, store.caFile]
    await runOrThrow(process.execPath, args, { env })
    return readFileSync(blobsFile, 'utf8')
  }
  const blobs = () => JSON.parse(readFileSync(blobsFile, 'utf8')) as Blobs
  const asMesh = () => {
    const { accessKeyId } = blobs()
    return s3Client({ ...store, accessKeyId, secretAccessKey: readFileSync(secretFile, 'utf8').trim() })
  }

  beforeAll(async () => {
    store = await startServer({ workers: 1 })
    mkdirSync(folder)
    const lines = `COFFER_ROOT_ACCESS_KEY_ID=${store.accessKeyId}\nCOFFER_ROOT_SECRET_ACCESS_KEY=${store.secretAccessKey}\n`
    writeFileSync(join(directory, 'root-credentials'), lines)
    await setUp()
  })
  afterAll(async () => {
    await store.dispose()
    rmSync(directory, { recursive: true, force: true })
  })

  it('makes a blobs file that a server keeps its object data by', async () => {
    expect(statSync(secretFile).mode & 0o777).toBe(0o600)
    const server = await startServer({ workers: 1, env: { COFFER_BLOBS_FILE: blobsFile } })
    try {
      const client = s3Client(server)
      const Body = Buffer.alloc(SIZE_BYTES, 'a')
      await client.send(new CreateBucketCommand({ Bucket: 'photos' }))
      await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'one', Body }))
      const { Body: read } = await client.send(new GetObjectCommand({ Bucket: 'photos', Key: 'one' }))
      expect(Body.equals((await read?.transformToByteArray()) ?? new Uint8Array())).toBe(true)
    } finally {
      await server.dispose()
    }
    const { Contents = [] } = await s3Client(store).send(new ListObjectsV2Command({ Bucket: blobs().bucket }))
    const sizes = Contents.filter(({ Key }) => Key?.startsWith('blobs/')).map(({ Size }) => Size ?? 0)
    expect(sizes).toHaveLength(1)
    expect(sizes[0]).toBeGreaterThan(SIZE_BYTES)
  })

  it('gives the mesh what it needs in its bucket and nothing else', async () => {
    const { bucket: Bucket } = blobs()
    const client = asMesh()
    const refused = { name: 'AccessDenied' }
    await expect(client.send(new CreateBucketCommand({ Bucket: 'another' }))).rejects.toMatchObject(refused)
    await expect(client.send(new ListBucketsCommand({}))).rejects.toMatchObject(refused)
    await expect(client.send(new PutBucketPolicyCommand({ Bucket, Policy: '{}' }))).rejects.toMatchObject(refused)
    await s3Client(store).send(new CreateBucketCommand({ Bucket: 'private' }))
    await expect(client.send(new ListObjectsV2Command({ Bucket: 'private' }))).rejects.toMatchObject(refused)
  })

  it('run again, keeps the key that works; one that is lost is replaced, and ends', async () => {
    const first = await setUp()
    const before = asMesh()
    const { bucket: Bucket } = blobs()
    expect(await setUp()).toBe(first)
    rmSync(secretFile)
    expect(await setUp()).not.toBe(first)
    await asMesh().send(new ListObjectsV2Command({ Bucket }))
    await expect(before.send(new ListObjectsV2Command({ Bucket }))).rejects.toMatchObject({
      name: 'InvalidAccessKeyId',
    })
  })
})
