import { createHash, type Hash } from 'node:crypto'
import { type BlobStore, blobError, newBlobId, type OpenBlob, type StoreNumber, storeOf } from '@coffer/blob-store'
import type { MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { BlobRef, BodyReplacement, VersionBody, WriterId } from '@coffer/metadata-store'
import type { RateLimit } from './rate-limit.ts'

export interface BodyMoverOptions {
  readonly metadata: MetadataService
  readonly blobs: BlobStore
  /** Registered: what it leaves unfinished is garbage once it is retired. */
  readonly writerId: WriterId
  readonly bytesRate: RateLimit
}

type Blobs = Extract<VersionBody, { kind: 'blobs' }>

/** One memory of a move, whatever the blob's size. */
const READ_BYTES = 1024 * 1024

/**
 * Moves ciphertext from one store to another as it is, under a new name: no key is opened. What has arrived is read again and
 * compared before the version refers to it, and what was there before is erased only after that.
 */
export class BodyMover {
  readonly #options: BodyMoverOptions

  constructor(options: BodyMoverOptions) {
    this.#options = options
  }

  /** Each blob that is in one of the stores `from` is copied; the replacement is made in one commit. META_VERSION_CHANGED. */
  async move(
    body: Blobs,
    place: { readonly isFrom: (store: StoreNumber) => boolean; readonly to: StoreNumber },
    replacement: Omit<BodyReplacement, 'body'>,
    signal: AbortSignal,
  ): Promise<void> {
    const copies: BlobRef[] = []
    const blobs: BlobRef[] = []
    try {
      for (const blob of body.blobs) {
        const copy = place.isFrom(storeOf(blob.blobId)) ? await this.#copy(blob, place.to, signal) : undefined
        if (copy !== undefined) copies.push(copy)
        blobs.push(copy ?? blob)
      }
    } catch (error) {
      await this.#discard(copies)
      throw error
    }
    await this.#erase(await this.#commit({ ...replacement, body: { ...body, blobs } }, copies))
  }

  /** What the version referred to is garbage now. Blobs that stay are referred to on. */
  async #commit(replacement: BodyReplacement, copies: readonly BlobRef[]): Promise<readonly string[]> {
    try {
      return (await this.#options.metadata.replaceBody(replacement)).garbage
    } catch (error) {
      // A certain refusal: nothing refers to the copies. After a lost answer something may.
      if (isCofferError(error, 'META_VERSION_CHANGED')) await this.#discard(copies)
      throw error
    }
  }

  async #copy(blob: BlobRef, to: StoreNumber, signal: AbortSignal): Promise<BlobRef> {
    const { blobs, writerId } = this.#options
    const blobId = newBlobId(writerId, to)
    const sent = createHash('sha256')
    const source = await blobs.open(blob.blobId)
    try {
      if (source.sizeBytes !== blob.storedSizeBytes) throw blobError('BLOB_TRUNCATED', { blobId: blob.blobId })
      await blobs.write(blobId, this.#pieces(source, sent, signal))
    } finally {
      await source.close()
    }
    const copy = { blobId, storedSizeBytes: blob.storedSizeBytes }
    try {
      await this.#assertArrived(copy, sent, signal)
    } catch (error) {
      await this.#discard([copy])
      throw error
    }
    return copy
  }

  async *#pieces(source: OpenBlob, hash: Hash, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let offsetBytes = 0; offsetBytes < source.sizeBytes; offsetBytes += READ_BYTES) {
      signal.throwIfAborted()
      const lengthBytes = Math.min(READ_BYTES, source.sizeBytes - offsetBytes)
      await this.#options.bytesRate.take(lengthBytes, signal)
      const piece = await source.read(offsetBytes, lengthBytes)
      hash.update(piece)
      yield piece
    }
  }

  /** BLOB_IO_FAILED: the store gives back something else than it was given. */
  async #assertArrived({ blobId, storedSizeBytes }: BlobRef, sent: Hash, signal: AbortSignal): Promise<void> {
    const copy = await this.#options.blobs.open(blobId)
    try {
      const arrived = createHash('sha256')
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, storedSizeBytes))
      for (let offsetBytes = 0; offsetBytes < storedSizeBytes; offsetBytes += READ_BYTES) {
        signal.throwIfAborted()
        const lengthBytes = Math.min(READ_BYTES, storedSizeBytes - offsetBytes)
        arrived.update((await copy.read(offsetBytes, lengthBytes, buffer)).subarray(0, lengthBytes))
      }
      const isSame = copy.sizeBytes === storedSizeBytes && arrived.digest().equals(sent.digest())
      if (!isSame) throw blobError('BLOB_IO_FAILED', { blobId, reason: 'what arrived is not what was sent' })
    } finally {
      await copy.close()
    }
  }

  /** What can't be erased now is in the list of what is to be. */
  async #erase(garbage: readonly string[]): Promise<void> {
    try {
      for (const blobId of garbage) await this.#options.blobs.delete(blobId)
      if (garbage.length > 0) await this.#options.metadata.forgetGarbage(garbage)
    } catch (error) {
      if (!isCofferError(error)) throw error
    }
  }

  async #discard(copies: readonly BlobRef[]): Promise<void> {
    for (const { blobId } of copies) await this.#options.blobs.delete(blobId).catch(() => undefined)
  }
}
