import { invariant } from '@coffer/errors'
import type { BlobId, BlobRef, WriterId } from '../../records.ts'
import type { Databases } from './databases.ts'
import { blobIdOf, blobKey, justAfter, writerKey } from './keys.ts'
import { RowReader } from './row.ts'
import { scan, type Table } from './table.ts'
import { assertUint48 } from './version-row.ts'
import type { WriteBatch } from './write-batch.ts'

/*
 * `blob-refs` (by blob id): stored size (6), for each blob that a version or a part refers to. `garbage` (by blob id): a
 * mark, for each that one referred to until a commit dropped it. A blob is in one of them at most; one that is in neither
 * is being written, or its writer is retired and it may go. `writers`: a mark for each registered one.
 */
const MARK = Buffer.from([1])
const FIRST_KEY = Buffer.from([0])

/** META_WRITER_RETIRED if the blob's writer is not registered. A blob is referred to once, ever. */
export function requireNewBlob(batch: WriteBatch, blobId: BlobId): void {
  batch.requireWriter(blobId)
  const key = blobKey(blobId)
  const { garbage } = batch.databases
  invariant(!batch.databases['blob-refs'].doesExist(key), 'a new blob is not referred to yet')
  invariant(!garbage.doesExist(key), 'a new blob is not garbage')
}

export function addReference(batch: WriteBatch, blob: BlobRef): void {
  const key = blobKey(blob.blobId)
  batch.put(batch.databases['blob-refs'], key, batch.rows.begin().uint48(blob.storedSizeBytes).finish(key))
}

/** The blob becomes garbage. */
export function dropReference(batch: WriteBatch, blobId: BlobId): void {
  const key = blobKey(blobId)
  batch.remove(batch.databases['blob-refs'], key)
  batch.put(batch.databases.garbage, key, MARK)
}

export function assertBlob(blob: BlobRef): void {
  assertUint48(blob.storedSizeBytes, 'storedSizeBytes')
}

export function isReferenced(databases: Databases, blobId: BlobId): boolean {
  return databases['blob-refs'].doesExist(blobKey(blobId))
}

export function listReferencedBlobs(databases: Databases, afterBlobId: string, limit: number): readonly BlobRef[] {
  const start = startAfter(afterBlobId)
  const blobs: BlobRef[] = []
  for (const { key, value } of scan(databases['blob-refs'], { start, limit })) {
    const reader = new RowReader('blob', value, key)
    blobs.push({ blobId: blobIdOf(key), storedSizeBytes: reader.uint48() })
    reader.done()
  }
  return blobs
}

export function listGarbage(databases: Databases, limit: number, afterBlobId = ''): readonly BlobId[] {
  return keysOf(databases.garbage, limit, startAfter(afterBlobId)).map(blobIdOf)
}

export function forgetGarbage(batch: WriteBatch, blobIds: readonly BlobId[]): void {
  for (const key of blobIds.map(blobKey)) batch.remove(batch.databases.garbage, key)
}

export function registerWriter(batch: WriteBatch, writerId: WriterId): void {
  batch.put(batch.databases.writers, writerKey(writerId), MARK)
}

export function retireWriter(batch: WriteBatch, writerId: WriterId): void {
  batch.remove(batch.databases.writers, writerKey(writerId))
}

export function listWriters(databases: Databases): readonly WriterId[] {
  return keysOf(databases.writers, Number.MAX_SAFE_INTEGER).map((key) => key.toString('hex'))
}

function startAfter(blobId: BlobId): Buffer {
  return blobId === '' ? FIRST_KEY : justAfter(blobKey(blobId))
}

function keysOf(table: Table, limit: number, start: Buffer = FIRST_KEY): Buffer[] {
  return Array.from(scan(table, { start, limit }), ({ key }) => key)
}
