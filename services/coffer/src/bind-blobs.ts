import { randomUUID } from 'node:crypto'
import {
  type BlobPlaces,
  type BlobStore,
  FIRST_STORE,
  type OwnedBlobStore,
  PlacedBlobStore,
  STORE_NUMBER_MAX,
  type StoreNumber,
} from '@coffer/blob-store'
import type { ConfiguredBlobs } from './blob-location.ts'
import { type BlobRecords, recordTable, refersTo } from './blob-records.ts'
import { blobsElsewhere } from './errors.ts'

/** Claimed: the place may not have been told yet, since a first start was cut short. */
type State = 'claimed' | 'bound'

/** Which place belongs to the metadata as its first store. No record: the one in the data directory. */
interface FirstBinding {
  readonly kind: 's3' | 'directory'
  /** What the place says of itself, too. */
  readonly owner: string
  readonly state: State
}

/** A store beside the first. Its number is in the ids of its blobs, and never another store's. `left`: not configured, and empty. */
interface NamedBinding {
  readonly name: string
  readonly number: StoreNumber
  readonly owner: string
  readonly state: State | 'left'
}

const FIRST = recordTable<FirstBinding>('blobs')
const NAMED = recordTable<readonly NamedBinding[]>('blob-stores')
const OTHERS = "belongs to another store's metadata"
const NOBODYS = 'holds no store: is its disk mounted?'

/** The configured stores as one, bound at its first use. */
export function placedBlobs(configured: ConfiguredBlobs, metadata: () => BlobRecords): PlacedBlobStore {
  return new PlacedBlobStore(
    () => bindBlobs(metadata(), configured),
    () => configured.close(),
  )
}

/**
 * Makes sure that metadata and blob stores belong together before anything is read or removed: with another store's metadata
 * every blob would look like garbage, and every object lost. The first start binds them. COFFER_BLOBS_ELSEWHERE, BLOB_UNAVAILABLE.
 */
async function bindBlobs(metadata: BlobRecords, configured: ConfiguredBlobs): Promise<BlobPlaces> {
  await bindFirst(metadata, configured.first)
  const bound = await bindNamed(metadata, configured.named)
  const stores = new Map<StoreNumber, BlobStore>([[0, configured.first.store]])
  const numbers = new Map<string, StoreNumber>([[FIRST_STORE, 0]])
  for (const [name, store] of configured.named) {
    const number = bound.find((binding) => binding.name === name)?.number
    if (number === undefined) continue
    stores.set(number, store)
    numbers.set(name, number)
  }
  const classes = new Map<string, StoreNumber>()
  for (const [storageClass, name] of configured.classes) classes.set(storageClass, numbers.get(name) ?? 0)
  return { stores, numbers, classes }
}

async function bindFirst(metadata: BlobRecords, first: ConfiguredBlobs['first']): Promise<void> {
  const found = await FIRST.find(metadata)
  if (first.kind === 'data-directory') {
    if (found === undefined) return
    if (await refersTo(metadata, 0)) {
      throw blobsElsewhere('it is where a blobs file says: give --blobs-file <path> or COFFER_BLOBS_FILE')
    }
    return await metadata.deleteRecord(FIRST.table, FIRST.id)
  }
  if (found === undefined) return await claimFirst(metadata, first.store, first.kind)
  const { owner, state } = found.value
  await assertOwner(first.store, owner, state, 'this place')
  if (state === 'claimed') await FIRST.put(metadata, { ...found.value, state: 'bound' }, found.revision)
}

async function claimFirst(metadata: BlobRecords, store: OwnedBlobStore, kind: FirstBinding['kind']): Promise<void> {
  if (await refersTo(metadata, 0)) {
    throw blobsElsewhere(
      'the data directory holds objects of this store: move them first (docs/storage-classes.md), or start without a blobs file',
    )
  }
  if ((await store.readOwner()) !== undefined) throw blobsElsewhere(`this place ${OTHERS}`)
  await FIRST.put(metadata, { kind, owner: randomUUID(), state: 'claimed' }, 0)
  await bindFirst(metadata, { store, kind })
}

/** One record for all: two processes that start at once give no number twice. */
async function bindNamed(metadata: BlobRecords, named: ConfiguredBlobs['named']): Promise<readonly NamedBinding[]> {
  for (;;) {
    const found = await NAMED.find(metadata)
    const before = found?.value ?? []
    if (before.length === 0 && named.size === 0) return before
    const claimed = await withNew(metadata, before, named)
    const after = claimed.length > before.length ? claimed : await boundOf(claimed, named)
    if (JSON.stringify(after) === JSON.stringify(before)) return after
    await NAMED.put(metadata, after, found?.revision ?? 0)
  }
}

/** What is bound already, as it now is, and an entry for each store that is new. */
async function withNew(
  metadata: BlobRecords,
  before: readonly NamedBinding[],
  named: ConfiguredBlobs['named'],
): Promise<readonly NamedBinding[]> {
  const after: NamedBinding[] = []
  for (const binding of before) {
    const isGone = !named.has(binding.name) && binding.state !== 'left'
    if (isGone && (await refersTo(metadata, binding.number))) {
      throw blobsElsewhere(
        `the store ${binding.name} holds objects: it has to stay in the blobs file until they are moved`,
      )
    }
    after.push(isGone ? { ...binding, state: 'left' } : binding)
  }
  for (const [name, store] of named) {
    if (before.some((binding) => binding.name === name)) continue
    if ((await store.readOwner()) !== undefined) throw blobsElsewhere(`the store ${name} ${OTHERS}`)
    const number = after.length + 1
    if (number > STORE_NUMBER_MAX)
      throw blobsElsewhere(`there have been ${STORE_NUMBER_MAX} stores: use one of their names again`)
    after.push({ name, number, owner: randomUUID(), state: 'claimed' })
  }
  return after
}

async function boundOf(
  bindings: readonly NamedBinding[],
  named: ConfiguredBlobs['named'],
): Promise<readonly NamedBinding[]> {
  const bound: NamedBinding[] = []
  for (const binding of bindings) {
    const store = named.get(binding.name)
    if (store !== undefined) await assertOwner(store, binding.owner, binding.state, `the store ${binding.name}`)
    bound.push(store === undefined ? binding : { ...binding, state: 'bound' })
  }
  return bound
}

async function assertOwner(
  store: OwnedBlobStore,
  owner: string,
  state: NamedBinding['state'],
  place: string,
): Promise<void> {
  const actual = state === 'claimed' ? await store.claim(owner) : await store.readOwner()
  if (actual !== owner) throw blobsElsewhere(`${place} ${actual === undefined ? NOBODYS : OTHERS}`)
}
