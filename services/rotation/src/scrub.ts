import {
  type BlobId,
  type BlobStore,
  blobIdIn,
  type PlacedBlobStore,
  type StoreNumber,
  storeOf,
  writerOf,
} from '@coffer/blob-store'
import type { MetadataService, ScrubReport, ScrubRequest } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import { ScrubScope } from './scrub-scope.ts'

const PAGE = 1000
/** Blobs that are looked up at once: over a network the answers overlap, and memory stays bounded. */
const BATCH = 256
/** Damaged blobs that a report names; more are counted by the next run. */
const DAMAGED_MAX = 1000

type Damaged = ScrubReport['damaged'][number]

interface Pass {
  readonly metadata: MetadataService
  readonly blobs: BlobStore
  readonly scope: ScrubScope
}

/**
 * One pass over the blob stores: deletes what commits have dropped, deletes what dead writers left unreferenced, and reports
 * referenced blobs that are missing or of another size. Safe beside a running server: a blob is deleted only if its writer
 * can't commit any more (docs/decisions/0002). A store that is away is left out and told. Memory is bounded by a page, whatever
 * the stores hold.
 */
export async function scrub(
  metadata: MetadataService,
  blobs: PlacedBlobStore,
  request: ScrubRequest = {},
): Promise<ScrubReport> {
  const scope = await ScrubScope.of(blobs, request)
  const pass = { metadata, blobs, scope }
  const garbageRemoved = await removeGarbageOf(pass)
  const { blobsSeen, orphansRemoved } = await removeOrphans(pass)
  const damaged = await findDamaged(pass)
  return { blobsSeen, orphansRemoved, garbageRemoved, damaged, incomplete: scope.incomplete() }
}

/** Deletes the blobs that commits have dropped and whose deletion nobody has reported. A store that is away keeps its own for later. */
export async function removeGarbage(metadata: MetadataService, blobs: PlacedBlobStore): Promise<number> {
  // Most of the time there is none, and no store need be asked.
  if ((await metadata.listGarbage(1)).length === 0) return 0
  return await removeGarbageOf({ metadata, blobs, scope: await ScrubScope.of(blobs, {}) })
}

async function removeGarbageOf({ metadata, blobs, scope }: Pass): Promise<number> {
  let removed = 0
  let afterBlobId = ''
  for (;;) {
    const garbage = await metadata.listGarbage(PAGE, afterBlobId)
    const deleted = await deleteEach(garbage, blobs, scope)
    if (deleted.length > 0) await metadata.forgetGarbage(deleted)
    removed += deleted.length
    const last = garbage.at(-1)
    // Not after what was asked for: a metadata service of an older version, which knows no `afterBlobId`.
    if (garbage.length < PAGE || last === undefined || last <= afterBlobId) return removed
    afterBlobId = last
  }
}

/** Those that are gone now. */
async function deleteEach(blobIds: readonly BlobId[], blobs: BlobStore, scope: ScrubScope): Promise<BlobId[]> {
  const deleted: BlobId[] = []
  for (const blobId of blobIds) {
    if (!(await scope.holds(storeOf(blobId)))) continue
    try {
      await blobs.delete(blobId)
      deleted.push(blobId)
    } catch (error) {
      scope.failed(storeOf(blobId), error)
    }
  }
  return deleted
}

async function removeOrphans(pass: Pass) {
  const found = { blobsSeen: 0, orphansRemoved: 0 }
  for (const number of pass.scope.numbers()) {
    if (!(await pass.scope.holds(number))) continue
    try {
      await removeOrphansIn(number, pass, found)
    } catch (error) {
      pass.scope.failed(number, error)
    }
  }
  return found
}

async function removeOrphansIn(
  number: StoreNumber,
  pass: Pass,
  found: { blobsSeen: number; orphansRemoved: number },
): Promise<void> {
  let batch: BlobId[] = []
  const examine = async () => {
    found.blobsSeen += batch.length
    found.orphansRemoved += await removeOrphansAmong(batch, pass)
    batch = []
  }
  for await (const { blobId } of pass.scope.list(number)) {
    batch.push(blobIdIn(number, blobId))
    if (batch.length === BATCH) await examine()
  }
  await examine()
}

async function removeOrphansAmong(blobIds: readonly BlobId[], { metadata, blobs, scope }: Pass): Promise<number> {
  const unreferenced = await unreferencedOf(blobIds, metadata)
  if (unreferenced.length === 0) return 0
  // Asked after the look at the blobs: a writer that registers later can't have written them.
  const writers = new Set(await metadata.listWriters())
  const ofTheDead = unreferenced.filter((blobId) => !writers.has(writerOf(blobId)))
  // Their writers may have committed some just before they were retired; now they can't any more.
  const orphans = await unreferencedOf(ofTheDead, metadata)
  return (await deleteEach(orphans, blobs, scope)).length
}

async function unreferencedOf(blobIds: readonly BlobId[], metadata: MetadataService): Promise<BlobId[]> {
  const referenced = await Promise.all(blobIds.map((blobId) => metadata.isReferenced(blobId)))
  return blobIds.filter((_, index) => !referenced[index])
}

async function findDamaged({ metadata, blobs, scope }: Pass): Promise<Damaged[]> {
  const damaged: Damaged[] = []
  let afterBlobId = ''
  while (damaged.length < DAMAGED_MAX) {
    const page = await metadata.listReferencedBlobs(afterBlobId, PAGE)
    for (const { blobId, storedSizeBytes } of page) {
      const number = storeOf(blobId)
      if (!(await scope.holds(number))) continue
      const problem = await problemOf(blobs, blobId, storedSizeBytes).catch((error: unknown) => {
        scope.failed(number, error)
        return undefined
      })
      if (problem === undefined) continue
      // Deleted while we looked is not damaged.
      if ((await metadata.isReferenced(blobId)) && (await scope.isStillThere(number))) damaged.push({ blobId, problem })
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
