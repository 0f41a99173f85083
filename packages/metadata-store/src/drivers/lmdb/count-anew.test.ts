import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { countedStore } from '../../contract/fixtures.ts'
import { openLmdbStore } from '../lmdb.ts'
import { RowWriter } from '../rows/row.ts'
import { readUsage, usageKey, usageScopeOf } from './counters.ts'
import { openEnvironment } from './environment.ts'
import { FORMAT_KEY } from './meta-pages.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coffer-count-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** As format 1 had it: usage of three values, and none of accounts. */
async function takeBackToFormat1(): Promise<void> {
  const { root, databases } = await openEnvironment({ directory, readOnly: false })
  const rows = new RowWriter()
  root.transactionSync(() => {
    for (const key of Array.from(databases.counters.getKeys({ start: Buffer.from([0]) }))) {
      const scope = usageScopeOf(key)
      if (scope === undefined) continue
      const { versionCount, deleteMarkerCount, sizeBytes } = readUsage(databases, scope)
      databases.counters.remove(key)
      if (!('bucketId' in scope)) continue
      const row = rows.begin().uint48(versionCount).uint48(deleteMarkerCount).uint48(sizeBytes)
      databases.counters.put(key, row.finish(usageKey(scope)))
    }
    root.put(FORMAT_KEY, Buffer.from([0, 0, 0, 1]))
  })
  await root.close()
}

test('a store of format 1 is counted once: accounts, and the parts of uploads in progress', async () => {
  let store = await openLmdbStore({ directory })
  const { usage, before } = await countedStore(store)
  expect(before[2]).toEqual({ versionCount: 2, deleteMarkerCount: 1, sizeBytes: 17, partSizeBytes: 100 })
  await store.close()
  await takeBackToFormat1()
  for (let opened = 1; opened <= 2; opened += 1) {
    store = await openLmdbStore({ directory })
    expect(await usage(store)).toEqual(before)
    await store.close()
  }
})
