import { type BlobId, type BlobStore, writerOf } from '@coffer/blob-store'
import type { MetadataService, ScrubReport } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'

const PAGE = 1000
/** Blobs that are looked up at once: over a network the answers overlap, and memory stays bounded. */
const BATCH = 256
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
  let batch: BlobId[] = []
  const examine = async () => {
    blobsSeen += batch.length
    orphansRemoved += await removeOrphansAmong(batch, metadata, blobs)
    batch = []
  }
  for await (const { blobId } of blobs.list()) {
    batch.push(blobId)
    if (batch.length === BATCH) await examine()
  }
  await examine()
  return { blobsSeen, orphansRemoved }
}

async function removeOrphansAmong(
  blobIds: readonly BlobId[],
  metadata: MetadataService,
  blobs: BlobStore,
): Promise<number> {
  const unreferenced = await unreferencedOf(blobIds, metadata)
  if (unreferenced.length === 0) return 0
  // Asked after the look at the blobs: a writer that registers later can't have written them.
  const writers = new Set(await metadata.listWriters())
  const ofTheDead = unreferenced.filter((blobId) => !writers.has(writerOf(blobId)))
  // Their writers may have committed some just before they were retired; now they can't any more.
  const orphans = await unreferencedOf(ofTheDead, metadata)
  for (const blobId of orphans) await blobs.delete(blobId)
  return orphans.length
}

async function unreferencedOf(blobIds: readonly BlobId[], metadata: MetadataService): Promise<BlobId[]> {
  const referenced = await Promise.all(blobIds.map((blobId) => metadata.isReferenced(blobId)))
  return blobIds.filter((_, index) => !referenced[index])
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
    if (isCofferError(error, 'BLOB_IO_FAILED')) return 'unreadable'
    throw error
  }
}
