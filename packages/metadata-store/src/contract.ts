import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { appendsContract } from './contract/appends.ts'
import { blobsContract } from './contract/blobs.ts'
import { bucketsContract } from './contract/buckets.ts'
import { newBucket, type OpenedStore, plain, put, type StoreUnderTest } from './contract/fixtures.ts'
import { keyUseContract } from './contract/key-use.ts'
import { keyUseBatchesContract } from './contract/key-use-batches.ts'
import { listingsContract } from './contract/listings.ts'
import { modelContract } from './contract/model.ts'
import { outboxContract } from './contract/outbox.ts'
import { quotasContract } from './contract/quotas.ts'
import { recordsContract } from './contract/records.ts'
import { renamesContract } from './contract/renames.ts'
import { uploadsContract } from './contract/uploads.ts'
import { versionsContract } from './contract/versions.ts'
import type { MetadataStore } from './metadata-store.ts'

/**
 * What every {@link MetadataStore} promises, as tests. `open` gives an empty store for each test.
 *
 * @example metadataStoreContract('my driver', async () => ({ store: await openMine(), dispose: async () => {} }))
 */
export function metadataStoreContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`${name} keeps the promises of a metadata store`, () => {
    let opened: OpenedStore
    let store: MetadataStore
    const under: StoreUnderTest = {
      get store() {
        return store
      },
      async reopen() {
        if (!opened.reopen) return store
        store = await opened.reopen()
        return store
      },
    }
    beforeEach(async () => {
      opened = await open()
      store = opened.store
    })
    afterEach(() => opened.dispose())

    bucketsContract(under)
    versionsContract(under)
    keyUseContract(under)
    keyUseBatchesContract(under)
    listingsContract(under)
    uploadsContract(under)
    blobsContract(under)
    outboxContract(under)
    recordsContract(under)
    renamesContract(under)
    appendsContract(under)
    quotasContract(under)
    modelContract(under)

    test('what was acknowledged is there after the store is closed and opened again', async () => {
      const bucket = await newBucket(under.store)
      const commits = await Promise.all(
        Array.from({ length: 200 }, (_, index) => put(under.store, bucket, `key-${index}`)),
      )
      await under.store.putRecord('iam', 'root', new Uint8Array([1, 2, 3]))
      await under.reopen()
      expect(plain(await under.store.findBucket('bucket'))).toEqual(plain(bucket))
      for (const { version, body } of commits) {
        const found = await under.store.findVersion(bucket.id, version.key, 'current', { withBody: true })
        expect(plain(found)).toEqual(plain({ version: { ...version, bodyKind: 'inline' }, isLatest: true, body }))
      }
      expect((await under.store.findRecord('iam', 'root'))?.revision).toBe(1)
    })

    test('what was submitted before the store is closed is kept', async () => {
      const bucket = await newBucket(under.store)
      const commits = Array.from({ length: 100 }, (_, index) => put(under.store, bucket, `key-${index}`))
      if (opened.reopen) await under.reopen()
      await Promise.all(commits)
      expect(await under.store.getUsage({ bucketId: bucket.id })).toMatchObject({ versionCount: 100 })
    })

    test('reads at the same time as writes see each commit whole', async () => {
      const bucket = await newBucket(under.store)
      let done = false
      const writes = (async () => {
        for (let round = 0; round < 50; round += 1) {
          await Promise.all(
            ['x', 'y'].map((key) => put(under.store, bucket, key, { isNull: true, sizeBytes: 5, keyRef: 'k' })),
          )
        }
        done = true
      })()
      while (!done) {
        const usage = await under.store.getUsage({ bucketId: bucket.id })
        expect(usage.sizeBytes).toBe(usage.versionCount * 5)
        for (const key of ['x', 'y']) {
          const found = await under.store.findVersion(bucket.id, key, 'null', { withBody: true })
          expect(found === undefined || found.body?.kind === 'inline').toBe(true)
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
      await writes
    })
  })
}
