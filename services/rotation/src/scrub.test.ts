import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BlobId, type BlobStore, blobError, newBlobId, PlacedBlobStore } from '@coffer/blob-store'
import { openFsBlobStore } from '@coffer/blob-store/drivers/fs'
import type { BucketRecord, MetadataStore, VersionId } from '@coffer/metadata-store'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { removeGarbage, scrub } from './scrub.ts'

const BLOB_BYTES = 1000
const NONE = new Uint8Array(0)

let directory = ''
let metadata: MetadataStore
let blobs: BlobStore
let bucket: BucketRecord
let writer = ''
let clock = 1_800_000_000_000

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-scrub-'))
  metadata = await openLmdbStore({ directory: join(directory, 'metadata') })
  blobs = await openFsBlobStore({ directory: join(directory, 'blobs') })
  writer = await newWriter()
  bucket = await metadata.createBucket({
    name: 'bucket',
    id: randomBytes(16).toString('hex'),
    ownerAccountId: '000000000001',
    createdAt: clock,
    versioning: 'enabled',
    wrappedMetadataKey: NONE,
    sealed: NONE,
  })
})

afterEach(async () => {
  await blobs.close()
  await metadata.close()
  await rm(directory, { recursive: true })
})

async function newWriter(): Promise<string> {
  const writerId = randomBytes(8).toString('hex')
  await metadata.registerWriter(writerId)
  return writerId
}

async function written(writerId = writer): Promise<BlobId> {
  const blobId = newBlobId(writerId)
  await blobs.write(blobId, [Buffer.alloc(BLOB_BYTES, 1)])
  return blobId
}

/** Many blobs in their places, without the price of making each durable. */
async function placed(count: number, writerId: string): Promise<BlobId[]> {
  const blobIds = Array.from({ length: count }, () => newBlobId(writerId))
  await Promise.all(blobIds.map((blobId) => writeFile(pathOf(blobId), Buffer.alloc(BLOB_BYTES))))
  return blobIds
}

/** Writes a version of these blobs, as the null version if `isNull`: that drops the one before. */
function commit(key: string, blobIds: readonly BlobId[], isNull = false) {
  clock += 1
  const versionId: VersionId = clock.toString(16).padStart(12, '0') + randomBytes(10).toString('hex')
  return metadata.commitVersion({
    bucketId: bucket.id,
    bucketRevision: bucket.revision,
    version: {
      key,
      versionId,
      isNull,
      isDeleteMarker: false,
      lastModifiedAt: clock,
      sizeBytes: BLOB_BYTES,
      keyRef: '',
      sealed: NONE,
      summary: NONE,
    },
    body: {
      kind: 'blobs',
      blobs: blobIds.map((blobId) => ({ blobId, storedSizeBytes: BLOB_BYTES })),
      manifest: NONE,
    },
  })
}

async function committed(key: string, writerId = writer): Promise<BlobId> {
  const blobId = await written(writerId)
  await commit(key, [blobId])
  return blobId
}

async function stored(): Promise<BlobId[]> {
  return (await Array.fromAsync(blobs.list())).map(({ blobId }) => blobId).sort()
}

const pathOf = (blobId: BlobId) => join(directory, 'blobs', blobId.slice(17, 19), blobId)

/** The metadata store, but `act` runs once, right after the named method has answered the given call of it. */
function interposed(method: 'isReferenced' | 'listWriters', call: number, act: () => Promise<void>): MetadataStore {
  let calls = 0
  return new Proxy(metadata, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        const answer: unknown = await value.apply(target, args)
        if (name === method && ++calls === call) await act()
        return answer
      }
    },
  })
}

