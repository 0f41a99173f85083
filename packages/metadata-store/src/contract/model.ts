import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MetadataStore } from '../metadata-store.ts'
import type { BucketRecord, VersionBody } from '../records.ts'
import type { StoreUnderTest } from './fixtures.ts'
import { allPages, blobBody, bucketFields, newBlobId, newVersionId, newWriter, put, query } from './fixtures.ts'

/** What a version is to the model: newest first under its key. */
interface ModelVersion {
  readonly versionId: string
  readonly isNull: boolean
  readonly isDeleteMarker: boolean
  readonly sizeBytes: number
  readonly keyRef: string
  readonly blobIds: readonly string[]
}

type Step =
  | {
      readonly do: 'put'
      readonly key: string
      readonly isNull: boolean
      readonly inBlobs: boolean
      readonly keyRef: string
    }
  | { readonly do: 'mark'; readonly key: string; readonly isNull: boolean }
  | { readonly do: 'remove'; readonly key: string; readonly which: 'current' | 'null' | number }

const KEYS = ['a', 'a/', 'a/b', 'b', 'é/x', 'é']
const key = fc.constantFrom(...KEYS)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('put' as const),
    key,
    isNull: fc.boolean(),
    inBlobs: fc.boolean(),
    keyRef: fc.constantFrom('', 'k/1', 'k/2'),
  }),
  fc.record({ do: fc.constant('mark' as const), key, isNull: fc.boolean() }),
  fc.record({
    do: fc.constant('remove' as const),
    key,
    which: fc.oneof(fc.constantFrom('current' as const, 'null' as const), fc.nat({ max: 4 })),
  }),
)

/** Runs the same steps on the store and on a model of a few lines; whatever the store says has to be what the model says. */
export function modelContract(under: StoreUnderTest): void {
  describe('any sequence of commits and removals', () => {
    test('leaves what a simple model of it says', async () => {
      let bucketNumber = 0
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          bucketNumber += 1
          const run = new ModelRun(
            under.store,
            await under.store.createBucket(
              bucketFields(`model-${bucketNumber}`, { ownerAccountId: `account-${bucketNumber}` }),
            ),
            await newWriter(under.store),
          )
          for (const next of steps) await run.take(next)
          await run.compare()
        }),
        { numRuns: 40 },
      )
    })
  })
}

class ModelRun {
  readonly #store: MetadataStore
  readonly #bucket: BucketRecord
  readonly #writer: string
  readonly #versions = new Map<string, ModelVersion[]>(KEYS.map((name) => [name, []]))
  readonly #dropped = new Set<string>()

  constructor(store: MetadataStore, bucket: BucketRecord, writer: string) {
    this.#store = store
    this.#bucket = bucket
    this.#writer = writer
  }

  async take(next: Step): Promise<void> {
    if (next.do === 'remove') return this.#remove(next.key, next.which)
    const isDeleteMarker = next.do === 'mark'
    const blobIds = next.do === 'put' && next.inBlobs ? [newBlobId(this.#writer), newBlobId(this.#writer)] : []
    const body: VersionBody = blobIds.length > 0 ? blobBody(...blobIds) : { kind: 'none' }
    const keyRef = next.do === 'put' ? next.keyRef : ''
    const version = {
      versionId: newVersionId(),
      isNull: next.isNull,
      isDeleteMarker,
      sizeBytes: isDeleteMarker ? 0 : 9,
      keyRef,
    }
    await put(this.#store, this.#bucket, next.key, { ...version, body })
    const versions = this.#of(next.key)
    if (next.isNull)
      this.#drop(
        next.key,
        versions.findIndex(({ isNull }) => isNull),
      )
    versions.unshift({ ...version, blobIds })
  }

  async compare(): Promise<void> {
    await this.#compareLookUps()
    await this.#compareListings()
    await this.#compareCounters()
  }

  async #remove(name: string, which: 'current' | 'null' | number): Promise<void> {
    const versions = this.#of(name)
    const index = which === 'null' ? versions.findIndex(({ isNull }) => isNull) : which === 'current' ? 0 : which
    const target = versions[index]
    const selector = typeof which === 'number' ? { versionId: target?.versionId ?? newVersionId() } : which
    const removal = { bucketId: this.#bucket.id, bucketRevision: 1, key: name, which: selector }
    const result = await this.#store.removeVersion(removal)
    expect(result.removed?.versionId).toBe(target?.versionId)
    expect(result.garbage).toEqual(target?.blobIds ?? [])
    if (target) this.#drop(name, index)
  }

  async #compareLookUps(): Promise<void> {
    for (const [name, versions] of this.#versions) {
      const find = (which: 'current' | 'null' | { versionId: string }) =>
        this.#store.findVersion(this.#bucket.id, name, which, { withBody: true })
      expect((await find('current'))?.version.versionId).toBe(versions[0]?.versionId)
      expect((await find('null'))?.version.versionId).toBe(versions.find(({ isNull }) => isNull)?.versionId)
      for (const [index, { versionId, blobIds }] of versions.entries()) {
        const found = await find({ versionId })
        expect(found?.isLatest).toBe(index === 0)
        const body = found?.body
        expect(body?.kind === 'blobs' ? body.blobs.map(({ blobId }) => blobId) : []).toEqual(blobIds)
      }
    }
  }

  async #compareListings(): Promise<void> {
    const names = [...KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const history = names.flatMap((name) =>
      this.#of(name).map(({ versionId }, index) => [name, versionId, index === 0]),
    )
    const live = names.filter((name) => this.#of(name)[0]?.isDeleteMarker === false)
    const versions = await allPages((search) => this.#store.listVersions(search), query(this.#bucket, { limit: 3 }))
    expect(versions.entries.map((entry) => [entry.key, entry.versionId, entry.isLatest])).toEqual(history)
    const current = await allPages((search) => this.#store.listCurrent(search), query(this.#bucket, { limit: 2 }))
    expect(current.entries.map((entry) => entry.key)).toEqual(live)
  }

  async #compareCounters(): Promise<void> {
    const all = [...this.#versions.values()].flat()
    const markers = all.filter(({ isDeleteMarker }) => isDeleteMarker).length
    const sizeBytes = all.reduce((sum, version) => sum + version.sizeBytes, 0)
    const usage = { versionCount: all.length - markers, deleteMarkerCount: markers, sizeBytes, partSizeBytes: 0 }
    const { id: bucketId, ownerAccountId: accountId } = this.#bucket
    expect(await this.#store.getUsage({ bucketId })).toEqual(usage)
    expect(await this.#store.getUsage({ accountId })).toEqual(usage)
    for (const { blobIds } of all) {
      for (const blobId of blobIds) expect(await this.#store.isReferenced(blobId)).toBe(true)
    }
    const garbage = new Set(await this.#store.listGarbage(100_000))
    for (const blobId of this.#dropped) {
      expect(await this.#store.isReferenced(blobId)).toBe(false)
      expect(garbage.has(blobId)).toBe(true)
    }
  }

  #of(name: string): ModelVersion[] {
    return this.#versions.get(name) as ModelVersion[]
  }

  #drop(name: string, index: number): void {
    if (index === -1) return
    for (const version of this.#of(name).splice(index, 1)) for (const id of version.blobIds) this.#dropped.add(id)
  }
}
