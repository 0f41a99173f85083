import { statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { FIRST_STORE, type PlacedBlobStore, STANDARD } from '@coffer/blob-store'
import type { BlobStoreState, MetadataService, MetadataState } from '@coffer/contracts'
import { isCofferError } from '@coffer/errors'
import type { ConfiguredBlobs } from '../blob-location.ts'
import type { MetadataLocation } from '../metadata-location.ts'

/** A place that has not answered by then is away as far as an operator is concerned. */
const ANSWER_TIMEOUT_MS = 2_000
/** However often it is asked for, what stands behind is asked no more than once in this time. */
const AGE_MS_MAX = 5_000

/** How the blob stores of this process are now: each is asked for the mark by which it is known. */
export function blobStoreStates(
  configured: ConfiguredBlobs,
  blobs: PlacedBlobStore,
): () => Promise<readonly BlobStoreState[]> {
  return keptFor(AGE_MS_MAX, async () => {
    const classes = classesByStore(configured)
    return await Promise.all(
      [...configured.places].map(async ([store, { kind, directory }]) => {
        const failure = await failureOf(async () => {
          const { numbers, check } = await blobs.places()
          await check(numbers.get(store) ?? 0)
        })
        const space = failure === undefined && directory !== undefined ? await spaceOf(directory) : {}
        const storageClasses = classes.get(store) ?? []
        return { store, kind, storageClasses, ...(failure !== undefined && { failure }), ...space }
      }),
    )
  })
}

/** Whether the metadata store answers, and what room it has. */
export function metadataState(
  metadata: Pick<MetadataService, 'getKeyUse'>,
  { metadataServer, metadataDirectory }: MetadataLocation,
): () => Promise<MetadataState> {
  return keptFor(AGE_MS_MAX, async () => {
    const failure = await failureOf(() => metadata.getKeyUse('health'))
    const told = failure === undefined ? {} : { failure }
    if (metadataServer !== undefined) return { driver: 'postgresql', ...told }
    return { driver: 'lmdb', ...told, ...(await spaceOf(metadataDirectory)) }
  })
}

/** STANDARD, and whatever names no other store, is in the first. */
function classesByStore({ classes }: ConfiguredBlobs): ReadonlyMap<string, readonly string[]> {
  const byStore = new Map<string, string[]>()
  const all = classes.has(STANDARD) ? [...classes] : [[STANDARD, FIRST_STORE] as const, ...classes]
  for (const [storageClass, store] of all) byStore.set(store, [...(byStore.get(store) ?? []), storageClass])
  return byStore
}

async function failureOf(ask: () => Promise<unknown>): Promise<string | undefined> {
  const ended = new AbortController()
  const late = sleep(ANSWER_TIMEOUT_MS, 'TIMEOUT', { ref: false, signal: ended.signal }).catch(() => undefined)
  const asked = ask().then(
    () => undefined,
    (error: unknown) => (isCofferError(error) ? error.code : 'INTERNAL_INVARIANT'),
  )
  return await Promise.race([asked, late]).finally(() => ended.abort())
}

async function spaceOf(directory: string): Promise<{ freeBytes?: number; sizeBytes?: number }> {
  const disk = await statfs(directory).catch(() => undefined)
  return disk === undefined ? {} : { freeBytes: disk.bavail * disk.bsize, sizeBytes: disk.blocks * disk.bsize }
}

function keptFor<T>(ageMsMax: number, read: () => Promise<T>): () => Promise<T> {
  let last: { readonly atMs: number; readonly value: Promise<T> } | undefined
  return () => {
    const now = performance.now()
    if (last === undefined || now - last.atMs > ageMsMax) last = { atMs: now, value: read() }
    return last.value
  }
}
