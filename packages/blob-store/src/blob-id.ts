import { randomBytes } from 'node:crypto'
import type { BlobId } from './blob-store.ts'

/** Which of the blob stores of one metadata store: 0 is the first one, 1 to 255 are those that storage classes name. */
export type StoreNumber = number

export const STORE_NUMBER_MAX = 255
const RANDOM_BYTES = 12
const BARE_CHARS = 41
const FORM = /^[0-9a-f]{16}-[0-9a-f]{24}$/

/** A new id for a blob of this writer (16 hex characters) in a store. */
export function newBlobId(writerId: string, store: StoreNumber = 0): BlobId {
  return blobIdIn(store, `${writerId}-${randomBytes(RANDOM_BYTES).toString('hex')}`)
}

/** Whether a text has the form of a blob id, as drivers know them; a driver makes names of nothing else. */
export function isBlobId(text: string): boolean {
  return FORM.test(text)
}

/** The writer that a blob id names. */
export function writerOf(blobId: BlobId): string {
  return blobId.slice(0, 16)
}

/** The store that a blob id names. */
export function storeOf(blobId: BlobId): StoreNumber {
  return blobId.length > BARE_CHARS ? Number.parseInt(blobId.slice(BARE_CHARS + 1), 16) : 0
}

/** The id by which its store knows a blob. */
export function bareBlobId(blobId: BlobId): BlobId {
  return blobId.slice(0, BARE_CHARS)
}

export function blobIdIn(store: StoreNumber, bare: BlobId): BlobId {
  return store === 0 ? bare : `${bare}-${store.toString(16).padStart(2, '0')}`
}
