import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import type { BlobId } from '../../blob-store.ts'
import type { ObjectNames } from './object-names.ts'

/** More are left to the next `list`, which finds the marks of them all. */
const WAITING_MAX = 100_000
const SWEEP_INTERVAL_MS = 30_000

/**
 * A deletion is a mark first: from then on nobody opens the blob. Its bytes go when the delay is over, so that whoever opened
 * it before, in whatever process, reads to the end. Marks that a process leaves behind are acted on by the next `list`.
 */
export class Deletions {
  readonly #client: S3Client
  readonly #bucket: string
  readonly #names: ObjectNames
  readonly #delayMs: number
  readonly #waiting: { readonly blobId: BlobId; readonly dueAt: number }[] = []
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
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ blobId, dueAt: Date.now() + this.#delayMs })
  }

  isDue(markedAt: number): boolean {
    return markedAt + this.#delayMs < Date.now()
  }

  /** The mark goes last: until then the bytes that are gone are not missed. */
  async erase(blobId: BlobId): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#names.blob(blobId) }))
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: this.#names.deletion(blobId) }))
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#waiting.length = 0
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
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || first.dueAt > Date.now()) return
      this.#waiting.shift()
      await this.erase(first.blobId)
    }
  }
}
