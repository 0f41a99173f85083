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
  UploadRecord,
  UsageScope,
  VersioningState,
  WriterId,
} from '../records.ts'
import { CommitQueue } from './postgres/commit-queue.ts'
import { Connection, type ServerSettings } from './postgres/connection.ts'
import { ConnectionPool } from './postgres/connection-pool.ts'
import {
  needsOfCommit,
  needsOfFind,
  needsOfPart,
  needsOfPlaces,
  needsOfRemoval,
  needsOfReplacement,
  needsOfReplacements,
} from './postgres/known-needs.ts'
import { type RollUp, scopeBytes, usageOf } from './postgres/loading.ts'
import { migrateSchema, requireOpen } from './postgres/migrations.ts'
import { Needs } from './postgres/needs.ts'
import { asMetadataError } from './postgres/pg-errors.ts'
import { Reader } from './postgres/reading.ts'
import { Statements } from './postgres/statements.ts'
import {
  forgetGarbage,
  isReferenced,
  listGarbage,
  listReferencedBlobs,
  listWriters,
  registerWriter,
  retireWriter,
} from './rows/blobs.ts'
import { readBucket, readBucketRevision } from './rows/bucket-row.ts'
import { createBucket, deleteBucket, listBuckets, replaceWrappedMetadataKey, updateBucket } from './rows/buckets.ts'
import { listKeyUse } from './rows/key-use.ts'
import { afterPrefix, ID_BYTES, idBytes } from './rows/keys.ts'
import {
  appendEvents,
  eventBytes,
  listEventQueues,
  listEvents,
  moveEvents,
  queueCounters,
  queuePrefix,
} from './rows/outbox.ts'
import { type Addition, assertFits, decodeQuota, findQuota, removeQuota, setQuota } from './rows/quotas.ts'
import { changeRecords, deleteRecord, findRecord, listRecords, putRecord } from './rows/records.ts'
import type { Row } from './rows/table.ts'
import { listUploads } from './rows/upload-listing.ts'
import { abortUpload, createUpload, findUpload, listParts, putPart } from './rows/uploads.ts'
import { listCurrent, listVersions } from './rows/version-listing.ts'
import { findVersion, findVersions } from './rows/version-reads.ts'
import { replaceBody, replacementSizeBytes, replaceObjectKey, replaceObjectKeys } from './rows/version-replacements.ts'
import { commitSizeBytes, commitVersion, removeVersion } from './rows/version-writes.ts'
import type { WriteBatch } from './rows/write-batch.ts'

/** A process holds so many connections at most. Writes that wait for one share its next transaction. */
const WRITE_CONNECTIONS = 4
const READ_CONNECTIONS = 6

export interface PostgresStoreOptions extends ServerSettings {
  /** Where the tables are; made if it is not there. Default `coffer`. */
  readonly schema?: string
}

