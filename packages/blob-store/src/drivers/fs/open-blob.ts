import type { FileHandle } from 'node:fs/promises'
import type { BlobId, OpenBlob } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'
import { asBlobError } from './file-system-errors.ts'

/** A blob behind a file descriptor: deleting its name does not disturb it. */
export class OpenFile implements OpenBlob {
  readonly sizeBytes: number
  readonly #blobId: BlobId
  readonly #file: FileHandle

  constructor(blobId: BlobId, file: FileHandle, sizeBytes: number) {
    this.#blobId = blobId
    this.#file = file
    this.sizeBytes = sizeBytes
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(lengthBytes)
    let filled = 0
    while (filled < lengthBytes) {
      const { bytesRead } = await this.#file
        .read(buffer, filled, lengthBytes - filled, offsetBytes + filled)
        .catch((error: unknown) => {
          throw asBlobError(error, this.#blobId)
        })
      if (bytesRead === 0) throw blobError('BLOB_TRUNCATED', { blobId: this.#blobId, offsetBytes, lengthBytes })
      filled += bytesRead
    }
    return buffer
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
