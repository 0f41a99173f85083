import { randomUUID } from 'node:crypto'
import type { BlobStore } from '@coffer/blob-store'
import type { OwnedBlobStore } from '@coffer/blob-store/drivers/s3'
import type { MetadataService } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { cofferError } from './errors.ts'

const TABLE = 'store'
const RECORD = 'blobs'

/** Which blob store belongs to the metadata. No record: the one in the data directory. */
interface Binding {
  readonly kind: 's3'
  /** What the place says of itself, too. */
  readonly owner: string
  /** Claimed: the place may not have been told yet, since a first start was cut short. */
  readonly state: 'claimed' | 'bound'
}

type Records = Pick<MetadataService, 'findRecord' | 'putRecord' | 'listReferencedBlobs'>

/**
 * Makes sure that metadata and blob store belong together before anything is read or removed: with another store's metadata
 * every blob would look like garbage, and every object lost. The first start binds the two. COFFER_BLOBS_ELSEWHERE, BLOB_UNAVAILABLE.
 */
export async function bindBlobs(metadata: Records, blobs: BlobStore | OwnedBlobStore): Promise<void> {
  const found = await metadata.findRecord(TABLE, RECORD)
  if (!('claim' in blobs)) {
    if (found === undefined) return
    throw elsewhere('it is at an S3 endpoint: give --blobs-file <path> or COFFER_BLOBS_FILE')
  }
  if (found === undefined) return await bindFirst(metadata, blobs)
  const { owner, state } = JSON.parse(Buffer.from(found.value).toString('utf8')) as Binding
  const actual = state === 'claimed' ? await blobs.claim(owner) : await blobs.readOwner()
  if (actual !== owner) throw elsewhere(actual === undefined ? 'this bucket and prefix hold no store' : OTHERS)
  if (state === 'claimed') await record(metadata, { kind: 's3', owner, state: 'bound' }, found.revision)
}

const OTHERS = "this bucket and prefix belong to another store's metadata"

async function bindFirst(metadata: Records, blobs: OwnedBlobStore): Promise<void> {
  const [kept] = await metadata.listReferencedBlobs('', 1)
  if (kept !== undefined) throw elsewhere('the data directory holds objects of this store: start without a blobs file')
  if ((await blobs.readOwner()) !== undefined) throw elsewhere(OTHERS)
  await record(metadata, { kind: 's3', owner: randomUUID(), state: 'claimed' }, 0)
  await bindBlobs(metadata, blobs)
}

async function record(metadata: Records, binding: Binding, expectedRevision: number): Promise<void> {
  // Where two processes start at once, the other's record is as good: what follows reads it.
  await metadata
    .putRecord(TABLE, RECORD, Buffer.from(JSON.stringify(binding)), expectedRevision)
    .catch((error: unknown) => {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    })
}

function elsewhere(why: string): Error {
  return cofferError('COFFER_BLOBS_ELSEWHERE', why)
}
