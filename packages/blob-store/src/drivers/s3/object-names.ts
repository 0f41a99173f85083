import { isBlobId } from '../../blob-id.ts'
import type { BlobId } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'

/** Of the random part of a blob id: a provider that splits its index by prefixes spreads the load over 256 of them. */
const SPREAD_AT = 17
const SPREAD_CHARACTERS = 2

/**
 * What things are called in the bucket. Nothing of it is chosen by a user: `blobs/<2 hex>/<blob id>` holds ciphertext,
 * `deleted/<2 hex>/<blob id>` is the empty mark of a deletion, `coffer-store` says whose the prefix is.
 */
export class ObjectNames {
  readonly blobs: string
  readonly deleted: string
  readonly owner: string

  constructor(prefix: string) {
    this.blobs = `${prefix}blobs/`
    this.deleted = `${prefix}deleted/`
    this.owner = `${prefix}coffer-store`
  }

  /** BLOB_NOT_FOUND for what is no blob id: it can't be the name of anything else. */
  blob(blobId: BlobId): string {
    return this.blobs + spread(blobId)
  }

  deletion(blobId: BlobId): string {
    return this.deleted + spread(blobId)
  }
}

/** The blob that an object below `under` is named for; undefined: it is not ours. */
export function blobIdOf(key: string, under: string): BlobId | undefined {
  const blobId = key.slice(under.length + SPREAD_CHARACTERS + 1)
  return isBlobId(blobId) && key === under + spread(blobId) ? blobId : undefined
}

function spread(blobId: BlobId): string {
  if (!isBlobId(blobId)) throw blobError('BLOB_NOT_FOUND', { blobId })
  return `${blobId.slice(SPREAD_AT, SPREAD_AT + SPREAD_CHARACTERS)}/${blobId}`
}
