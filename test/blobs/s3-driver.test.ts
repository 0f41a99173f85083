import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BlobStore, newBlobId } from '@coffer/blob-store'
import { openS3BlobStore } from '@coffer/blob-store/drivers/s3'
import { isCofferError } from '@coffer/errors'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { startServer } from '../harness/start-server.ts'
import { startProviderProxy } from './provider-proxy.ts'
import { endpointOf, locationAt, newBucketAt } from './s3-endpoint.ts'

const WRITER = '0123456789abcdef'
const MIB = 1024 * 1024
const provider = endpointOf(await startServer({ workers: 1, env: { COFFER_ALLOW_HTTP: 'true' } }))
const proxy = await startProviderProxy(provider.endpoint)
const bucket = await newBucketAt({ ...provider, caFile: '' })
const endpoint = { ...provider, endpoint: proxy.endpoint, isSecure: false }
const opened: BlobStore[] = []
const openAt = (location: ReturnType<typeof locationAt>, deleteDelayMs = 60_000) => {
  const store = openS3BlobStore({ ...location, deleteDelayMs })
  opened.push(store)
  return store
}

afterAll(async () => {
  for (const store of opened) await store.close()
  await proxy.stop()
  await provider.stop()
})
beforeEach(() => {
  proxy.distort = () => 'whole'
  proxy.isAway = false
})

async function readWhole(store: BlobStore, blobId: string): Promise<Buffer> {
  const blob = await store.open(blobId)
  return Buffer.from(await blob.read(0, blob.sizeBytes))
}

async function idsOf(store: BlobStore): Promise<string[]> {
  const ids: string[] = []
  for await (const { blobId } of store.list()) ids.push(blobId)
  return ids
}

/** Fails with `code`, and tells nobody the secret. */
async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isCofferError(error)) throw new Error(`not refused as it should be: ${String(error)}`)
  expect(JSON.stringify(error.toJSON())).not.toContain(provider.secretAccessKey)
  return error.code
}

it('keeps a blob of several parts, of which another process sees that it is unfinished until it is whole', async () => {
  const location = locationAt(endpoint, bucket)
  const [store, other] = [openAt(location), openAt(location)]
  const bytes = randomBytes(20 * MIB + 7)
  const blobId = newBlobId(WRITER)
  const gate = Promise.withResolvers<void>()
  const halfWay = Promise.withResolvers<void>()
  async function* slow() {
    yield bytes.subarray(0, 17 * MIB)
    halfWay.resolve()
    await gate.promise
    yield bytes.subarray(17 * MIB)
  }
  const writing = store.write(blobId, slow())
  await halfWay.promise
  expect(await idsOf(other)).toEqual([blobId])
  await expect(other.open(blobId)).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' })
  gate.resolve()
  expect(await writing).toBe(bytes.length)
  expect((await readWhole(other, blobId)).equals(bytes)).toBe(true)
  await expect(other.write(blobId, [bytes])).rejects.toMatchObject({ code: 'BLOB_EXISTS' })
  expect((await readWhole(store, blobId)).equals(bytes)).toBe(true)
  expect(await idsOf(other)).toEqual([blobId])
})

it('leaves no parts behind when the source fails, nor when a dead process left them and somebody deletes the blob', async () => {
  const location = locationAt(endpoint, bucket)
  const [store, other] = [openAt(location), openAt(location)]
  async function* failing(error: Error) {
    yield randomBytes(17 * MIB)
    throw error
  }
  const cut = new Error('cut')
  await expect(store.write(newBlobId(WRITER), failing(cut))).rejects.toBe(cut)
  expect(await idsOf(other)).toEqual([])
  // As after a kill -9: the order to abort never gets out.
  const blobId = newBlobId(WRITER)
  async function* dying() {
    yield randomBytes(17 * MIB)
    proxy.isAway = true
    throw cut
  }
  await expect(store.write(blobId, dying())).rejects.toBe(cut)
  proxy.isAway = false
  expect(await idsOf(other)).toEqual([blobId])
  await other.delete(blobId)
  expect(await idsOf(other)).toEqual([])
})

it('succeeds where the provider did, and only its answer was lost', async () => {
  const store = openAt(locationAt(endpoint, bucket))
  for (const [sizeBytes, method] of [
    [1000, 'PUT'],
    [9 * MIB, 'POST'],
  ] as const) {
    const bytes = randomBytes(sizeBytes)
    let lost = 0
    proxy.distort = (exchange) =>
      exchange.method === method && !exchange.path.includes('?uploads') && lost++ === 0 ? 'lose' : 'whole'
    const blobId = newBlobId(WRITER)
    expect(await store.write(blobId, [bytes])).toBe(sizeBytes)
    expect(lost).toBeGreaterThan(1)
    expect((await readWhole(store, blobId)).equals(bytes)).toBe(true)
  }
})

