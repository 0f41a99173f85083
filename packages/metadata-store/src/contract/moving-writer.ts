import { randomBytes, randomInt } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { isCofferError } from '@coffer/errors'
import { expect } from 'vitest'
import type { MetadataStore } from '../metadata-store.ts'
import type { BucketRecord } from '../records.ts'
import {
  allPages,
  blobBody,
  bucketFields,
  commitOf,
  newBlobId,
  newVersionId,
  newWriter,
  partOf,
  query,
  uploadOf,
} from './fixtures.ts'

const KEY_COUNT = 30
const KEY_REFS = ['', 'kms:k/1', 'bucket/2']
const REFUSED_PAUSE_MS = 5
const EVENT_WEIGHT_BYTES = 5_000_000_000

interface Known {
  readonly versionId: string
  readonly isDeleteMarker: boolean
  readonly sizeBytes: number
  readonly keyRef: string
  sealed: Uint8Array
}

/**
 * Writes all kinds of changes to a bucket of its own, one after the other, and knows what was acknowledged: a store that
 * this one was moved to has to hold that, and nothing else. What is refused while the store is fenced is tried again.
 */
export class MovingWriter {
  readonly #stores: readonly MetadataStore[]
  readonly #bucket: BucketRecord
  readonly #writerId: string
  readonly #versions = new Map<string, Known[]>()
  readonly #uploads = new Map<string, { readonly key: string; parts: Map<number, string> }>()
  readonly #records = new Map<string, Uint8Array>()
  readonly #events: string[] = []
  #isStopping = false
  acknowledgedCount = 0
  refusedCount = 0

  private constructor(stores: readonly MetadataStore[], bucket: BucketRecord, writerId: string) {
    this.#stores = stores
    this.#bucket = bucket
    this.#writerId = writerId
  }

  /** `stores`: the same store, opened more than once. */
  static async start(stores: readonly MetadataStore[], name: string): Promise<MovingWriter> {
    const [store] = stores
    if (store === undefined) throw new Error('a writer needs a store')
    const bucket = await store.createBucket(bucketFields(name, { ownerAccountId: `account-${name}` }))
    return new MovingWriter(stores, bucket, await newWriter(store))
  }

  stop(): void {
    this.#isStopping = true
  }

  /** Until it is told to stop, or the store is elsewhere; at most so many changes. */
  async run(changesMax = Number.POSITIVE_INFINITY): Promise<void> {
    for (let count = 0; count < changesMax && !this.#isStopping; count += 1) {
      try {
        await this.#change()
        this.acknowledgedCount += 1
      } catch (error) {
        if (!isCofferError(error, 'META_STORE_CLOSED')) throw error
        if (error.details.closed !== 'moving') return
        this.refusedCount += 1
        await pause(REFUSED_PAUSE_MS)
      }
    }
  }

