import { bareBlobId, blobIdIn, type StoreNumber, storeOf } from './blob-id.ts'
import type { BlobId, BlobSource, BlobStore, OpenBlob } from './blob-store.ts'
import { blobError } from './errors.ts'

/** Which stores there are, by number and by name, and which of them a storage class is kept in. */
export interface BlobPlaces {
  readonly stores: ReadonlyMap<StoreNumber, BlobStore>
  readonly numbers: ReadonlyMap<string, StoreNumber>
  readonly classes: ReadonlyMap<string, StoreNumber>
  /** That the store answers and is the one that it should be. Rejects with the code of what is wrong; BLOB_UNAVAILABLE. */
  check(number: StoreNumber): Promise<void>
}

/** The name of a store in the configuration. */
export function nameOfStore({ numbers }: Pick<BlobPlaces, 'numbers'>, number: StoreNumber): string {
  for (const [name, known] of numbers) if (known === number) return name
  return `number ${number}`
}

/** The class of whatever names no other, and the store of whatever no other class is given. */
export const STANDARD = 'STANDARD'
export const FIRST_STORE = 'default'

/**
 * Several blob stores as one: a blob's id names the store that it is in, and a storage class the one where new blobs go. The
 * places are asked for at the first use, and again after a failure: what needs no blob needs no blob store.
 */
export class PlacedBlobStore implements BlobStore {
  readonly #find: () => Promise<BlobPlaces>
  readonly #closeAll: () => Promise<void>
  #places: Promise<BlobPlaces> | undefined

  constructor(find: () => Promise<BlobPlaces>, closeAll: () => Promise<void>) {
    this.#find = find
    this.#closeAll = closeAll
  }

  /** Of one store alone. */
  static of(store: BlobStore): PlacedBlobStore {
    const places = {
      stores: new Map([[0, store]]),
      numbers: new Map([[FIRST_STORE, 0]]),
      classes: new Map(),
      check: async () => {},
    }
    return new PlacedBlobStore(
      async () => places,
      () => store.close(),
    )
  }

  /** Fails where they can't be found. */
  places(): Promise<BlobPlaces> {
    const known = this.#places
    if (known !== undefined) return known
    const found = this.#find()
    this.#places = found
    found.catch(() => {
      this.#places = undefined
    })
    return found
  }

  /** Where new blobs of a storage class go; undefined: there is no such class here. */
  async placeOf(storageClass: string): Promise<StoreNumber | undefined> {
    const { classes } = await this.places()
    return classes.get(storageClass) ?? (storageClass === STANDARD ? 0 : undefined)
  }

  async write(blobId: BlobId, source: BlobSource): Promise<number> {
    return await (await this.#storeOf(blobId)).write(bareBlobId(blobId), source)
  }

  async open(blobId: BlobId): Promise<OpenBlob> {
    return await (await this.#storeOf(blobId)).open(bareBlobId(blobId))
  }

  async delete(blobId: BlobId): Promise<void> {
    await (await this.#storeOf(blobId)).delete(bareBlobId(blobId))
  }

  async *list(): AsyncGenerator<{ blobId: BlobId; sizeBytes: number }> {
    const { stores } = await this.places()
    for (const [number, store] of stores) {
      for await (const { blobId, sizeBytes } of store.list()) yield { blobId: blobIdIn(number, blobId), sizeBytes }
    }
  }

  async close(): Promise<void> {
    await this.#closeAll()
  }

  async #storeOf(blobId: BlobId): Promise<BlobStore> {
    const number = storeOf(blobId)
    const store = (await this.places()).stores.get(number)
    if (store === undefined) {
      throw blobError('BLOB_UNAVAILABLE', { blobId, reason: `store ${number} is not configured in this process` })
    }
    return store
  }
}
