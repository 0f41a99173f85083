import { invariant } from '@coffer/errors'
import type {
  BodyReplacement,
  CommitVersion,
  EventMove,
  KeyUseReplacement,
  ListVersionsQuery,
  MetadataStore,
  ObjectKeyReplacement,
  RecordChange,
  VersionPlace,
  VersionSelector,
} from '../metadata-store.ts'
import type {
  BlobId,
  BucketId,
  BucketRecord,
  EventId,
  OutboxEvent,
  PartRecord,
  Quota,
  TableName,
  TableRecord,
  UploadRecord,
  UsageScope,
  VersioningState,
  WriterId,
} from '../records.ts'
import { readKeyUse, readUsage } from './lmdb/counters.ts'
import { type Databases, type Environment, openEnvironment } from './lmdb/environment.ts'
import { type Change, GroupCommit } from './lmdb/group-commit.ts'
import { requireHere } from './lmdb/journal.ts'
import { asMetadataError } from './lmdb/lmdb-errors.ts'
import {
  forgetGarbage,
  isReferenced,
  listGarbage,
  listReferencedBlobs,
  listWriters,
  registerWriter,
  retireWriter,
} from './rows/blobs.ts'
import { readBucketRevision, readKnownBucket } from './rows/bucket-row.ts'
import { createBucket, deleteBucket, listBuckets, replaceWrappedMetadataKey, updateBucket } from './rows/buckets.ts'
import { listKeyUse } from './rows/key-use.ts'
import { KnownRows } from './rows/known-rows.ts'
import {
  appendEvents,
  countEvents,
  eventBytes,
  listEventQueues,
  listEvents,
  moveEvents,
  queueCounters,
} from './rows/outbox.ts'
import { type Addition, assertFits, findQuota, removeQuota, scopesOf, setQuota } from './rows/quotas.ts'
import { changeRecords, deleteRecord, findKnownRecord, listRecords, putRecord } from './rows/records.ts'
import { listUploads } from './rows/upload-listing.ts'
import { abortUpload, createUpload, findUpload, listParts, putPart } from './rows/uploads.ts'
import { listCurrent, listVersions } from './rows/version-listing.ts'
import { findVersion, findVersions, KnownHeads } from './rows/version-reads.ts'
import { replaceBody, replacementSizeBytes, replaceObjectKey, replaceObjectKeys } from './rows/version-replacements.ts'
import { commitSizeBytes, commitVersion, removeVersion } from './rows/version-writes.ts'

export interface LmdbStoreOptions {
  /** Holds the environment's files; made (mode 0700) if it does not exist. */
  readonly directory: string
  /** Refuses every change: to look into a store beside the server that writes it. Default false. */
  readonly readOnly?: boolean
}

/**
 * The metadata store of one machine: an LMDB environment that all its processes share. META_FORMAT_NEWER if a newer Coffer
 * wrote it; META_RECORD_DAMAGED if it is not a store of ours; META_STORE_CLOSED if it was moved elsewhere.
 *
 * @example const store = await openLmdbStore({ directory: 'data/metadata' })
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<MetadataStore> {
  const readOnly = options.readOnly ?? false
  try {
    const environment = await openEnvironment({ directory: options.directory, readOnly })
    try {
      requireHere(environment.root)
    } catch (error) {
      await environment.root.close()
      throw error
    }
    return new LmdbStore(environment, readOnly)
  } catch (error) {
    throw asMetadataError(error)
  }
}

/** Of buckets, and of small records: what a process keeps decoded of each. */
const KNOWN_ROWS_SIZE_BYTES_MAX = 8 * 1024 * 1024

class LmdbStore implements MetadataStore {
  readonly #environment: Environment
  readonly #commits: GroupCommit
  readonly #readOnly: boolean
  /** What each request asks for, decoded already. */
  readonly #buckets = new KnownRows<BucketRecord>({ sizeBytesMax: KNOWN_ROWS_SIZE_BYTES_MAX })
  readonly #records = new KnownRows<TableRecord>({ sizeBytesMax: KNOWN_ROWS_SIZE_BYTES_MAX })
  readonly #heads = new KnownHeads()

