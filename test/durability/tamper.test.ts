import { randomInt } from 'node:crypto'
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import {
  type KnownObject,
  putKnownObjects,
  type Reading,
  readListing,
  readObject,
  secretsOf,
} from './store-contents.ts'
import { findBucketId, swapRecords } from './swap-records.ts'

const CI = process.env.CI === 'true'
/** Bytes flipped in the metadata file below a running server, and before a start. */
const METADATA_FLIPS = CI ? 240 : 120
const METADATA_FLIPS_BEFORE_START = CI ? 6 : 4
const BLOB_FLIPS = 24
const RECORD_NEIGHBOURHOOD_BYTES = 700

let server: CofferServer
let s3: S3Client
let bucket = ''
let known: KnownObject[] = []
let accountSecret = ''
const pristine = temporaryDirectory('pristine')

beforeAll(async () => {
  server = await startServer({ workers: 1 })
  s3 = s3Client(server, { checksums: 'WHEN_REQUIRED' })
  bucket = await newBucket(s3)
  known = await putKnownObjects(s3, bucket)
  const { stdout } = await coffer(['account', 'create', 'second'], server.env)
  accountSecret = /secret access key:?\s+(\S+)/i.exec(stdout)?.[1] ?? ''
  await server.stop()
  cpSync(server.dataDir, pristine, { recursive: true, preserveTimestamps: true })
})

afterAll(async () => {
  await server.dispose()
  rmSync(pristine, { recursive: true, force: true })
})

/** The stopped server's directory as it was. */
async function reset(): Promise<void> {
  await server.stop()
  rmSync(server.dataDir, { recursive: true })
  cpSync(pristine, server.dataDir, { recursive: true, preserveTimestamps: true })
}

async function start(): Promise<void> {
  await server.restart()
  s3 = s3Client(server, { checksums: 'WHEN_REQUIRED' })
}

async function readAll(): Promise<Map<string, Reading>> {
  const readings = new Map<string, Reading>()
  for (const object of known) readings.set(object.key, await readObject(s3, bucket, object))
  readings.set('(listing)', await readListing(s3, bucket, known))
  return readings
}

function expectNothingWrong(readings: ReadonlyMap<string, Reading>, after: string): void {
  const wrong = [...readings.values()].filter(({ kind }) => kind === 'wrong')
  expect(wrong, after).toEqual([])
}

async function expectAllTrue(): Promise<void> {
  const readings = await readAll()
  expect(Object.fromEntries(readings)).toEqual(
    Object.fromEntries([...readings.keys()].map((key) => [key, { kind: 'true' }])),
  )
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Blob files by size: the size says which object's they are. */
function blobFiles(): { path: string; sizeBytes: number }[] {
  return filesBelow(join(server.dataDir, 'blobs'))
    .map((path) => ({ path, sizeBytes: statSync(path).size }))
    .sort((a, b) => a.sizeBytes - b.sizeBytes)
}

/** Flips one bit in place, as a failing disk or an attacker would; returns what undoes it. */
function flip(path: string, offset: number): () => void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  const change = (): void => {
    byte[0] = (byte[0] ?? 0) ^ (1 << (offset % 8))
    writeSync(file, byte, 0, 1, offset)
  }
  change()
  return () => {
    change()
    closeSync(file)
  }
}

/** Places of a file worth flipping: half around the names of objects, half anywhere that is not zero. */
function positionsIn(bytes: Buffer, count: number): number[] {
  const near: number[] = []
  for (const { key } of known) {
    for (let at = bytes.indexOf(key); at >= 0 && near.length < 10_000; at = bytes.indexOf(key, at + 1)) near.push(at)
  }
  const positions: number[] = []
  while (positions.length < count) {
    const useNear = near.length > 0 && positions.length % 2 === 0
    const around = (near[randomInt(Math.max(1, near.length))] ?? 0) + randomInt(2 * RECORD_NEIGHBOURHOOD_BYTES)
    const position = useNear ? Math.max(0, around - RECORD_NEIGHBOURHOOD_BYTES) : randomInt(bytes.length)
    if (position < bytes.length && bytes[position] !== 0) positions.push(position)
  }
  return positions
}

