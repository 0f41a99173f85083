import { randomBytes } from 'node:crypto'
import type { BlobId } from './blob-store.ts'

const RANDOM_BYTES = 12
const FORM = /^[0-9a-f]{16}-[0-9a-f]{24}$/

/** A new id for a blob of this writer (16 hex characters). */
export function newBlobId(writerId: string): BlobId {
  return `${writerId}-${randomBytes(RANDOM_BYTES).toString('hex')}`
}

/** Whether a text has the form of a blob id; a driver makes names of nothing else. */
export function isBlobId(text: string): boolean {
  return FORM.test(text)
}

/** The writer that a blob id names. */
export function writerOf(blobId: BlobId): string {
  return blobId.slice(0, 16)
}
