import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OwnedBlobStore } from '@coffer/blob-store'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { afterAll, expect, it } from 'vitest'
import { placedBlobs } from './bind-blobs.ts'
import { BlobDirectory } from './blob-directory.ts'
import type { ConfiguredBlobs } from './blob-location.ts'

const directory = mkdtempSync(join(tmpdir(), 'coffer-bind-'))
let count = 0

afterAll(() => rmSync(directory, { recursive: true }))

async function newMetadata() {
  return await openLmdbStore({ directory: join(directory, `metadata-${count++}`) })
}

/** The same two places, as each process that is told of them opens them. */
function configuredAt(place: string, changed: (store: OwnedBlobStore) => OwnedBlobStore = (store) => store) {
  const storeAt = (name: string) => changed(new BlobDirectory(join(place, name)))
  return (kind: 'directory' | 'data-directory'): ConfiguredBlobs => ({
    first:
      kind === 'directory'
        ? { store: storeAt('first'), kind }
        : { store: new BlobDirectory(join(place, 'own')), kind, isMade: () => true },
    named: kind === 'directory' ? new Map() : new Map([['archive', storeAt('archive')]]),
    places: new Map(),
    classes: new Map(),
    close: async () => {},
  })
}

/** Whoever first looks whose a place is, is overtaken before it gets its answer. */
function overtaken(store: OwnedBlobStore, byWhom: () => Promise<unknown>): OwnedBlobStore {
  let isOvertaken = false
  const readOwner = async () => {
    if (!isOvertaken) {
      isOvertaken = true
      await byWhom()
    }
    return await store.readOwner()
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'readOwner') return readOwner
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

it.each(['directory', 'data-directory'] as const)(
  'processes of one store that start at once agree about its places (%s)',
  async (kind) => {
    const metadata = await newMetadata()
    const place = join(directory, `places-${count++}`)
    const faster = placedBlobs(configuredAt(place)(kind), () => metadata)
    const slower = placedBlobs(
      configuredAt(place, (store) => overtaken(store, () => faster.places()))(kind),
      () => metadata,
    )
    expect((await slower.places()).numbers).toEqual((await faster.places()).numbers)
    await metadata.close()
  },
)

it.each(['directory', 'data-directory'] as const)(
  'a place that another store was faster at is refused (%s)',
  async (kind) => {
    const [mine, others] = [await newMetadata(), await newMetadata()]
    const place = join(directory, `places-${count++}`)
    const faster = placedBlobs(configuredAt(place)(kind), () => others)
    const slower = placedBlobs(
      configuredAt(place, (store) => overtaken(store, () => faster.places()))(kind),
      () => mine,
    )
    await expect(slower.places()).rejects.toMatchObject({ code: 'COFFER_BLOBS_ELSEWHERE' })
    await Promise.all([mine.close(), others.close()])
  },
)
