/**
 * `<writerId, 16 hex>-<24 hex>`: chosen by the writer, never reused. A driver's names are this form only; where there are several
 * stores, `-<2 hex>` behind it is the number of any but the first.
 */
export type BlobId = string

/**
 * Something to write: the driver asks for bytes until it has them all; backpressure is the await. A piece belongs to the driver
 * until the write ends: the source does not change its bytes.
 */
export type BlobSource = (AsyncIterable<Uint8Array> | Iterable<Uint8Array>) & {
  /** Told, by a driver that copies, that a piece is the source's again: to free it, for example. */
  release?(piece: Uint8Array): void
}

/**
 * A blob opened for reading. What was opened stays readable to its end even if the blob is deleted meanwhile.
 * `read` may be called for any range, in any order, several at once; `close` once, when all reads have ended.
 */
export interface OpenBlob {
  readonly sizeBytes: number
  /**
   * Exactly `lengthBytes` bytes from `offsetBytes`; BLOB_TRUNCATED if the blob ends before. They stand at the beginning of `into`,
   * at least as long, which is the driver's until the read ends; without it in a new buffer, which is the caller's.
   */
  read(offsetBytes: number, lengthBytes: number, into?: Uint8Array): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * Where object bytes (ciphertext only) are kept. What it promises:
 *
 * 1. When `write` resolves, the whole blob is on stable storage under its name; until then no reader sees it whole and
 *    nothing refers to it. When it rejects, the driver has removed what it wrote, as far as the store still lets it.
 * 2. A blob is written once: writing an id that exists fails with BLOB_EXISTS.
 * 3. `delete` of a blob that is not there succeeds.
 * 4. `list` shows every blob, finished or not, in any order, as a stream: it never holds all names in memory.
 *
 * Failures are CofferErrors with the codes in `errors.ts`. The contract suite is `@coffer/blob-store/contract`.
 */
export interface BlobStore {
  /** Returns the number of bytes written. */
  write(blobId: BlobId, source: BlobSource): Promise<number>
  /** BLOB_NOT_FOUND. */
  open(blobId: BlobId): Promise<OpenBlob>
  delete(blobId: BlobId): Promise<void>
  list(): AsyncIterable<{ readonly blobId: BlobId; readonly sizeBytes: number }>
  close(): Promise<void>
}

/** A store whose place can be marked as somebody's, so that nobody mistakes it for his own. */
export interface OwnedBlobStore extends BlobStore {
  /** Undefined: nobody's. */
  readOwner(): Promise<string | undefined>
  /** Takes it unless it is somebody's; returns whose it is now. */
  claim(owner: string): Promise<string>
}
