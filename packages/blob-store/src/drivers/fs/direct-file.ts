import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type AlignedBuffers, BLOCK_BYTES, BUFFER_BYTES } from './aligned-buffers.ts'

/** A file read past the page cache (O_DIRECT), into an aligned buffer and from there into the caller's (docs/decisions/0004). */
export class DirectFile {
  readonly #path: string
  readonly #buffers: AlignedBuffers
  #opening: Promise<FileHandle> | undefined
  #hasFailed = false

  constructor(path: string, buffers: AlignedBuffers) {
    this.#path = path
    this.#buffers = buffers
  }

  /**
   * Fills `into`. False: read it another way. The range is larger than a buffer, none is free, the file's name is gone, its
   * end is nearer, or the disk fails: the other way finds out what is wrong.
   */
  async read(offsetBytes: number, into: Uint8Array): Promise<boolean> {
    const lengthBytes = into.length
    const fromBytes = offsetBytes - (offsetBytes % BLOCK_BYTES)
    const spanBytes = Math.ceil((offsetBytes + lengthBytes) / BLOCK_BYTES) * BLOCK_BYTES - fromBytes
    if (this.#hasFailed || spanBytes > BUFFER_BYTES) return false
    const buffer = this.#buffers.tryAcquire()
    if (buffer === undefined) return false
    try {
      this.#opening ??= open(this.#path, constants.O_RDONLY | constants.O_DIRECT)
      const file = await this.#opening
      const { bytesRead } = await file.read(buffer, 0, spanBytes, fromBytes)
      const skipBytes = offsetBytes - fromBytes
      if (bytesRead < skipBytes + lengthBytes) return false
      into.set(buffer.subarray(skipBytes, skipBytes + lengthBytes))
      return true
    } catch {
      this.#hasFailed = true
      return false
    } finally {
      this.#buffers.release(buffer)
    }
  }

  async close(): Promise<void> {
    const file = await this.#opening?.catch(() => undefined)
    await file?.close()
  }
}