  constructor(environment: Environment, readOnly: boolean) {
    this.#environment = environment
    this.#commits = new GroupCommit(environment)
    this.#readOnly = readOnly
  }

  async createBucket(bucket: Omit<BucketRecord, 'revision'>) {
    return this.#write((batch) => createBucket(batch, bucket))
  }

  async findBucket(name: string) {
    return this.#read((databases) => readKnownBucket(this.#buckets, databases, name))
  }

  async hasBucket(id: BucketId) {
    return this.#read((databases) => readBucketRevision(databases, id) !== undefined)
  }

  async updateBucket(
    name: string,
    expectedRevision: number,
    change: { versioning: VersioningState; sealed: Uint8Array; wrappedMetadataKey: Uint8Array },
  ) {
    return this.#write((batch) => updateBucket(batch, name, expectedRevision, change))
  }

  async replaceWrappedMetadataKey(name: string, id: BucketId, expected: Uint8Array, wrapped: Uint8Array) {
    return this.#write((batch) => replaceWrappedMetadataKey(batch, name, id, { expected, wrapped }))
  }

  async deleteBucket(name: string, id: BucketId) {
    return this.#write((batch) => deleteBucket(batch, name, id))
  }

  async listBuckets(query: { ownerAccountId: string; prefix: string; afterName: string; limit: number }) {
    return this.#read((databases) => listBuckets(databases, query))
  }

  async getUsage(scope: UsageScope) {
    return this.#read((databases) => readUsage(databases, scope))
  }

  async setQuota(scope: UsageScope, quota: Quota) {
    return this.#write((batch) => setQuota(batch, scope, quota))
  }

  async removeQuota(scope: UsageScope) {
    return this.#write((batch) => removeQuota(batch, scope))
  }

  async findQuota(scope: UsageScope) {
    return this.#read((databases) => findQuota(databases, scope))
  }

