import type { MetadataStore, VersionBody, VersionRecord } from '@coffer/metadata-store'

export async function findBucketId(store: MetadataStore, name: string): Promise<string> {
  const bucket = await store.findBucket(name)
  if (bucket === undefined) throw new Error(`no bucket ${name}`)
  return bucket.id
}

interface Stored {
  readonly version: VersionRecord
  readonly body: VersionBody
}

async function take(store: MetadataStore, bucketId: string, bucketRevision: number, key: string): Promise<Stored> {
  const found = await store.findVersion(bucketId, key, 'current', { withBody: true })
  if (found?.body === undefined) throw new Error(`no version of ${key}`)
  await store.removeVersion({ bucketId, bucketRevision, key, which: 'current' })
  return { version: found.version, body: found.body }
}

/** Gives two keys each other's sealed record and body; names, version ids and everything clear stay where they were. */
export async function swapRecords(store: MetadataStore, bucketId: string, a: string, b: string): Promise<void> {
  const bucketRevision = 1
  const [one, two] = [await take(store, bucketId, bucketRevision, a), await take(store, bucketId, bucketRevision, b)]
  const commit = async (place: VersionRecord, content: Stored): Promise<void> => {
    const { bodyKind: _bodyKind, ...clear } = place
    const version = { ...clear, sealed: content.version.sealed, summary: content.version.summary }
    await store.commitVersion({ bucketId, bucketRevision, version, body: content.body })
  }
  await commit(one.version, two)
  await commit(two.version, one)
}
