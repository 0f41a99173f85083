import type { FileHandle } from 'node:fs/promises'
import { blobError } from '../../errors.ts'
import { type AlignedBuffers, BLOCK_BYTES, BUFFER_BYTES } from './aligned-buffers.ts'
import type { BlobWriter } from './blob-writer.ts'

/**
 * Past the page cache (O_DIRECT): a copy into an aligned buffer costs less than the kernel's own copy and write-back, and the
 * cache keeps what is read (docs/decisions/0004). With two buffers the next is filled while the other is written; with one they
 * take turns.
 */
export class DirectWriter implements BlobWriter {
  readonly copies = true
  readonly #file: FileHandle
  readonly #buffers: AlignedBuffers
  #filling: Uint8Array
  #idle: Uint8Array | undefined
  #filledBytes = 0
  #offsetBytes = 0
  #pending: Promise<void> | undefined

  constructor(file: FileHandle, buffers: AlignedBuffers, first: Uint8Array) {
    this.#file = file
    this.#buffers = buffers
    this.#filling = first
  }

  write(piece: Uint8Array): Promise<void> | undefined {
    if (piece.length >= BUFFER_BYTES - this.#filledBytes) return this.#writeAcross(piece)
    this.#filling.set(piece, this.#filledBytes)
    this.#filledBytes += piece.length
    return undefined
  }

  /** A piece that fills a buffer. */
  async #writeAcross(piece: Uint8Array): Promise<void> {
    let taken = 0
    while (taken < piece.length) {
      const count = Math.min(piece.length - taken, BUFFER_BYTES - this.#filledBytes)
      this.#filling.set(piece.subarray(taken, taken + count), this.#filledBytes)
      this.#filledBytes += count
      taken += count
      if (this.#filledBytes === BUFFER_BYTES) await this.#turn()
    }
  }

  /** The last block is padded for the write and cut off again. */
  async end(): Promise<void> {
    await this.#pending
    if (this.#filledBytes === 0) return
    const paddedBytes = Math.ceil(this.#filledBytes / BLOCK_BYTES) * BLOCK_BYTES
    this.#filling.fill(0, this.#filledBytes, paddedBytes)
    await this.#writeOut(this.#filling, paddedBytes, this.#offsetBytes)
    if (paddedBytes > this.#filledBytes) await this.#file.truncate(this.#offsetBytes + this.#filledBytes)
  }

  release(): void {
    const giveBack = () => {
      this.#buffers.release(this.#filling)
      if (this.#idle !== undefined) this.#buffers.release(this.#idle)
    }
    // Never while the kernel may still read from it.
    if (this.#pending === undefined) giveBack()
    else this.#pending.then(giveBack, giveBack)
  }

  /** Starts writing the full buffer, and goes on with the other. */
  async #turn(): Promise<void> {
    await this.#pending
    const full = this.#filling
    const offsetBytes = this.#offsetBytes
    this.#offsetBytes += BUFFER_BYTES
    this.#filledBytes = 0
    this.#pending = this.#writeOut(full, BUFFER_BYTES, offsetBytes)
    // It is awaited at the next turn; until then a failure is not an unhandled one.
    this.#pending.catch(() => undefined)
    const other = this.#idle ?? this.#buffers.tryAcquire()
    if (other === undefined) await this.#pending
    else {
      this.#filling = other
      this.#idle = full
    }
  }

  /** After a short write goes on at the beginning of the block that is not whole, so that the offset stays aligned. */
  async #writeOut(buffer: Uint8Array, lengthBytes: number, offsetBytes: number): Promise<void> {
    let done = 0
    while (done < lengthBytes) {
      const { bytesWritten } = await this.#file.write(buffer, done, lengthBytes - done, offsetBytes + done)
      // Less than a block and no error: what a full disk does when it has room for a part of one.
      if (bytesWritten < BLOCK_BYTES) throw blobError('BLOB_STORE_FULL', { offsetBytes: offsetBytes + done })
      done += bytesWritten - (bytesWritten % BLOCK_BYTES)
    }
  }
}
