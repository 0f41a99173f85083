import type { FileHandle } from 'node:fs/promises'
import type { BlobId, OpenBlob } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'
import type { DirectFile } from './direct-file.ts'
import { asBlobError } from './file-system-errors.ts'
import type { RecentChunks } from './recent-chunks.ts'

/** Shorter reads gain nothing from going past the page cache. */
const DIRECT_READ_BYTES_MIN = 256 * 1024

/** How a blob is read past the page cache. */
export interface DirectReading {
  readonly file: DirectFile
  readonly recent: RecentChunks
}

/** A blob behind a file descriptor: deleting its name does not disturb it. */
export class OpenFile implements OpenBlob {
  readonly sizeBytes: number
  readonly #blobId: BlobId
  readonly #file: FileHandle
  readonly #direct: DirectReading | undefined

  constructor(blobId: BlobId, file: FileHandle, sizeBytes: number, direct?: DirectReading) {
    this.#blobId = blobId
    this.#file = file
    this.sizeBytes = sizeBytes
    this.#direct = direct
  }

  async read(offsetBytes: number, lengthBytes: number, into?: Uint8Array): Promise<Uint8Array> {
    const buffer = into?.subarray(0, lengthBytes) ?? Buffer.allocUnsafeSlow(lengthBytes)
    const direct = lengthBytes < DIRECT_READ_BYTES_MIN ? undefined : this.#direct
    if (direct !== undefined && !direct.recent.wasRead(this.#blobId, offsetBytes)) {
      if (await direct.file.read(offsetBytes, buffer)) return buffer
    }
    await this.#readCached(offsetBytes, buffer)
    return buffer
  }

  async close(): Promise<void> {
    await this.#direct?.file.close()
    await this.#file.close()
  }

  async #readCached(offsetBytes: number, into: Uint8Array): Promise<void> {
    const lengthBytes = into.length
    let filled = 0
    while (filled < lengthBytes) {
      const { bytesRead } = await this.#file
        .read(into, filled, lengthBytes - filled, offsetBytes + filled)
        .catch((error: unknown) => {
          throw asBlobError(error, this.#blobId)
        })
      if (bytesRead === 0) throw blobError('BLOB_TRUNCATED', { blobId: this.#blobId, offsetBytes, lengthBytes })
      filled += bytesRead
    }
  }
}
