import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { startServer, temporaryDirectory } from '../harness/start-server.ts'
import { type Exchange, startProviderProxy } from './provider-proxy.ts'
import { blobsFileAt, endpointOf, newBucketAt } from './s3-endpoint.ts'

const MIB = 1024 * 1024
const WAIT_MS = 60_000

const provider = endpointOf(await startServer({ workers: 1, env: { COFFER_ALLOW_HTTP: 'true' } }))
const atProvider = s3Client(provider)
const place = await newBucketAt(provider)
const proxy = await startProviderProxy(provider.endpoint)
const blobsFile = blobsFileAt({ ...provider, endpoint: proxy.endpoint, isSecure: false }, place, { prefix: 'ours/' })
const server = await startServer({ workers: 2, env: { COFFER_BLOBS_FILE: blobsFile } })
let s3 = s3Client(server)
const bucket = await newBucket(s3)

afterAll(async () => {
  proxy.isAway = false
  await server.dispose()
  await proxy.stop()
  await provider.stop()
})
beforeEach(() => {
  proxy.distort = () => 'whole'
  proxy.isAway = false
})

async function put(Key: string, body = randomBytes(3 * MIB)): Promise<Buffer> {
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: body }))
  return body
}

async function get(Key: string): Promise<Buffer> {
  return await bytesOf(await s3.send(new GetObjectCommand({ Bucket: bucket, Key })))
}

async function namesAtProvider(): Promise<string[]> {
  const [objects, uploads] = [
    await atProvider.send(new ListObjectsV2Command({ Bucket: place })),
    await atProvider.send(new ListMultipartUploadsCommand({ Bucket: place })),
  ]
  return [...(objects.Contents ?? []), ...(uploads.Uploads ?? [])].map(({ Key = '' }) => Key)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error('it did not come to be')
    await sleep(100)
  }
}

it('tells the provider neither names nor bytes', async () => {
  const secret = Buffer.from('the plans for the new harbour '.repeat(20_000))
  await put('plans/harbour.txt', secret)
  const names = await namesAtProvider()
  expect(names.every((name) => /^ours\/(coffer-store|blobs\/[0-9a-f]{2}\/[0-9a-f]{16}-[0-9a-f]{24})$/.test(name))).toBe(
    true,
  )
  const blob = names.find((name) => name.startsWith('ours/blobs/')) ?? ''
  const stored = await atProvider.send(new GetObjectCommand({ Bucket: place, Key: blob }))
  expect(JSON.stringify(stored.Metadata)).not.toContain('harbour')
  expect((await bytesOf(stored)).includes('harbour')).toBe(false)
  expect((await get('plans/harbour.txt')).equals(secret)).toBe(true)
})

const isBlobRead = ({ method, path }: Exchange) => method === 'GET' && path.includes('/blobs/')
const distortions: Readonly<Record<string, (exchange: Exchange, other: Buffer) => void>> = {
  'a flipped bit': ({ body }) => {
    body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1
  },
  'a short body': (exchange) => {
    exchange.body = exchange.body.subarray(0, -1)
    exchange.headers['content-length'] = String(exchange.body.length)
  },
  "someone else's object": (exchange, other) => {
    exchange.body = Buffer.from(other.subarray(0, exchange.body.length))
  },
  zeros: ({ body }) => void body.fill(0),
}

it.each(Object.keys(distortions))('finds out %s, and gives no wrong byte', async (name) => {
  const body = await put('asked-for')
  let other: Buffer = Buffer.alloc(0)
  await put('other')
  proxy.distort = (exchange) => {
    if (isBlobRead(exchange) && exchange.body.length > other.length) other = exchange.body
    return 'whole'
  }
  await s3.send(new GetObjectCommand({ Bucket: bucket, Key: 'other' })).then(bytesOf)
  let distorted = 0
  proxy.distort = (exchange) => {
    if (!isBlobRead(exchange)) return 'whole'
    distorted++
    distortions[name]?.(exchange, other)
    return 'whole'
  }
  await expect(get('asked-for')).rejects.toThrow()
  expect(distorted).toBeGreaterThan(0)
  proxy.distort = () => 'whole'
  expect((await get('asked-for')).equals(body)).toBe(true)
})

it('finds out when an object is answered with an earlier state of the same key', async () => {
  const earlier = new Map<unknown, Buffer>()
  proxy.distort = (exchange) => {
    if (isBlobRead(exchange)) earlier.set(exchange.headers['content-range'], exchange.body)
    return 'whole'
  }
  await put('changing')
  await get('changing')
  const now = await put('changing')
  proxy.distort = (exchange) => {
    if (isBlobRead(exchange)) exchange.body = earlier.get(exchange.headers['content-range']) ?? exchange.body
    return 'whole'
  }
  await expect(get('changing')).rejects.toThrow()
  proxy.distort = () => 'whole'
  expect((await get('changing')).equals(now)).toBe(true)
})