/**
 * The metadata store of many machines: a database of PostgreSQL, or of what speaks as it does. Any number of processes may
 * open it. META_FORMAT_NEWER, META_STORE_UNSAFE, META_STORE_REFUSED, META_UNAVAILABLE.
 *
 * @example const store = await openPostgresStore({ host: '/var/run/postgresql', port: 5432, user: 'coffer', database: 'coffer' })
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<MetadataStore> {
  const schema = options.schema ?? 'coffer'
  const statements = new Statements(schema)
  try {
    const connection = await Connection.open(options)
    try {
      await migrateSchema(connection, schema)
      await connection.query(statements.forgetSessions)
    } finally {
      connection.close()
    }
  } catch (error) {
    throw asMetadataError(error)
  }
  return new PostgresStore(() => openConnection(options, schema), statements)
}

/** Whoever moved the store has ended all earlier connections. META_STORE_CLOSED. */
async function openConnection(options: PostgresStoreOptions, schema: string): Promise<Connection> {
  const connection = await Connection.open(options)
  try {
    await requireOpen(connection, schema)
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

class PostgresStore implements MetadataStore {
  readonly #statements: Statements
  readonly #pool: ConnectionPool
  readonly #reader: Reader
  readonly #commits: CommitQueue

  constructor(open: () => Promise<Connection>, statements: Statements) {
    this.#statements = statements
    this.#pool = new ConnectionPool(open, READ_CONNECTIONS)
    this.#reader = new Reader(this.#pool, statements)
    this.#commits = new CommitQueue(open, statements, WRITE_CONNECTIONS)
  }

  async createBucket(bucket: Omit<BucketRecord, 'revision'>) {
    return this.#write((batch) => createBucket(batch, bucket))
  }

  async findBucket(name: string) {
    return this.#reader.read((databases) => readBucket(databases, name))
  }

  async hasBucket(id: BucketId) {
    return this.#reader.read((databases) => readBucketRevision(databases, id) !== undefined)
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
    return this.#reader.read((databases) => listBuckets(databases, query))
  }

  async getUsage(scope: UsageScope) {
    const { rows } = await this.#reader.retried((connection) =>
      connection.query(this.#statements.sumUsage(scope), [scopeBytes(scope)]),
    )
    return usageOf(rows[0])
  }

  async setQuota(scope: UsageScope, quota: Quota) {
    return this.#write((batch) => setQuota(batch, scope, quota))
  }

  async removeQuota(scope: UsageScope) {
    return this.#write((batch) => removeQuota(batch, scope))
  }

  async findQuota(scope: UsageScope) {
    return this.#reader.read((databases) => findQuota(databases, scope))
  }

  async checkQuotas(bucketId: BucketId, added: Addition) {
    const { rows } = await this.#reader.retried((connection) =>
      connection.query(this.#statements.readQuotas(), [idBytes(bucketId), 0]),
    )
    for (const { key, value } of rows as unknown as readonly Row[]) {
      const { scope, quota } = decodeQuota(key, value)
      assertFits(scope, quota, await this.getUsage(scope), added)
    }
  }

  async getKeyUse(keyRef: string) {
    const { rows } = await this.#reader.retried((connection) =>
      connection.query(this.#statements.sumKeyUse(), [Buffer.from(keyRef)]),
    )
    return Number(rows[0]?.count)
  }

  async listKeyUse(query: Parameters<MetadataStore['listKeyUse']>[0]) {
    return this.#reader.read((databases) => listKeyUse(databases, query), { portionRows: query.limit })
  }

  async replaceObjectKey(replacement: ObjectKeyReplacement) {
    const needs = needsOfReplacement(replacement)
    return this.#write((batch) => replaceObjectKey(batch, replacement), needs, replacement.sealed.length)
  }

  async replaceObjectKeys(replacements: readonly KeyUseReplacement[]) {
    const sizeBytes = replacements.reduce((sum, { sealed }) => sum + sealed.length, 0)
    const needs = needsOfReplacements(replacements)
    return this.#write((batch) => replaceObjectKeys(batch, replacements), needs, sizeBytes)
  }

  async replaceBody(replacement: BodyReplacement) {
    const needs = needsOfReplacement(replacement)
    return this.#write((batch) => replaceBody(batch, replacement), needs, replacementSizeBytes(replacement))
  }

  async commitVersion(commit: CommitVersion) {
    return this.#write((batch) => commitVersion(batch, commit), needsOfCommit(commit), commitSizeBytes(commit))
  }

  async findVersion(bucketId: BucketId, key: string, which: VersionSelector, options: { withBody: boolean }) {
    const { withBody } = options
    const needs = needsOfFind(bucketId, key, which, withBody)
    return this.#reader.read((databases) => findVersion(databases, bucketId, key, which, { withBody }), { needs })
  }

  async findVersions(places: readonly VersionPlace[]) {
    const needs = needsOfPlaces(places)
    return this.#reader.read((databases) => findVersions(databases, places), { needs })
  }

  async removeVersion(removal: Parameters<MetadataStore['removeVersion']>[0]) {
    return this.#write((batch) => removeVersion(batch, removal), needsOfRemoval(removal))
  }

  async listCurrent(query: ListVersionsQuery) {
    return this.#reader.read((databases) => listCurrent(databases, query), pageOptions(query))
  }

  async listVersions(query: ListVersionsQuery) {
    return this.#reader.read((databases) => listVersions(databases, query), pageOptions(query))
  }

  async createUpload(bucketId: BucketId, bucketRevision: number, upload: UploadRecord) {
    const needs = new Needs()
    needs.buckets.add(bucketId)
    return this.#write((batch) => createUpload(batch, bucketId, bucketRevision, upload), needs)
  }

  async findUpload(bucketId: BucketId, key: string, uploadId: string) {
    return this.#reader.read((databases) => findUpload(databases, bucketId, key, uploadId))
  }

  async putPart(bucketId: BucketId, key: string, uploadId: string, part: PartRecord) {
    const needs = needsOfPart(bucketId, key, uploadId, part)
    return this.#write((batch) => putPart(batch, bucketId, key, uploadId, part), needs, part.sealed.length)
  }

  async listParts(query: Parameters<MetadataStore['listParts']>[0]) {
    return this.#reader.read((databases) => listParts(databases, query))
  }

  async abortUpload(bucketId: BucketId, key: string, uploadId: string) {
    return this.#write((batch) => abortUpload(batch, bucketId, key, uploadId))
  }

  async listUploads(query: Parameters<MetadataStore['listUploads']>[0]) {
    return this.#reader.read((databases) => listUploads(databases, query), pageOptions(query))
  }

  async registerWriter(writerId: WriterId) {
    return this.#write((batch) => registerWriter(batch, writerId))
  }

  async retireWriter(writerId: WriterId) {
    return this.#write((batch) => retireWriter(batch, writerId))
  }

  async listWriters() {
    return this.#reader.read(listWriters)
  }

  async isReferenced(blobId: BlobId) {
    return this.#reader.read((databases) => isReferenced(databases, blobId))
  }

  async listGarbage(limit: number, afterBlobId?: BlobId) {
    return this.#reader.read((databases) => listGarbage(databases, limit, afterBlobId), { portionRows: limit })
  }

  async forgetGarbage(blobIds: readonly BlobId[]) {
    return this.#write((batch) => forgetGarbage(batch, blobIds))
  }

  async listReferencedBlobs(afterBlobId: string, limit: number) {
    return this.#reader.read((databases) => listReferencedBlobs(databases, afterBlobId, limit), { portionRows: limit })
  }

  async appendEvents(events: readonly OutboxEvent[]) {
    return this.#write((batch) => appendEvents(batch, events), new Needs(), eventBytes(events))
  }

  async listEvents(query: { queue: string; afterId: EventId | ''; limit: number }) {
    return this.#reader.read((databases) => listEvents(databases, query), { portionRows: query.limit })
  }

  async moveEvents(move: EventMove) {
    return this.#write((batch) => moveEvents(batch, move))
  }

  async countEvents(queue: string, countMax: number) {
    const prefix = queuePrefix(queue)
    const { rows } = await this.#reader.retried((connection) =>
      connection.query(this.#statements.countRange('outbox'), [prefix, afterPrefix(prefix), countMax]),
    )
    return Number(rows[0]?.count)
  }

  async getQueueTotals(queue: string) {
    const { entries, bytes } = queueCounters(queue)
    const [entryCount, weightBytes] = await Promise.all([this.getKeyUse(entries), this.getKeyUse(bytes)])
    return { entryCount, weightBytes }
  }

  async listEventQueues() {
    return this.#reader.read(listEventQueues)
  }

  async findRecord(table: TableName, id: string) {
    return this.#reader.read((databases) => findRecord(databases, table, id))
  }

  async putRecord(table: TableName, id: string, value: Uint8Array, expectedRevision?: number) {
    return this.#write((batch) => putRecord(batch, table, id, value, expectedRevision), new Needs(), value.length)
  }

  async deleteRecord(table: TableName, id: string) {
    return this.#write((batch) => deleteRecord(batch, table, id))
  }

  async changeRecords(table: TableName, changes: readonly RecordChange[]) {
    const sizeBytes = changes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    return this.#write((batch) => changeRecords(batch, table, changes), new Needs(), sizeBytes)
  }

  async listRecords(table: TableName, query: { prefix: string; afterId: string; limit: number }) {
    return this.#reader.read((databases) => listRecords(databases, table, query), { portionRows: query.limit })
  }

  async close() {
    await this.#commits.close()
    this.#pool.close()
  }

  #write<Result>(change: (batch: WriteBatch) => Result, needs = new Needs(), sizeBytes = 0): Promise<Result> {
    return this.#commits.submit(change, needs, sizeBytes)
  }
}

/** A page reads one row more than it shows, to see whether more follows. */
function pageOptions({ prefix, delimiter, limit }: { prefix: string; delimiter: string; limit: number }): {
  portionRows: number
  rollUp: RollUp | undefined
} {
  const rollUp =
    delimiter === ''
      ? undefined
      : { delimiter: Buffer.from(delimiter), scopeBytes: ID_BYTES + Buffer.byteLength(prefix) }
  return { portionRows: limit + 1, rollUp }
}
