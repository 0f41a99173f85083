import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { BlobId, BlobSource, OwnedBlobStore } from '@coffer/blob-store'
import { readDirectoryOwner } from '@coffer/blob-store/drivers/fs'

/** One of the folders that a store is made with: a directory without it has never been one. */
const ANY_FOLDER = '00'

/**
 * A store in a directory, of which nothing is made before it is used or claimed: a path that is wrong, or a disk that is not mounted,
 * is refused as it is found.
 */
export class BlobDirectory implements OwnedBlobStore {
  readonly #directory: string
  #opened: Promise<OwnedBlobStore> | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Whether it has been a store's before. */
  isMade(): boolean {
    return existsSync(join(this.#directory, ANY_FOLDER))
  }

  async readOwner(): Promise<string | undefined> {
    return await readDirectoryOwner(this.#directory)
  }

  async claim(owner: string): Promise<string> {
    return await (await this.#open()).claim(owner)
  }

  async write(blobId: BlobId, source: BlobSource): Promise<number> {
    return await (await this.#open()).write(blobId, source)
  }

  async open(blobId: BlobId) {
    return await (await this.#open()).open(blobId)
  }

  async delete(blobId: BlobId): Promise<void> {
    await (await this.#open()).delete(blobId)
  }

  async *list() {
    if (this.isMade()) yield* (await this.#open()).list()
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close()
  }

  #open(): Promise<OwnedBlobStore> {
    this.#opened ??= this.#make().catch((error: unknown) => {
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }

  async #make(): Promise<OwnedBlobStore> {
    const { openFsBlobStore } = await import('@coffer/blob-store/drivers/fs')
    return await openFsBlobStore({ directory: this.#directory })
  }
}
