import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import type { BlobId } from '../../blob-store.ts'
import type { ObjectNames } from './object-names.ts'

/** More are left to another `list`, which finds the marks of them all. */
const WAITING_MAX = 100_000
const SWEEP_INTERVAL_MS = 30_000

/**
 * A deletion is a mark first: from then on nobody opens the blob. Its bytes go when the delay is over, so that whoever opened
 * it before, in whatever process, reads to the end. Marks that a process leaves behind are taken over by the next `list`.
 */
export class Deletions {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #names: ObjectNames
  readonly #delayMs: number
  /** When each is due. */
  readonly #waiting = new Map<BlobId, number>()
  readonly #timer: NodeJS.Timeout
  #sweeping: Promise<void> | undefined

  constructor(client: S3Client, bucket: string, names: ObjectNames, delayMs: number) {
    this.#client = client
    this.#bucket = bucket
    this.#names = names
    this.#delayMs = delayMs
    this.#timer = setInterval(() => this.#sweepSoon(), Math.max(1, Math.min(SWEEP_INTERVAL_MS, delayMs)))
    this.#timer.unref()
  }

  async mark(blobId: BlobId): Promise<void> {
    const Key = this.#names.deletion(blobId)
    await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key, Body: '', ContentLength: 0 }))
    this.#await(blobId, Date.now() + this.#delayMs)
  }

  /** A mark that was found: its blob is erased now, or by this process when it is due. */
  async found(blobId: BlobId, markedAt: number): Promise<void> {
    const dueAt = markedAt + this.#delayMs
    if (dueAt < Date.now()) await this.#erase(blobId)
    else this.#await(blobId, dueAt)
  }

  #await(blobId: BlobId, dueAt: number): void {
    if (this.#waiting.size < WAITING_MAX) this.#waiting.set(blobId, dueAt)
  }

  /** The mark goes last: until then the bytes that are gone are not missed. */
  async #erase(blobId: BlobId): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#names.blob(blobId) }))
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#names.deletion(blobId) }))
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#waiting.clear()
    await this.#sweeping
  }

  #sweepSoon(): void {
    this.#sweeping ??= this.#sweep()
      // The mark is still there: the next `list` tries again.
      .catch(() => undefined)
      .finally(() => {
        this.#sweeping = undefined
      })
  }

  async #sweep(): Promise<void> {
    const nowMs = Date.now()
    for (const [blobId, dueAt] of this.#waiting) {
      if (dueAt > nowMs) continue
      this.#waiting.delete(blobId)
      await this.#erase(blobId)
    }
  }
}