describe('a scrub', () => {
  it('of a store in order changes nothing and reports nothing', async () => {
    const kept = [await committed('a'), await committed('b')]
    await metadata.retireWriter(writer)
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toEqual({
      blobsSeen: 2,
      orphansRemoved: 0,
      garbageRemoved: 0,
      damaged: [],
      incomplete: [],
    })
    expect(await stored()).toEqual(kept.sort())
  })

  it('removes what a dead writer has left, and nothing of a live one', async () => {
    const dead = await newWriter()
    const kept = [await committed('a', dead), await committed('b'), await written()]
    for (let index = 0; index < 5; index++) await written(dead)
    await metadata.retireWriter(dead)
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({
      blobsSeen: 8,
      orphansRemoved: 5,
      damaged: [],
    })
    expect(await stored()).toEqual(kept.sort())
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ blobsSeen: 3, orphansRemoved: 0 })
  })

  it('removes what a writer left half-written that nobody has ever registered', async () => {
    await written('ffffffffffffffff')
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ orphansRemoved: 1 })
    expect(await stored()).toEqual([])
  })

  it('keeps the parts of an upload in progress, and removes them once it is aborted', async () => {
    const upload = {
      key: 'k',
      uploadId: randomBytes(16).toString('hex'),
      initiatedAt: 1,
      ownerAccountId: '1',
      keyRef: '',
      sealed: NONE,
    }
    await metadata.createUpload(bucket.id, bucket.revision, upload)
    const blobId = await written()
    const blob = { blobId, storedSizeBytes: BLOB_BYTES }
    const part = { partNumber: 1, lastModifiedAt: 1, sizeBytes: BLOB_BYTES, blob, sealed: NONE }
    await metadata.putPart(bucket.id, 'k', upload.uploadId, part)
    await metadata.retireWriter(writer)
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ orphansRemoved: 0, damaged: [] })
    expect(await stored()).toEqual([blobId])
    await metadata.abortUpload(bucket.id, 'k', upload.uploadId)
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ garbageRemoved: 1, orphansRemoved: 0 })
    expect(await stored()).toEqual([])
  })

  it('removes what commits have dropped, once', async () => {
    const old = await written()
    await commit('k', [old], true)
    const current = await written()
    await commit('k', [current], true)
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({
      garbageRemoved: 1,
      orphansRemoved: 0,
      damaged: [],
    })
    expect(await stored()).toEqual([current])
    expect(await metadata.listGarbage(10)).toEqual([])
    expect(await removeGarbage(metadata, PlacedBlobStore.of(blobs))).toBe(0)
  })

  it('walks past its page and batch sizes', async () => {
    const dead = await newWriter()
    const [kept, dropped, orphans] = [await placed(1100, writer), await placed(1100, writer), await placed(600, dead)]
    await commit('kept', kept)
    await commit('dropped', dropped, true)
    await commit('dropped', [await written()], true)
    await metadata.retireWriter(dead)
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toEqual({
      blobsSeen: kept.length + orphans.length + 1,
      orphansRemoved: orphans.length,
      garbageRemoved: dropped.length,
      damaged: [],
      incomplete: [],
    })
    expect(await stored()).toHaveLength(kept.length + 1)
  })

  it('reports what is missing, cut, grown or unreadable, and leaves it where it is', async () => {
    const [missing, cut, grown, unreadable, whole] = [
      await committed('missing'),
      await committed('cut'),
      await committed('grown'),
      await committed('unreadable'),
      await committed('whole'),
    ]
    await blobs.delete(missing)
    await truncate(pathOf(cut), BLOB_BYTES - 1)
    await truncate(pathOf(grown), BLOB_BYTES + 1)
    const failing: BlobStore = new Proxy(blobs, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'open') return value.bind(target)
        return async (blobId: BlobId) => {
          if (blobId === unreadable) throw blobError('BLOB_IO_FAILED', { blobId })
          return await Reflect.apply(value, target, [blobId])
        }
      },
    })
    const { damaged } = await scrub(metadata, PlacedBlobStore.of(failing))
    const byId = (a: { blobId: string }, b: { blobId: string }) => (a.blobId < b.blobId ? -1 : 1)
    expect(damaged.toSorted(byId)).toEqual(
      [
        { blobId: missing, problem: 'missing' },
        { blobId: cut, problem: 'size' },
        { blobId: grown, problem: 'size' },
        { blobId: unreadable, problem: 'unreadable' },
      ].sort(byId),
    )
    expect(await stored()).toEqual([cut, grown, unreadable, whole].sort())
  })

  it('beside running writers removes nothing that they commit', async () => {
    const kept: BlobId[] = []
    const writers = Array.from({ length: 4 }, async (_, index) => {
      for (let round = 0; round < 60; round++) kept.push(await committed(`${index}-${round}`))
    })
    let isOver = false
    const writing = Promise.all(writers).finally(() => {
      isOver = true
    })
    do {
      expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ orphansRemoved: 0, damaged: [] })
    } while (!isOver)
    await writing
    expect(await stored()).toEqual(kept.sort())
  })

  it('keeps a blob that is committed after it looked, just before its writer dies', async () => {
    const blobId = await written()
    const racing = interposed('isReferenced', 1, async () => {
      await commit('k', [blobId])
      await metadata.retireWriter(writer)
    })
    expect(await scrub(racing, PlacedBlobStore.of(blobs))).toMatchObject({ orphansRemoved: 0, damaged: [] })
    expect(await stored()).toEqual([blobId])
  })

  it('keeps a blob whose writer dies after it asked who is alive', async () => {
    const blobId = await written()
    const racing = interposed('listWriters', 1, () => metadata.retireWriter(writer))
    expect(await scrub(racing, PlacedBlobStore.of(blobs))).toMatchObject({ orphansRemoved: 0 })
    expect(await stored()).toEqual([blobId])
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ orphansRemoved: 1 })
  })

  it('calls nothing damaged that is deleted while it looks', async () => {
    const blobId = await written()
    await commit('k', [blobId], true)
    const vanishing: BlobStore = new Proxy(blobs, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        if (name !== 'open') return value.bind(target)
        return async (opened: BlobId) => {
          await commit('k', [await written()], true)
          await blobs.delete(blobId)
          return await Reflect.apply(value, target, [opened])
        }
      },
    })
    expect((await scrub(metadata, PlacedBlobStore.of(vanishing))).damaged).toEqual([])
  })

  it('forgets no garbage that it could not delete, and goes on with the rest', async () => {
    const [old, other] = [await written(), await written()]
    await commit('k', [old], true)
    await commit('other', [other], true)
    await commit('k', [await written()], true)
    await commit('other', [await written()], true)
    await blobs.delete(old)
    // A folder in its place: it can't be unlinked.
    await mkdir(pathOf(old))
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({
      garbageRemoved: 1,
      incomplete: [{ store: 'default', code: 'BLOB_IO_FAILED' }],
    })
    expect(await metadata.listGarbage(10)).toEqual([old])
    await rm(pathOf(old), { recursive: true })
    expect(await scrub(metadata, PlacedBlobStore.of(blobs))).toMatchObject({ garbageRemoved: 1, incomplete: [] })
  })
})