it('goes on where an answer was cut, and says so where every one is', async () => {
  const store = openAt(locationAt(endpoint, bucket))
  const bytes = randomBytes(2 * MIB)
  const blobId = newBlobId(WRITER)
  await store.write(blobId, [bytes])
  let gets = 0
  proxy.distort = ({ method }) => (method === 'GET' && gets++ < 2 ? 'cut' : 'whole')
  expect((await readWhole(store, blobId)).equals(bytes)).toBe(true)
  expect(gets).toBe(3)
  proxy.distort = ({ method }) => (method === 'GET' ? 'cut' : 'whole')
  expect(await refusalOf(readWhole(store, blobId))).toBe('BLOB_UNAVAILABLE')
})

it('refuses fewer bytes, another range, and another object under the same name', async () => {
  const store = openAt(locationAt(endpoint, bucket))
  const blobId = newBlobId(WRITER)
  await store.write(blobId, [randomBytes(MIB)])
  const readWith = (change: (exchange: Parameters<typeof proxy.distort>[0]) => void) => {
    proxy.distort = (exchange) => {
      if (exchange.method === 'GET') change(exchange)
      return 'whole'
    }
    return refusalOf(readWhole(store, blobId))
  }
  const short = await readWith((exchange) => {
    exchange.body = exchange.body.subarray(0, 10)
    exchange.headers['content-length'] = '10'
  })
  expect(short).toBe('BLOB_TRUNCATED')
  const shifted = await readWith((exchange) => {
    exchange.headers['content-range'] = `bytes 1-${MIB}/${MIB + 1}`
  })
  expect(shifted).toBe('BLOB_IO_FAILED')
  const replaced = await readWith((exchange) => {
    exchange.status = 412
    exchange.body = Buffer.from('<Error><Code>PreconditionFailed</Code></Error>')
    exchange.headers = {}
  })
  expect(replaced).toBe('BLOB_IO_FAILED')
})

it.each([
  [403, 'AccessDenied', 'BLOB_UNAVAILABLE'],
  [503, 'SlowDown', 'BLOB_UNAVAILABLE'],
  [500, 'InternalError', 'BLOB_UNAVAILABLE'],
  [507, 'XMinioStorageFull', 'BLOB_STORE_FULL'],
  [404, 'NoSuchBucket', 'BLOB_UNAVAILABLE'],
])('takes %i %s for %s', async (status, code, expected) => {
  const store = openAt(locationAt(endpoint, bucket))
  proxy.distort = (exchange) => {
    exchange.status = status
    exchange.headers = {}
    exchange.body = Buffer.from(`<Error><Code>${code}</Code></Error>`)
    return 'whole'
  }
  expect(await refusalOf(store.write(newBlobId(WRITER), [randomBytes(10)]))).toBe(expected)
  const opening = store.open(newBlobId(WRITER))
  expect(await refusalOf(opening)).toBe(expected)
})

it('knows an unreachable provider', async () => {
  const store = openAt(locationAt(endpoint, bucket))
  proxy.isAway = true
  const blobId = newBlobId(WRITER)
  const refusals = [store.write(blobId, [randomBytes(10)]), store.open(blobId), store.delete(blobId), idsOf(store)]
  expect(await Promise.all(refusals.map(refusalOf))).toEqual(Array(4).fill('BLOB_UNAVAILABLE'))
})

it('erases what was deleted when the delay is over, and what an ended process left to be erased', async () => {
  const location = locationAt(endpoint, bucket)
  const [patient, brisk] = [openAt(location), openAt(location, 300)]
  const blobIds = [newBlobId(WRITER), newBlobId(WRITER)] as const
  for (const blobId of blobIds) await patient.write(blobId, [randomBytes(1000)])
  const reader = await patient.open(blobIds[0])
  await patient.delete(blobIds[0])
  await brisk.delete(blobIds[1])
  expect(await idsOf(patient)).toEqual([])
  expect(await reader.read(0, 1000)).toHaveLength(1000)
  await patient.close()
  const isErased = async () => {
    await idsOf(brisk)
    return await reader.read(0, 1000).then(
      () => false,
      (error: unknown) => isCofferError(error, 'BLOB_NOT_FOUND'),
    )
  }
  while (!(await isErased())) await sleep(100)
})

it('takes over what an ended process has marked, and erases it when it is due, without another look', async () => {
  const location = locationAt(endpoint, bucket)
  const [ending, heir, reading] = [openAt(location), openAt(location, 1_500), openAt(location)]
  const blobId = newBlobId(WRITER)
  await ending.write(blobId, [randomBytes(1000)])
  const reader = await reading.open(blobId)
  await ending.delete(blobId)
  await ending.close()
  expect(await idsOf(heir)).toEqual([])
  const isErased = () =>
    reader.read(0, 1000).then(
      () => false,
      (error: unknown) => isCofferError(error, 'BLOB_NOT_FOUND'),
    )
  while (!(await isErased())) await sleep(100)
})