it('reads on where an answer was cut', async () => {
  const body = await put('cut')
  let cuts = 0
  proxy.distort = (exchange) => (isBlobRead(exchange) && cuts++ < 1 ? 'cut' : 'whole')
  expect((await get('cut')).equals(body)).toBe(true)
  expect(cuts).toBeGreaterThan(1)
})

it('answers 503 while the provider is away, loses nothing, and goes on when it is back', async () => {
  const body = await put('kept')
  const small = await put('small', randomBytes(1000))
  proxy.isAway = true
  const unavailable = { code: 'ServiceUnavailable', status: 503 }
  expect(await failureOf(get('kept'))).toEqual(unavailable)
  expect(await failureOf(put('refused'))).toEqual(unavailable)
  // It is beside its metadata.
  expect((await get('small')).equals(small)).toBe(true)
  proxy.isAway = false
  expect((await get('kept')).equals(body)).toBe(true)
  const next = await put('refused')
  expect((await get('refused')).equals(next)).toBe(true)
})

it('leaves no orphan of uploads under which it was killed', async () => {
  const known = new Set(await namesAtProvider())
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'killed' }))
  const body = randomBytes(40 * MIB)
  const uploads = [1, 2].map((PartNumber) =>
    s3.send(new UploadPartCommand({ Bucket: bucket, Key: 'killed', UploadId, PartNumber, Body: body })),
  )
  const ended = Promise.allSettled(uploads)
  await until(async () => (await namesAtProvider()).some((name) => !known.has(name)))
  await server.killGroup('SIGKILL')
  await ended
  s3.destroy()
  await server.restart()
  s3 = s3Client(server)
  // Deleted, so marked; its bytes go when the delay is over.
  const isLeft = (name: string, names: readonly string[]) =>
    name.startsWith('ours/blobs/') && !known.has(name) && !names.includes(name.replace('/blobs/', '/deleted/'))
  await until(async () => {
    const names = await namesAtProvider()
    return !names.some((name) => isLeft(name, names))
  })
  const { stdout } = await coffer(['scrub', '--json'], server.env)
  expect(JSON.parse(stdout)).toMatchObject({ damaged: [] })
})

it("refuses to start with another blob store than the metadata's", async () => {
  const { COFFER_BLOBS_FILE: _, ...withoutFile } = server.env
  const elsewhere = await coffer(['scrub'], withoutFile)
  expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringContaining('COFFER_BLOBS_ELSEWHERE') })
  const other = blobsFileAt({ ...provider, isSecure: false }, place, { prefix: 'other/' })
  const empty = await coffer(['scrub'], { ...server.env, COFFER_BLOBS_FILE: other })
  expect(empty).toMatchObject({ code: 1, stderr: expect.stringContaining('COFFER_BLOBS_ELSEWHERE') })
  // A store whose objects are in its directory, and a new one in the place of this one.
  const options = { workers: 1, env: { COFFER_INLINE_SIZE_BYTES_MAX: '0' } }
  const local = await startServer(options)
  const localClient = s3Client(local)
  const localBucket = await newBucket(localClient)
  await localClient.send(new PutObjectCommand({ Bucket: localBucket, Key: 'k', Body: 'in the directory' }))
  await local.stop()
  const moved = await coffer(['scrub'], { ...local.env, COFFER_BLOBS_FILE: other })
  expect(moved).toMatchObject({ code: 1, stderr: expect.stringContaining('COFFER_BLOBS_ELSEWHERE') })
  await local.dispose()
})

it.each([
  [{ endpoint: 'http://s3.example.com' }, 'endpoint'],
  [{ endpoint: 'https://user:word@s3.example.com' }, 'endpoint'],
  [{ prefix: '../up' }, 'prefix'],
  [{ accessKeyId: undefined }, 'accessKeyId and secretAccessKeyFile'],
  [{ secretAccessKeyFile: 'nowhere' }, 'nowhere'],
  [{ secretAccessKey: 'in-the-file' }, 'secretAccessKey'],
])('refuses a blobs file with %j', async (change, told) => {
  const path = blobsFileAt({ ...provider, isSecure: false }, place, change)
  const env = { ...server.env, COFFER_DATA_DIR: temporaryDirectory('refused'), COFFER_BLOBS_FILE: path }
  const { code, stderr } = await coffer(['server'], env)
  expect(code).toBe(1)
  expect(stderr).toContain('COFFER_BLOBS_CONFIGURATION_INVALID')
  expect(stderr).toContain(told)
  expect(stderr).not.toContain('in-the-file')
  expect(stderr).not.toContain('word@')
})
