import { randomBytes } from 'node:crypto'
import type { CommitVersion, MetadataStore } from '@coffer/metadata-store'

/** Sizes of what the gateway seals for a version with an ETag and two headers. */
export const SEALED_BYTES = 320
export const SUMMARY_BYTES = 64

let clock = Date.now() - 1_000_000_000

/** Makes the bucket that a bench of the metadata store fills; returns its id. */
export async function makeMetadataBucket(store: MetadataStore): Promise<string> {
  const bucket = await store.createBucket({
    name: 'bench',
    id: randomBytes(16).toString('hex'),
    ownerAccountId: 'bench',
    createdAt: Date.now(),
    versioning: 'unversioned',
    wrappedMetadataKey: randomBytes(60),
    sealed: randomBytes(200),
  })
  return bucket.id
}

/** The commit of an unversioned put with an inline body. */
export function nullVersion(bucketId: string, key: string, bytes: Uint8Array): CommitVersion {
  clock += 1
  return {
    bucketId,
    bucketRevision: 1,
    version: {
      key,
      versionId: clock.toString(16).padStart(12, '0') + randomBytes(10).toString('hex'),
      isNull: true,
      isDeleteMarker: false,
      lastModifiedAt: clock,
      sizeBytes: bytes.length,
      keyRef: 'bench/1',
      sealed: randomBytes(SEALED_BYTES),
      summary: randomBytes(SUMMARY_BYTES),
    },
    body: { kind: 'inline', bytes },
  }
}

/** Runs `work` for each index, so many at once. */
export async function inLanes(count: number, lanes: number, work: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