  /** That a store holds what was acknowledged. */
  async expectIn(store: MetadataStore): Promise<void> {
    const { id: bucketId, ownerAccountId: accountId } = this.#bucket
    const names = [...this.#versions.keys()].sort()
    const expected = names.flatMap((key) =>
      this.#of(key).map(({ versionId, isDeleteMarker }, index) => [key, versionId, isDeleteMarker, index === 0]),
    )
    const listed = await allPages((page) => store.listVersions(page), query(this.#bucket))
    expect(listed.entries.map((entry) => [entry.key, entry.versionId, entry.isDeleteMarker, entry.isLatest])).toEqual(
      expected,
    )
    const current = await allPages((page) => store.listCurrent(page), query(this.#bucket))
    expect(current.entries.map(({ key }) => key)).toEqual(
      names.filter((key) => this.#of(key)[0]?.isDeleteMarker === false),
    )
    for (const key of names) {
      const versions = this.#of(key)
      const found = await store.findVersions(versions.map(({ versionId }) => ({ bucketId, key, versionId })))
      expect(found.map((version) => version && Buffer.from(version.sealed).toString('hex'))).toEqual(
        versions.map(({ sealed }) => Buffer.from(sealed).toString('hex')),
      )
    }
    const all = [...this.#versions.values()].flat()
    const usage = {
      versionCount: all.filter(({ isDeleteMarker }) => !isDeleteMarker).length,
      deleteMarkerCount: all.filter(({ isDeleteMarker }) => isDeleteMarker).length,
      sizeBytes: all.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }
    expect(await store.getUsage({ bucketId })).toMatchObject(usage)
    expect(await store.getUsage({ accountId })).toMatchObject(usage)
    const indexed = await store.listKeyUse({ keyRef: 'kms:k/1', limit: 100_000 })
    expect(
      indexed
        .filter((entry) => entry.bucketId === bucketId && !entry.isUpload)
        .map(({ versionId }) => versionId)
        .sort(),
    ).toEqual(
      all
        .filter(({ keyRef }) => keyRef === 'kms:k/1')
        .map(({ versionId }) => versionId)
        .sort(),
    )
    for (const [uploadId, { key, parts }] of this.#uploads) {
      const found = await store.listParts({ bucketId, key, uploadId, afterPartNumber: 0, limit: 100 })
      expect(found.parts.map(({ blob }) => blob.blobId)).toEqual(
        [...parts].sort(([a], [b]) => a - b).map(([, blobId]) => blobId),
      )
      for (const blobId of parts.values()) expect(await store.isReferenced(blobId)).toBe(true)
    }
    const records = await store.listRecords('jobs', { prefix: `${this.#bucket.name}/`, afterId: '', limit: 1_000 })
    expect(records.map(({ id, value }) => [id, Buffer.from(value).toString('hex')])).toEqual(
      [...this.#records].sort().map(([id, value]) => [id, Buffer.from(value).toString('hex')]),
    )
    const events = await store.listEvents({ queue: this.#bucket.name, afterId: '', limit: 1_000_000 })
    expect(events.map(({ payload }) => Buffer.from(payload).toString())).toEqual(this.#events)
    const entryCount = events.length
    const weightBytes = entryCount * EVENT_WEIGHT_BYTES
    expect(await store.getQueueTotals(this.#bucket.name)).toEqual({ entryCount, weightBytes })
  }

  async #change(): Promise<void> {
    const store = this.#stores[randomInt(this.#stores.length)] as MetadataStore
    const key = `key-${String(randomInt(KEY_COUNT)).padStart(2, '0')}`
    const dice = randomInt(100)
    if (dice < 50) return await this.#commit(store, key, dice)
    if (dice < 65) return await this.#remove(store, key)
    if (dice < 75) return await this.#replace(store, key)
    if (dice < 88) return await this.#upload(store, key)
    if (dice < 95) return await this.#record(store)
    await this.#takeEvent(store)
  }

  async #commit(store: MetadataStore, key: string, dice: number): Promise<void> {
    const isDeleteMarker = dice < 6
    const body = dice < 16 && !isDeleteMarker ? { body: blobBody(newBlobId(this.#writerId)) } : {}
    const keyRef = isDeleteMarker ? '' : (KEY_REFS[randomInt(3)] ?? '')
    const commit = commitOf(this.#bucket, key, { isDeleteMarker, keyRef, ...body })
    const { versionId, sizeBytes, sealed } = commit.version
    const event = `${versionId} made`
    await store.commitVersion({
      ...commit,
      events: [{ queue: this.#bucket.name, payload: Buffer.from(event), weightBytes: EVENT_WEIGHT_BYTES }],
    })
    this.#versions.set(key, [{ versionId, isDeleteMarker, sizeBytes, keyRef, sealed }, ...this.#of(key)])
    this.#events.push(event)
  }

  async #remove(store: MetadataStore, key: string): Promise<void> {
    const versions = this.#of(key)
    const one = versions[randomInt(versions.length + 1)]
    if (one === undefined) return
    const { id: bucketId, revision: bucketRevision } = this.#bucket
    await store.removeVersion({ bucketId, bucketRevision, key, which: { versionId: one.versionId } })
    const left = versions.filter((version) => version !== one)
    if (left.length > 0) this.#versions.set(key, left)
    else this.#versions.delete(key)
  }

  async #replace(store: MetadataStore, key: string): Promise<void> {
    const one = this.#of(key).find(({ isDeleteMarker }) => !isDeleteMarker)
    if (one === undefined) return
    const sealed = randomBytes(70)
    const { versionId, keyRef, sealed: expectedSealed } = one
    await store.replaceObjectKey({ bucketId: this.#bucket.id, key, versionId, keyRef, expectedSealed, sealed })
    one.sealed = sealed
  }

  async #upload(store: MetadataStore, key: string): Promise<void> {
    const [uploadId, upload] = [...this.#uploads][randomInt(this.#uploads.size + 1)] ?? []
    const { id: bucketId, revision } = this.#bucket
    if (uploadId === undefined || upload === undefined) {
      const made = uploadOf(key, newVersionId())
      await store.createUpload(bucketId, revision, made)
      this.#uploads.set(made.uploadId, { key, parts: new Map() })
    } else if (upload.parts.size > 3) {
      await store.abortUpload(bucketId, upload.key, uploadId)
      this.#uploads.delete(uploadId)
    } else {
      const part = partOf(randomInt(1, 6), newBlobId(this.#writerId), 1_000)
      await store.putPart(bucketId, upload.key, uploadId, part)
      upload.parts.set(part.partNumber, part.blob.blobId)
    }
  }

  async #record(store: MetadataStore): Promise<void> {
    const id = `${this.#bucket.name}/${randomInt(9)}`
    const value = randomBytes(20)
    if (randomInt(3) > 0) {
      await store.putRecord('jobs', id, value)
      this.#records.set(id, value)
    } else {
      await store.deleteRecord('jobs', id)
      this.#records.delete(id)
    }
  }

  async #takeEvent(store: MetadataStore): Promise<void> {
    const queue = this.#bucket.name
    const [first] = await store.listEvents({ queue, afterId: '', limit: 1 })
    if (first === undefined) return
    await store.moveEvents({ queue, ids: [first.id] })
    this.#events.shift()
  }

  #of(key: string): readonly Known[] {
    return this.#versions.get(key) ?? []
  }
}