describe('with a store that is away a scrub', () => {
  let slow: BlobStore
  let isAway: boolean
  let both: PlacedBlobStore

  beforeEach(async () => {
    slow = await openFsBlobStore({ directory: join(directory, 'slow') })
    isAway = false
    const refusing: BlobStore = new Proxy(slow, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          if (isAway) throw blobError('BLOB_UNAVAILABLE')
          return Reflect.apply(value, target, args) as unknown
        }
      },
    })
    const stores = new Map([
      [0, blobs],
      [1, refusing],
    ])
    const numbers = new Map([
      ['default', 0],
      ['slow', 1],
    ])
    const check = async (number: number) => {
      if (number === 1 && isAway) throw blobError('BLOB_UNAVAILABLE')
    }
    both = new PlacedBlobStore(
      async () => ({ stores, numbers, classes: new Map(), check }),
      async () => {},
    )
  })
  afterEach(() => slow.close())

  async function writtenTo(store: number, writerId = writer): Promise<BlobId> {
    const blobId = newBlobId(writerId, store)
    await both.write(blobId, [Buffer.alloc(BLOB_BYTES, 1)])
    return blobId
  }

  it('goes through the others, says which it was, and finds the rest once that is back', async () => {
    const dead = await newWriter()
    for (const store of [0, 1]) {
      const [dropped, damaged] = [await writtenTo(store), await writtenTo(store)]
      await commit(`k${store}`, [dropped], true)
      await commit(`k${store}`, [damaged], true)
      await both.delete(damaged)
      await writtenTo(store, dead)
    }
    await metadata.retireWriter(dead)
    const ofOne = { blobsSeen: 1, orphansRemoved: 1, garbageRemoved: 1, damaged: [{ problem: 'missing' }] }
    isAway = true
    const report = await scrub(metadata, both)
    expect(report).toMatchObject({ ...ofOne, incomplete: [{ store: 'slow', code: 'BLOB_UNAVAILABLE' }] })
    expect(report.damaged[0]?.blobId).not.toMatch(/-01$/)
    isAway = false
    // Only what was left: the first is not gone through again.
    const stores = report.incomplete.map(({ store }) => store)
    const later = await scrub(metadata, both, { stores })
    expect(later).toMatchObject({ ...ofOne, incomplete: [] })
    expect(later.damaged[0]?.blobId).toMatch(/-01$/)
  })

  it('leaves it out also where it goes away in the middle, and calls nothing of it damaged', async () => {
    await commit('k', [await writtenTo(1)], true)
    const vanishing = new PlacedBlobStore(
      async () => {
        const places = await both.places()
        const list = async function* () {
          isAway = true
          yield* []
        }
        const first = new Proxy(blobs, {
          get: (target, name) => (name === 'list' ? list : Reflect.get(target, name).bind(target)),
        })
        return { ...places, stores: new Map([...places.stores, [0, first]]) }
      },
      async () => {},
    )
    expect(await scrub(metadata, vanishing)).toMatchObject({ damaged: [], incomplete: [{ store: 'slow' }] })
  })

  it('removes what the others have for deletion, however much waits for it', async () => {
    const dropped = Array.from({ length: 1_100 }, () => newBlobId(writer, 1))
    await commit('k', dropped, true)
    const here = await Promise.all(Array.from({ length: 3 }, () => writtenTo(0)))
    await commit('k', here, true)
    await commit('k', [await writtenTo(0)], true)
    isAway = true
    expect(await removeGarbage(metadata, both)).toBe(3)
    expect((await metadata.listGarbage(2_000)).toSorted()).toEqual(dropped.sort())
    isAway = false
    expect(await removeGarbage(metadata, both)).toBe(1_100)
  })

  it('does not take a name that it does not know for one that is done', async () => {
    const report = await scrub(metadata, both, { stores: ['gone'] })
    expect(report).toMatchObject({ blobsSeen: 0, incomplete: [{ store: 'gone', code: 'BLOB_UNAVAILABLE' }] })
  })
})