describe('the disk without the root key', () => {
  it('shows no plaintext, metadata, tag, ETag, checksum or secret', () => {
    const secrets = secretsOf(known)
    secrets.set("root account's secret", Buffer.from(server.secretAccessKey))
    expect(accountSecret).not.toBe('')
    secrets.set("second account's secret", Buffer.from(accountSecret))
    const rootKey = readFileSync(join(pristine, 'secrets', 'root.key'), 'utf8').trim()
    secrets.set('root key as text', Buffer.from(rootKey))
    secrets.set('root key as bytes', Buffer.from(rootKey, 'base64'))
    const files = filesBelow(pristine).filter((path) => !relative(pristine, path).startsWith('secrets'))
    expect(files.length).toBeGreaterThan(3)
    const found = files.flatMap((path) => {
      const bytes = readFileSync(path)
      return [...secrets]
        .filter(([, secret]) => bytes.includes(secret))
        .map(([name]) => `${name} in ${relative(pristine, path)}`)
    })
    expect(found).toEqual([])
  })

  it('shows object names: the search finds what is there', () => {
    const names = filesBelow(join(pristine, 'metadata')).some((path) => readFileSync(path).includes('inline-a'))
    expect(names).toBe(true)
  })
})

describe('a changed blob', () => {
  beforeAll(async () => {
    await reset()
    await start()
  })

  it('is noticed at the next read, wherever the byte is', async () => {
    await expectAllTrue()
    for (const { path, sizeBytes } of blobFiles()) {
      const edges = [0, 4, 5, 8, 15, 16, 47, 48, sizeBytes - 1, sizeBytes - 16]
      const anywhere = Array.from({ length: BLOB_FLIPS }, () => randomInt(sizeBytes))
      for (const position of [...edges, ...anywhere]) {
        const undo = flip(path, position)
        const readings = await readAllWithBlobs()
        undo()
        expectNothingWrong(readings, `byte ${position} of a blob of ${sizeBytes}`)
        const noticed = [...readings.values()].filter(({ kind }) => kind !== 'true').length
        expect(noticed, `byte ${position} of a blob of ${sizeBytes}`).toBe(1)
      }
    }
    await expectAllTrue()
    await expect.poll(() => server.logs()).toMatch(/integrity/)
  })

  it('cut, extended, emptied or missing is noticed', async () => {
    for (const { path, sizeBytes } of blobFiles()) {
      const bytes = readFileSync(path)
      const changes: (() => void)[] = [
        () => truncateSync(path, sizeBytes - 1),
        () => truncateSync(path, sizeBytes - 16),
        () => truncateSync(path, Math.floor(sizeBytes / 2)),
        () => truncateSync(path, 48 + 65_552),
        () => truncateSync(path, 0),
        () => writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(65_552)])),
        () => rmSync(path),
      ]
      for (const change of changes) {
        change()
        const readings = await readAllWithBlobs()
        writeFileSync(path, bytes)
        expectNothingWrong(readings, `${change} on a blob of ${sizeBytes}`)
      }
    }
    await expectAllTrue()
  })

  it('swapped with another, or with a segment of its own, is noticed', async () => {
    const pair = blobFiles().filter(({ sizeBytes }) => Math.abs(sizeBytes - 300_000) < 2_000)
    expect(pair).toHaveLength(2)
    const [first, second] = pair as [(typeof pair)[0], (typeof pair)[0]]
    const swap = (): void => {
      renameSync(first.path, `${first.path}.x`)
      renameSync(second.path, first.path)
      renameSync(`${first.path}.x`, second.path)
    }
    swap()
    const readings = await readAll()
    swap()
    expect([readings.get('blob-a')?.kind, readings.get('blob-b')?.kind]).not.toContain('true')
    expectNothingWrong(readings, 'swapped blobs')
    const bytes = readFileSync(first.path)
    const [header, one, two, rest] = [
      bytes.subarray(0, 48),
      bytes.subarray(48, 48 + 65_552),
      bytes.subarray(48 + 65_552, 48 + 2 * 65_552),
      bytes.subarray(48 + 2 * 65_552),
    ]
    writeFileSync(first.path, Buffer.concat([header, two, one, rest]))
    const reordered = await readAll()
    writeFileSync(first.path, bytes)
    expectNothingWrong(reordered, 'swapped segments')
    expect([...reordered.values()].filter(({ kind }) => kind !== 'true')).toHaveLength(1)
    await expectAllTrue()
  })

  it('put back from an earlier upload of the same part, or an earlier version, is noticed', async () => {
    const Key = 'replayed'
    const blobsBefore = (): Set<string> => new Set(blobFiles().map(({ path }) => path))
    const newBlob = async (write: () => Promise<unknown>): Promise<string> => {
      const before = blobsBefore()
      await write()
      const fresh = blobFiles().filter(({ path }) => !before.has(path))
      expect(fresh).toHaveLength(1)
      return fresh[0]?.path ?? ''
    }
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
    const upload = { Bucket: bucket, Key, UploadId }
    const [oldBody, newBody] = [Buffer.alloc(400_000, 'old'), Buffer.alloc(400_000, 'new')]
    const sendPart = async (Body: Buffer) => await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body }))
    const oldPart = readFileSync(await newBlob(async () => await sendPart(oldBody)))
    let etag = ''
    const path = await newBlob(async () => {
      etag = (await sendPart(newBody)).ETag ?? ''
    })
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: etag }] }
    const done = await s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload }))
    const object: KnownObject = { key: Key, body: newBody, etag: done.ETag ?? '', metadata: {} }
    expect(await readObject(s3, bucket, object)).toEqual({ kind: 'true' })
    writeFileSync(path, oldPart)
    expect((await readObject(s3, bucket, object)).kind).not.toMatch(/true|wrong/)

    const firstVersion = readFileSync(
      await newBlob(
        async () => await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'versions', Body: oldBody })),
      ),
    )
    let second = ''
    const secondPath = await newBlob(async () => {
      second = (await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'versions', Body: newBody }))).ETag ?? ''
    })
    writeFileSync(secondPath, firstVersion)
    const versions: KnownObject = { key: 'versions', body: newBody, etag: second, metadata: {} }
    expect((await readObject(s3, bucket, versions)).kind).not.toMatch(/true|wrong/)
  })

  async function readAllWithBlobs(): Promise<Map<string, Reading>> {
    const readings = new Map<string, Reading>()
    const withBlobs = known.filter(({ key }) => !key.includes('inline'))
    for (const object of withBlobs) readings.set(object.key, await readObject(s3, bucket, object))
    return readings
  }
})

