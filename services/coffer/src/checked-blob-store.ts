import { type BlobId, type BlobSource, type BlobStore, blobError, type OwnedBlobStore } from '@coffer/blob-store'

/** Which mark a place has to have; undefined: none, as the data directory's, which is known by other means. */
type Owner = string | undefined

/** BLOB_UNAVAILABLE where the place does not answer, or is not the one that it should be: an empty directory below a mount that is gone. */
export async function checkOwner(store: OwnedBlobStore, owner: Owner): Promise<void> {
  const actual = await store.readOwner()
  if (actual !== owner)
    throw blobError('BLOB_UNAVAILABLE', { reason: 'the place does not have the mark of this store' })
}

/** A store that was away when its mark was to be read: nothing is read, written or removed there before it has been. */
export class UncheckedBlobStore implements BlobStore {
  readonly #store: OwnedBlobStore
  readonly #owner: string
  #isChecked = false

  constructor(store: OwnedBlobStore, owner: string) {
    this.#store = store
    this.#owner = owner
  }

  async write(blobId: BlobId, source: BlobSource): Promise<number> {
    return await (await this.#checked()).write(blobId, source)
  }

  async open(blobId: BlobId) {
    return await (await this.#checked()).open(blobId)
  }

  async delete(blobId: BlobId): Promise<void> {
    await (await this.#checked()).delete(blobId)
  }

  async *list() {
    yield* (await this.#checked()).list()
  }

  async close(): Promise<void> {
    await this.#store.close()
  }

  async #checked(): Promise<BlobStore> {
    if (!this.#isChecked) await checkOwner(this.#store, this.#owner)
    this.#isChecked = true
    return this.#store
  }
}
