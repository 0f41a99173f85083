import { randomUUID } from 'node:crypto'
import {
  type BlobPlaces,
  type BlobStore,
  blobError,
  FIRST_STORE,
  type OwnedBlobStore,
  PlacedBlobStore,
  STORE_NUMBER_MAX,
  type StoreNumber,
} from '@coffer/blob-store'
import { isCofferError } from '@coffer/errors'
import type { ConfiguredBlobs } from './blob-location.ts'
import { type BlobRecords, recordTable, refersTo } from './blob-records.ts'
import { checkOwner, UncheckedBlobStore } from './checked-blob-store.ts'
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

/** A store in its place, and the mark that the place has to have. */
interface Placed {
  readonly store: OwnedBlobStore
  readonly owner: string | undefined
}

/**
 * Makes sure that metadata and blob stores belong together before anything is read or removed: with another store's metadata
 * every blob would look like garbage, and every object lost. The first start binds them. A store that was bound before and is
 * away now is looked at before its first use. COFFER_BLOBS_ELSEWHERE, BLOB_UNAVAILABLE.
 */
async function bindBlobs(metadata: BlobRecords, configured: ConfiguredBlobs): Promise<BlobPlaces> {
  const away = new Set<OwnedBlobStore>()
  const firstOwner = await bindFirst(metadata, configured.first, away)
  const bound = await bindNamed(metadata, configured.named, away)
  const placed = new Map<StoreNumber, Placed>([[0, { store: configured.first.store, owner: firstOwner }]])
  const numbers = new Map<string, StoreNumber>([[FIRST_STORE, 0]])
  for (const [name, store] of configured.named) {
    const binding = bound.find((one) => one.name === name)
    if (binding === undefined) continue
    placed.set(binding.number, { store, owner: binding.owner })
    numbers.set(name, binding.number)
  }
  const stores = new Map<StoreNumber, BlobStore>()
  for (const [number, { store, owner }] of placed) {
    stores.set(number, owner !== undefined && away.has(store) ? new UncheckedBlobStore(store, owner) : store)
  }
  const check = async (number: StoreNumber) => {
    const found = placed.get(number)
    if (found === undefined) throw blobError('BLOB_UNAVAILABLE', { reason: `store ${number} is not configured` })
    await checkOwner(found.store, found.owner)
  }
  const classes = new Map<string, StoreNumber>()
  for (const [storageClass, name] of configured.classes) classes.set(storageClass, numbers.get(name) ?? 0)
  return { stores, numbers, classes, check }
}

/** The mark of the first store; undefined: it is in the data directory. */
async function bindFirst(
  metadata: BlobRecords,
  first: ConfiguredBlobs['first'],
  away: Set<OwnedBlobStore>,
): Promise<string | undefined> {
  const found = await FIRST.find(metadata)
  if (first.kind === 'data-directory') {
    if (found === undefined) {
      const isGone = !first.isMade() && (await refersTo(metadata, 0))
      if (isGone) throw blobsElsewhere(`the directory blobs of the data directory ${NOBODYS}`)
      return undefined
    }
    if (await refersTo(metadata, 0)) {
      throw blobsElsewhere('it is where a blobs file says: give --blobs-file <path> or COFFER_BLOBS_FILE')
    }
    await metadata.deleteRecord(FIRST.table, FIRST.id)
    return undefined
  }
  if (found === undefined) return await claimFirst(metadata, first.store, first.kind)
  const { owner, state } = found.value
  await assertOwner(first.store, owner, state, 'this place', away)
  if (state === 'claimed') await FIRST.put(metadata, { ...found.value, state: 'bound' }, found.revision)
  return owner
}

async function claimFirst(
  metadata: BlobRecords,
  store: OwnedBlobStore,
  kind: FirstBinding['kind'],
): Promise<string | undefined> {
  if (await refersTo(metadata, 0)) {
    throw blobsElsewhere(
      'the data directory holds objects of this store: move them first (docs/storage-classes.md), or start without a blobs file',
    )
  }
  const isTaken = (await store.readOwner()) !== undefined
  // Unless by another process of this store, that starts at the same time and was faster.
  if (isTaken && (await FIRST.find(metadata)) === undefined) throw blobsElsewhere(`this place ${OTHERS}`)
  if (!isTaken) await FIRST.put(metadata, { kind, owner: randomUUID(), state: 'claimed' }, 0)
  return await bindFirst(metadata, { store, kind }, new Set())
}

/** One record for all: two processes that start at once give no number twice. */
async function bindNamed(
  metadata: BlobRecords,
  named: ConfiguredBlobs['named'],
  away: Set<OwnedBlobStore>,
): Promise<readonly NamedBinding[]> {
  for (;;) {
    const found = await NAMED.find(metadata)
    const before = found?.value ?? []
    if (before.length === 0 && named.size === 0) return before
    const taken = await takenOf(before, named)
    // By another process of this store, that starts at the same time and was faster?
    if (taken !== undefined && (await NAMED.find(metadata))?.revision !== found?.revision) continue
    if (taken !== undefined) throw blobsElsewhere(`the store ${taken} ${OTHERS}`)
    const claimed = await withNew(metadata, before, named)
    const after = claimed.length > before.length ? claimed : await boundOf(claimed, named, away)
    if (JSON.stringify(after) === JSON.stringify(before)) return after
    await NAMED.put(metadata, after, found?.revision ?? 0)
  }
}

/** The first of the new stores whose place is somebody's. */
async function takenOf(before: readonly NamedBinding[], named: ConfiguredBlobs['named']): Promise<string | undefined> {
  for (const [name, store] of named) {
    const isNew = !before.some((binding) => binding.name === name)
    if (isNew && (await store.readOwner()) !== undefined) return name
  }
  return undefined
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
  for (const name of named.keys()) {
    if (before.some((binding) => binding.name === name)) continue
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
  away: Set<OwnedBlobStore>,
): Promise<readonly NamedBinding[]> {
  const bound: NamedBinding[] = []
  for (const binding of bindings) {
    const store = named.get(binding.name)
    if (store !== undefined) await assertOwner(store, binding.owner, binding.state, `the store ${binding.name}`, away)
    bound.push(store === undefined ? binding : { ...binding, state: 'bound' })
  }
  return bound
}

/** Of a bound store that cannot be asked it is noted that it is away. */
async function assertOwner(
  store: OwnedBlobStore,
  owner: string,
  state: NamedBinding['state'],
  place: string,
  away: Set<OwnedBlobStore>,
): Promise<void> {
  const asking = state === 'claimed' ? store.claim(owner) : store.readOwner()
  const actual = await asking.catch((error: unknown) => {
    if (state !== 'bound' || !isCofferError(error, 'BLOB_UNAVAILABLE')) throw error
    away.add(store)
    return owner
  })
  if (actual !== owner) throw blobsElsewhere(`${place} ${actual === undefined ? NOBODYS : OTHERS}`)
}