describe('changed metadata', () => {
  it('under a running server gives true bytes or an error, wherever the byte is', async () => {
    await reset()
    await start()
    const files = filesBelow(join(server.dataDir, 'metadata')).filter(
      (path) => path.endsWith('.mdb') && !path.includes('lock'),
    )
    const counts = new Map<string, number>()
    for (const path of files) {
      for (const position of positionsIn(readFileSync(path), METADATA_FLIPS)) {
        const undo = flip(path, position)
        const readings = await readAll()
        undo()
        expectNothingWrong(readings, `byte ${position} of ${relative(server.dataDir, path)}`)
        for (const { kind } of readings.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
        // A damaged tree may end a worker, and its successor writes: go on from a whole store.
        if ([...readings.values()].some(({ kind }) => kind === 'cut')) {
          await reset()
          await start()
        }
      }
    }
    expect(files.length).toBeGreaterThan(0)
    expect(counts.get('refused') ?? 0).toBeGreaterThan(0)
    console.info(`readings with one byte of metadata flipped: ${JSON.stringify(Object.fromEntries(counts))}`)
  }, 300_000)

  it('before a start gives true bytes, an error, or no start', async () => {
    await reset()
    const names = filesBelow(server.dataDir)
      .map((path) => relative(server.dataDir, path))
      .filter((name) => !name.startsWith('blobs') && statSync(join(server.dataDir, name)).size > 0)
    for (const name of names) {
      const flips = name.includes('data.mdb') ? METADATA_FLIPS_BEFORE_START : 1
      for (const position of positionsIn(readFileSync(join(pristine, name)), flips)) {
        await reset()
        const undo = flip(join(server.dataDir, name), position)
        let started = true
        try {
          await start()
        } catch {
          started = false
        }
        if (started) expectNothingWrong(await readAll(), `byte ${position} of ${name}`)
        undo()
      }
    }
    await reset()
  }, 300_000)

  it('with two records swapped is noticed', async () => {
    await reset()
    const directory = join(server.dataDir, 'metadata')
    const store = await openLmdbStore({ directory })
    const bucketId = await findBucketId(store, bucket)
    await swapRecords(store, bucketId, 'inline-a', 'inline-b')
    await store.close()
    await start()
    const readings = await readAll()
    for (const key of ['inline-a', 'inline-b']) {
      expect(readings.get(key)?.kind, key).not.toMatch(/true|wrong/)
    }
    expectNothingWrong(readings, 'swapped records')
    expect(readings.get('parts')?.kind).toBe('true')
  })
})
