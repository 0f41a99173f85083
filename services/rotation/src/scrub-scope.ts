import { type BlobPlaces, nameOfStore, type PlacedBlobStore, type StoreNumber } from '@coffer/blob-store'
import type { ScrubReport, ScrubRequest } from '@coffer/contracts'
import { type CofferError, isCofferError } from '@coffer/errors'

/** What a store may fail with without the pass over the others ending. */
const OF_THE_STORE: ReadonlySet<string> = new Set(['BLOB_UNAVAILABLE', 'BLOB_IO_FAILED', 'BLOB_STORE_FULL'])

/** The stores that a pass goes through, each by itself: one that is away is passed by, and told at the end. */
export class ScrubScope {
  readonly #places: BlobPlaces
  readonly #names: ReadonlySet<string> | undefined
  readonly #checks = new Map<StoreNumber, Promise<boolean>>()
  readonly #away = new Set<StoreNumber>()
  readonly #troubles = new Map<StoreNumber, string>()

  private constructor(places: BlobPlaces, stores: ScrubRequest['stores']) {
    this.#places = places
    this.#names = stores && new Set(stores)
  }

  static async of(blobs: PlacedBlobStore, { stores }: ScrubRequest): Promise<ScrubScope> {
    return new ScrubScope(await blobs.places(), stores)
  }

  numbers(): readonly StoreNumber[] {
    return [...this.#places.stores.keys()].filter((number) => this.#isWanted(number))
  }

  list(number: StoreNumber) {
    return this.#places.stores.get(number)?.list() ?? []
  }

  /** Whether the pass is to look at what is in the store: it is asked for, and there. */
  async holds(number: StoreNumber): Promise<boolean> {
    if (this.#away.has(number) || !this.#isWanted(number)) return false
    const known = this.#checks.get(number)
    if (known !== undefined) return await known
    const check = this.isStillThere(number)
    this.#checks.set(number, check)
    return await check
  }

  /** A disk that was unmounted meanwhile looks like one whose files are gone. */
  async isStillThere(number: StoreNumber): Promise<boolean> {
    try {
      await this.#places.check(number)
      return true
    } catch (error) {
      this.failed(number, error)
      this.#away.add(number)
      return false
    }
  }

  /** Notes what a store has failed with; what is no failure of the store ends the pass. */
  failed(number: StoreNumber, error: unknown): void {
    if (!isStoreFailure(error)) throw error
    if (error.code === 'BLOB_UNAVAILABLE') this.#away.add(number)
    if (!this.#troubles.has(number)) this.#troubles.set(number, error.code)
  }

  incomplete(): ScrubReport['incomplete'] {
    const known = [...this.#troubles].map(([number, code]) => ({ store: nameOfStore(this.#places, number), code }))
    const unknown = [...(this.#names ?? [])].filter((name) => !this.#places.numbers.has(name))
    return [...known, ...unknown.map((store) => ({ store, code: 'BLOB_UNAVAILABLE' }))]
  }

  #isWanted(number: StoreNumber): boolean {
    return this.#names === undefined || this.#names.has(nameOfStore(this.#places, number))
  }
}

function isStoreFailure(error: unknown): error is CofferError {
  return isCofferError(error) && OF_THE_STORE.has(error.code)
}