  async checkQuotas(bucketId: BucketId, added: Addition) {
    return this.#read((databases) => {
      for (const scope of scopesOf(databases, bucketId)) {
        const quota = findQuota(databases, scope)
        if (quota !== undefined) assertFits(scope, quota, readUsage(databases, scope), added)
      }
    })
  }

  async getKeyUse(keyRef: string) {
    return this.#read((databases) => readKeyUse(databases, keyRef))
  }

  async listKeyUse(query: Parameters<MetadataStore['listKeyUse']>[0]) {
    return this.#read((databases) => listKeyUse(databases, query))
  }

  async replaceObjectKey(replacement: ObjectKeyReplacement) {
    return this.#write((batch) => replaceObjectKey(batch, replacement), replacement.sealed.length)
  }

  async replaceObjectKeys(replacements: readonly KeyUseReplacement[]) {
    const sizeBytes = replacements.reduce((sum, { sealed }) => sum + sealed.length, 0)
    return this.#write((batch) => replaceObjectKeys(batch, replacements), sizeBytes)
  }

  async replaceBody(replacement: BodyReplacement) {
    return this.#write((batch) => replaceBody(batch, replacement), replacementSizeBytes(replacement))
  }

  async commitVersion(commit: CommitVersion) {
    return this.#write((batch) => commitVersion(batch, commit), commitSizeBytes(commit))
  }

  async findVersion(bucketId: BucketId, key: string, which: VersionSelector, options: { withBody: boolean }) {
    return this.#read((databases) => findVersion(databases, bucketId, key, which, { ...options, known: this.#heads }))
  }

  async findVersions(places: readonly VersionPlace[]) {
    return this.#read((databases) => findVersions(databases, places))
  }

  async removeVersion(removal: Parameters<MetadataStore['removeVersion']>[0]) {
    return this.#write((batch) => removeVersion(batch, removal))
  }

  async listCurrent(query: ListVersionsQuery) {
    return this.#read((databases) => listCurrent(databases, query))
  }

  async listVersions(query: ListVersionsQuery) {
    return this.#read((databases) => listVersions(databases, query))
  }

  async createUpload(bucketId: BucketId, bucketRevision: number, upload: UploadRecord) {
    return this.#write((batch) => createUpload(batch, bucketId, bucketRevision, upload))
  }

  async findUpload(bucketId: BucketId, key: string, uploadId: string) {
    return this.#read((databases) => findUpload(databases, bucketId, key, uploadId))
  }

  async putPart(bucketId: BucketId, key: string, uploadId: string, part: PartRecord) {
    return this.#write((batch) => putPart(batch, bucketId, key, uploadId, part))
  }

  async listParts(query: Parameters<MetadataStore['listParts']>[0]) {
    return this.#read((databases) => listParts(databases, query))
  }

  async abortUpload(bucketId: BucketId, key: string, uploadId: string) {
    return this.#write((batch) => abortUpload(batch, bucketId, key, uploadId))
  }

  async listUploads(query: Parameters<MetadataStore['listUploads']>[0]) {
    return this.#read((databases) => listUploads(databases, query))
  }

  async registerWriter(writerId: WriterId) {
    return this.#write((batch) => registerWriter(batch, writerId))
  }

  async retireWriter(writerId: WriterId) {
    return this.#write((batch) => retireWriter(batch, writerId))
  }

  async listWriters() {
    return this.#read(listWriters)
  }

  async isReferenced(blobId: BlobId) {
    return this.#read((databases) => isReferenced(databases, blobId))
  }

  async listGarbage(limit: number, afterBlobId?: BlobId) {
    return this.#read((databases) => listGarbage(databases, limit, afterBlobId))
  }

  async forgetGarbage(blobIds: readonly BlobId[]) {
    return this.#write((batch) => forgetGarbage(batch, blobIds))
  }

  async listReferencedBlobs(afterBlobId: string, limit: number) {
    return this.#read((databases) => listReferencedBlobs(databases, afterBlobId, limit))
  }

  async appendEvents(events: readonly OutboxEvent[]) {
    return this.#write((batch) => appendEvents(batch, events), eventBytes(events))
  }

  async listEvents(query: { queue: string; afterId: EventId | ''; limit: number }) {
    return this.#read((databases) => listEvents(databases, query))
  }

  async moveEvents(move: EventMove) {
    return this.#write((batch) => moveEvents(batch, move))
  }

  async countEvents(queue: string, countMax: number) {
    return this.#read((databases) => countEvents(databases, queue, countMax))
  }

  async getQueueTotals(queue: string) {
    const { entries, bytes } = queueCounters(queue)
    return this.#read((databases) => ({
      entryCount: readKeyUse(databases, entries),
      weightBytes: readKeyUse(databases, bytes),
    }))
  }

  async listEventQueues() {
    return this.#read(listEventQueues)
  }

  async findRecord(table: TableName, id: string) {
    return this.#read((databases) => findKnownRecord(this.#records, databases, table, id))
  }

  async putRecord(table: TableName, id: string, value: Uint8Array, expectedRevision?: number) {
    return this.#write((batch) => putRecord(batch, table, id, value, expectedRevision), value.length)
  }

  async deleteRecord(table: TableName, id: string) {
    return this.#write((batch) => deleteRecord(batch, table, id))
  }

  async changeRecords(table: TableName, changes: readonly RecordChange[]) {
    const sizeBytes = changes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    return this.#write((batch) => changeRecords(batch, table, changes), sizeBytes)
  }

  async listRecords(table: TableName, query: { prefix: string; afterId: string; limit: number }) {
    return this.#read((databases) => listRecords(databases, table, query))
  }

  async close() {
    await this.#commits.close()
    await this.#environment.root.close()
  }

  /**
   * Reads from the newest commit of any process: lmdb-js keeps a read transaction for the rest of an event turn, so that a
   * second request in one turn would not see what another process acknowledged between the two.
   */
  #read<Result>(read: (databases: Databases) => Result): Result {
    try {
      const { root, databases } = this.#environment
      root.resetReadTxn()
      requireHere(root)
      return read(databases)
    } catch (error) {
      throw asMetadataError(error)
    }
  }

  #write<Result>(change: Change<Result>, sizeBytes = 0): Promise<Result> {
    invariant(!this.#readOnly, 'the store is opened for reading only')
    return this.#commits.submit(change, sizeBytes)
  }
}
