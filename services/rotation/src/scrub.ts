import { type BlobStore, writerOf } from '@coffer/blob-store'
import type { MetadataService, ScrubReport } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'

const PAGE = 1000
/** Damaged blobs that a report names; more are counted by the next run. */
const DAMAGED_MAX = 1000

type Damaged = ScrubReport['damaged'][number]

/**
 * One pass over the blob store: deletes what commits have dropped, deletes what dead writers left unreferenced, and reports
 * referenced blobs that are missing or of another size. Safe beside a running server: a blob is deleted only if its writer
 * can't commit any more (docs/decisions/0002). Memory is bounded by a page, whatever the store holds.
 */
export async function scrub(metadata: MetadataService, blobs: BlobStore): Promise<ScrubReport> {
  const garbageRemoved = await removeGarbage(metadata, blobs)
  const { blobsSeen, orphansRemoved } = await removeOrphans(metadata, blobs)
  const damaged = await findDamaged(metadata, blobs)
  return { blobsSeen, orphansRemoved, garbageRemoved, damaged }
}

/** Deletes the blobs that commits have dropped and whose deletion nobody has reported. */
export async function removeGarbage(metadata: MetadataService, blobs: BlobStore): Promise<number> {
  let removed = 0
  for (;;) {
    const garbage = await metadata.listGarbage(PAGE)
    if (garbage.length === 0) return removed
    for (const blobId of garbage) await blobs.delete(blobId)
    await metadata.forgetGarbage(garbage)
    removed += garbage.length
  }
}

async function removeOrphans(metadata: MetadataService, blobs: BlobStore) {
  let blobsSeen = 0
  let orphansRemoved = 0
  for await (const { blobId } of blobs.list()) {
    blobsSeen++
    if (await metadata.isReferenced(blobId)) continue
    // Asked after the look at the blob: a writer that registers later can't have written it.
    const writers = await metadata.listWriters()
    if (writers.includes(writerOf(blobId))) continue
    // Its writer may have committed it just before it was retired.
    if (await metadata.isReferenced(blobId)) continue
    await blobs.delete(blobId)
    orphansRemoved++
  }
  return { blobsSeen, orphansRemoved }
}

async function findDamaged(metadata: MetadataService, blobs: BlobStore): Promise<Damaged[]> {
  const damaged: Damaged[] = []
  let afterBlobId = ''
  while (damaged.length < DAMAGED_MAX) {
    const page = await metadata.listReferencedBlobs(afterBlobId, PAGE)
    for (const { blobId, storedSizeBytes } of page) {
      const problem = await problemOf(blobs, blobId, storedSizeBytes)
      // Deleted while we looked is not damaged.
      if (problem !== undefined && (await metadata.isReferenced(blobId))) damaged.push({ blobId, problem })
    }
    const last = page.at(-1)
    if (page.length < PAGE || last === undefined) break
    afterBlobId = last.blobId
  }
  return damaged
}

async function problemOf(
  blobs: BlobStore,
  blobId: string,
  storedSizeBytes: number,
): Promise<Damaged['problem'] | undefined> {
  try {
    const blob = await blobs.open(blobId)
    await blob.close()
    return blob.sizeBytes === storedSizeBytes ? undefined : 'size'
  } catch (error) {
    if (isCofferError(error, 'BLOB_NOT_FOUND')) return 'missing'
    throw error
  }
}
