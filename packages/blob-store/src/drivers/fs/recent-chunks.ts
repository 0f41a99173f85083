import type { BlobId } from '../../blob-store.ts'

const CHUNK_BYTES = 1024 * 1024

/**
 * Which chunks of which blobs have been read lately. What is read once (a backup, a restore) goes past the page cache and
 * drives nothing out of it; what is read again is worth keeping there. The idea is the ghost queue of 2Q (Johnson and Shasha,
 * VLDB 1994).
 */
export class RecentChunks {
  readonly #countMax: number
  /** In order of their last read. */
  readonly #chunks = new Set<string>()

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** Whether the chunk that begins about here is among the last that were read; from now on it is. */
  wasRead(blobId: BlobId, offsetBytes: number): boolean {
    const chunk = `${blobId}/${Math.floor(offsetBytes / CHUNK_BYTES)}`
    const wasRead = this.#chunks.delete(chunk)
    this.#chunks.add(chunk)
    if (this.#chunks.size > this.#countMax) {
      const [oldest = chunk] = this.#chunks
      this.#chunks.delete(oldest)
    }
    return wasRead
  }
}
