import { randomBytes } from 'node:crypto'
import { isCofferError } from '@coffer/errors'
import { expect } from 'vitest'
import type { MetadataErrorCode } from '../errors.ts'
import type { CommitVersion, ListVersionsQuery, MetadataStore, VersionPage } from '../metadata-store.ts'
import type { BlobId, BucketRecord, PartRecord, UploadRecord, VersionBody, VersionId, WriterId } from '../records.ts'

/** A store under test. `reopen` closes it and opens it again on what it kept, where the driver can. */
export interface OpenedStore {
  readonly store: MetadataStore
  readonly reopen?: () => Promise<MetadataStore>
  readonly dispose: () => Promise<void>
}

/** The store of the running test, opened before it and disposed of after it. */
export interface StoreUnderTest {
  readonly store: MetadataStore
  reopen(): Promise<MetadataStore>
}

const NONE = new Uint8Array(0)
let clock = Date.now()

/** Ids of the documented form, each newer than the one before. */
export function newVersionId(): VersionId {
  clock += 1
  return clock.toString(16).padStart(12, '0') + randomBytes(10).toString('hex')
}

export function newWriterId(): WriterId {
  return randomBytes(8).toString('hex')
}

/** `store`: the number of a blob store that is not the first, two hex digits. */
export function newBlobId(writerId: WriterId, store?: string): BlobId {
  return `${writerId}-${randomBytes(12).toString('hex')}${store === undefined ? '' : `-${store}`}`
}

export async function newWriter(store: MetadataStore): Promise<WriterId> {
  const writerId = newWriterId()
  await store.registerWriter(writerId)
  return writerId
}

export function bucketFields(name: string, changes: Partial<BucketRecord> = {}): Omit<BucketRecord, 'revision'> {
  return {
    name,
    id: randomBytes(16).toString('hex'),
    ownerAccountId: 'account-1',
    createdAt: 1_700_000_000_000,
    versioning: 'unversioned',
    wrappedMetadataKey: randomBytes(60),
    sealed: randomBytes(40),
    ...changes,
  }
}

export function newBucket(store: MetadataStore, name = 'bucket'): Promise<BucketRecord> {
  return store.createBucket(bucketFields(name))
}

export interface VersionChanges {
  readonly versionId?: VersionId
  readonly isNull?: boolean
  readonly isDeleteMarker?: boolean
  readonly sizeBytes?: number
  readonly keyRef?: string
  readonly body?: VersionBody
  readonly expectedCurrent?: VersionId | 'none'
  readonly completesUpload?: NonNullable<CommitVersion['completesUpload']>
}

/** A commit of a version with an inline body (a delete marker: without one). */
export function commitOf(bucket: BucketRecord, key: string, changes: VersionChanges = {}): CommitVersion {
  const { expectedCurrent, completesUpload } = changes
  const isDeleteMarker = changes.isDeleteMarker ?? false
  const inline: VersionBody = { kind: 'inline', bytes: randomBytes(40) }
  return {
    bucketId: bucket.id,
    bucketRevision: bucket.revision,
    version: {
      key,
      versionId: changes.versionId ?? newVersionId(),
      isNull: changes.isNull ?? false,
      isDeleteMarker,
      lastModifiedAt: clock,
      sizeBytes: changes.sizeBytes ?? (isDeleteMarker ? 0 : 24),
      keyRef: changes.keyRef ?? '',
      sealed: randomBytes(64),
      summary: isDeleteMarker ? NONE : randomBytes(32),
    },
    body: changes.body ?? (isDeleteMarker ? { kind: 'none' } : inline),
    ...(expectedCurrent !== undefined && { expectedCurrent }),
    ...(completesUpload && { completesUpload }),
  }
}

/** Commits, and returns what was committed. */
export async function put(
  store: MetadataStore,
  bucket: BucketRecord,
  key: string,
  changes: VersionChanges = {},
): Promise<CommitVersion> {
  const commit = commitOf(bucket, key, changes)
  await store.commitVersion(commit)
  return commit
}

export function blobBody(...blobIds: readonly BlobId[]): Extract<VersionBody, { kind: 'blobs' }> {
  const blobs = blobIds.map((blobId, index) => ({ blobId, storedSizeBytes: 1_000 + index }))
  return { kind: 'blobs', blobs, manifest: randomBytes(50) }
}

export function uploadOf(key: string, uploadId = newVersionId(), keyRef = ''): UploadRecord {
  return { key, uploadId, initiatedAt: clock, ownerAccountId: 'account-1', keyRef, sealed: randomBytes(48) }
}

export function partOf(partNumber: number, blobId: BlobId, sizeBytes = 5_242_880): PartRecord {
  return {
    partNumber,
    lastModifiedAt: clock,
    sizeBytes,
    blob: { blobId, storedSizeBytes: 5_244_000 + partNumber },
    sealed: randomBytes(33),
  }
}

export function query(bucket: BucketRecord, changes: Partial<ListVersionsQuery> = {}): ListVersionsQuery {
  return { bucketId: bucket.id, prefix: '', delimiter: '', afterKey: '', limit: 1_000, ...changes }
}

/** All pages of a listing; fails if one is larger than its limit, or if they do not end. */
export async function allPages(
  list: (query: ListVersionsQuery) => Promise<VersionPage>,
  first: ListVersionsQuery,
): Promise<{ entries: VersionPage['entries'][number][]; commonPrefixes: string[]; pages: number }> {
  const entries: VersionPage['entries'][number][] = []
  const commonPrefixes: string[] = []
  let next: ListVersionsQuery | undefined = first
  let pages = 0
  while (next) {
    const page: VersionPage = await list(next)
    expect(page.entries.length + page.commonPrefixes.length).toBeLessThanOrEqual(first.limit)
    entries.push(...page.entries)
    commonPrefixes.push(...page.commonPrefixes)
    pages += 1
    expect(pages).toBeLessThan(10_000)
    next = page.next && { ...first, ...page.next }
  }
  return { entries, commonPrefixes, pages }
}

/** Fails unless `promise` is refused with this code; returns the error's details. */
export async function refused(
  promise: Promise<unknown>,
  code: MetadataErrorCode,
): Promise<Readonly<Record<string, string | number | boolean>>> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isCofferError(error)) throw error ?? new Error(`not refused, but should be with ${code}`)
  expect(error.code).toBe(code)
  return error.details
}

/** Bytes compare by content, whatever kind of array carries them. */
export function plain<Value>(value: Value): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]))
}

/** Two buckets of one account with versions, a delete marker and an upload in progress. Returns what asks for their usage, and the account's. */
export async function countedStore(store: MetadataStore) {
  const writer = await newWriter(store)
  const [one, two] = [await newBucket(store, 'one'), await newBucket(store, 'two')]
  await put(store, one, 'a', { sizeBytes: 10 })
  await put(store, two, 'a', { sizeBytes: 7 })
  await put(store, two, 'a', { isDeleteMarker: true })
  const upload = uploadOf('b')
  await store.createUpload(two.id, 1, upload)
  await store.putPart(two.id, 'b', upload.uploadId, partOf(1, newBlobId(writer), 100))
  const usage = async (of: MetadataStore) => [
    await of.getUsage({ bucketId: one.id }),
    await of.getUsage({ bucketId: two.id }),
    await of.getUsage({ accountId: one.ownerAccountId }),
  ]
  const before = await usage(store)
  return { one, usage, before }
}
