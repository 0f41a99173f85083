import type { FileHandle } from 'node:fs/promises'

/** Writes a file front to back. `end` leaves exactly the bytes that were given; it does not sync. */
export interface BlobWriter {
  /** Nothing of a piece is needed any more when `write` is done with it. */
  readonly copies: boolean
  /** Undefined: taken at once, as most pieces are. */
  write(piece: Uint8Array): Promise<void> | undefined
  end(): Promise<void>
  /** Gives back what it holds, after an error too. */
  release(): void
}

const BATCH_BYTES = 1024 * 1024

/** Through the page cache, gathering pieces into writes of about 1 MiB without copying them. */
export class CachedWriter implements BlobWriter {
  readonly copies = false
  readonly #file: FileHandle
  #batch: Uint8Array[] = []
  #batchBytes = 0
  #offsetBytes = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  write(piece: Uint8Array): Promise<void> | undefined {
    this.#batch.push(piece)
    this.#batchBytes += piece.length
    return this.#batchBytes >= BATCH_BYTES ? this.#flush() : undefined
  }

  end(): Promise<void> {
    return this.#flush()
  }

  release(): void {
    this.#batch = []
  }

  async #flush(): Promise<void> {
    let left = this.#batch
    this.#batch = []
    this.#batchBytes = 0
    while (left.length > 0) {
      const { bytesWritten } = await this.#file.writev(left, this.#offsetBytes)
      this.#offsetBytes += bytesWritten
      left = without(left, bytesWritten)
    }
  }
}

/** What is left of a list of pieces after a short write. */
function without(pieces: readonly Uint8Array[], writtenBytes: number): Uint8Array[] {
  let skipBytes = writtenBytes
  return pieces.flatMap((piece) => {
    const skipped = Math.min(skipBytes, piece.length)
    skipBytes -= skipped
    return skipped === piece.length ? [] : [piece.subarray(skipped)]
  })
}
