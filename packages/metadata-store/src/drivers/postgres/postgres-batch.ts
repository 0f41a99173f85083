import { metadataError } from '../../errors.ts'
import type { BlobId, BucketId } from '../../records.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import { idBytes, writerKey, writerOf } from '../rows/keys.ts'
import { RowWriter } from '../rows/row.ts'
import type { Table } from '../rows/table.ts'
import type { CountedVersion, WriteBatch } from '../rows/write-batch.ts'
import { byteaArray } from './bytea-array.ts'
import type { Connection } from './connection.ts'
import type { LoadedState } from './loading.ts'
import { type MemoryDatabases, memoryDatabases, newLoadedTables } from './memory-table.ts'
import { Needs, NotLoaded } from './needs.ts'
import { EVENT_NUMBERS_PER_BLOCK, type Statements } from './statements.ts'

interface UsageChange {
  versions: number
  markers: number
  bytes: number
}

/**
 * The changes of one transaction, in memory until all have run: what they read is loaded and locked, what they write is sent
 * at the end. A change that is refused, or stopped for a row that is not loaded, is undone here and touches no other.
 */
export class PostgresBatch implements WriteBatch {
  readonly rows = new RowWriter()
  readonly state: LoadedState = {
    tables: newLoadedTables(),
    revisions: new Map(),
    fenced: new Set(),
    eventBlocks: [],
  }
  readonly databases: MemoryDatabases = memoryDatabases(this.state.tables, {
    onWrite: (undo) => this.#undo.push(undo),
  })
  #undo: (() => void)[] = []
  /** Buckets whose revision this batch sets; null: removed. */
  readonly #revisions = new Map<BucketId, number | null>()
  readonly #usage = new Map<BucketId, UsageChange>()
  readonly #keyUse = new Map<string, number>()
  #eventCount = 0

  /** Runs a change; whatever it throws, nothing of it is left. */
  attempt<Value>(change: (batch: WriteBatch) => Value): Value {
    this.#undo = []
    try {
      return change(this)
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      throw error
    } finally {
      this.#undo = []
    }
  }

  put(table: Table, key: Buffer, value: Uint8Array): void {
    table.put(key, value as Buffer)
  }

  remove(table: Table, key: Buffer): void {
    table.remove(key)
  }

  requireBucket(bucketId: BucketId, revision: number): void {
    const set = this.#revisions.get(bucketId)
    const current = set === undefined ? this.state.revisions.get(bucketId) : set
    if (current === undefined) throw notLoaded((needs) => needs.buckets.add(bucketId))
    if (current !== revision) throw metadataError('META_BUCKET_CHANGED', { revision: current ?? 0 })
  }

  fenceBucket(bucketId: BucketId): void {
    if (!this.state.fenced.has(bucketId)) throw notLoaded((needs) => needs.fences.add(bucketId))
  }

  bucketChanged(bucketId: BucketId, revision: number): void {
    this.#setRevision(bucketId, revision)
  }

  bucketDeleted(bucketId: BucketId): void {
    this.#setRevision(bucketId, null)
  }

  requireWriter(blobId: BlobId): void {
    const writerId = writerOf(blobId)
    if (!this.databases.writers.doesExist(writerKey(writerId))) {
      throw metadataError('META_WRITER_RETIRED', { writerId })
    }
  }

  usage(bucketId: BucketId): { add(version: CountedVersion, change: 1 | -1): void } {
    return {
      add: ({ isDeleteMarker, sizeBytes }, change) => {
        this.#count(bucketId, isDeleteMarker, change, sizeBytes)
        this.#undo.push(() => this.#count(bucketId, isDeleteMarker, -change, sizeBytes))
      },
    }
  }

  keyUse(keyRef: string): { add(change: 1 | -1): void } {
    const count = (change: number) => this.#keyUse.set(keyRef, (this.#keyUse.get(keyRef) ?? 0) + change)
    return {
      add: (change) => {
        count(change)
        this.#undo.push(() => count(-change))
      },
    }
  }

  nextEventNumber(): number {
    const block = this.state.eventBlocks[Math.floor(this.#eventCount / EVENT_NUMBERS_PER_BLOCK)]
    if (block === undefined) {
      throw notLoaded((needs) => {
        needs.eventNumbers = true
      })
    }
    const number = block + (this.#eventCount % EVENT_NUMBERS_PER_BLOCK)
    this.#eventCount += 1
    this.#undo.push(() => {
      this.#eventCount -= 1
    })
    return number
  }

  get hasWrites(): boolean {
    return (
      this.#revisions.size > 0 ||
      this.#usage.size > 0 ||
      DATABASE_NAMES.some((name) => this.databases[name].written.size > 0)
    )
  }

  /** Sends all that was written, in the same order in every transaction, without waiting for answers. */
  send(connection: Connection, statements: Statements, shard: number): Promise<unknown>[] {
    const sent: Promise<unknown>[] = []
    for (const [id, revision] of sortedBy(this.#revisions)) {
      if (revision === null) sent.push(connection.query(statements.removeUsage(), [idBytes(id)]))
      else sent.push(connection.query(statements.setRevision(), [idBytes(id), revision]))
    }
    for (const name of DATABASE_NAMES) sent.push(...this.#sendTable(connection, statements, name))
    const usage = sortedBy(this.#usage).filter(([, { versions, markers, bytes }]) => versions || markers || bytes)
    if (usage.length > 0) {
      const values = [
        byteaArray(usage.map(([id]) => idBytes(id))),
        usage.map(([, { versions }]) => versions),
        usage.map(([, { markers }]) => markers),
        usage.map(([, { bytes }]) => bytes),
        shard,
      ]
      sent.push(connection.query(statements.addUsage(), values))
    }
    const keyUse = sortedBy(this.#keyUse).filter(([, change]) => change !== 0)
    if (keyUse.length > 0) {
      const refs = byteaArray(keyUse.map(([ref]) => Buffer.from(ref)))
      sent.push(connection.query(statements.addKeyUse(), [refs, keyUse.map(([, change]) => change), shard]))
    }
    return sent
  }

  #sendTable(connection: Connection, statements: Statements, name: DatabaseName): Promise<unknown>[] {
    const { written, loaded } = this.databases[name]
    if (written.size === 0) return []
    const added: [Buffer, Buffer][] = []
    const put: [Buffer, Buffer][] = []
    const removed: Buffer[] = []
    for (const { key, value } of [...written.values()].sort((a, b) => Buffer.compare(a.key, b.key))) {
      // There was none, and nothing could lock it: that there still is none is for the primary key to say.
      const wasAbsent = loaded.get(key) === null
      if (value) (wasAbsent ? added : put).push([key, value])
      else if (!wasAbsent) removed.push(key)
    }
    const sent: Promise<unknown>[] = []
    if (removed.length > 0) sent.push(connection.query(statements.removeRows(name), [byteaArray(removed)]))
    if (added.length > 0) sent.push(connection.query(statements.insertRows(name), columnsOf(added)))
    if (put.length > 0) sent.push(connection.query(statements.putRows(name), columnsOf(put)))
    return sent
  }

  #setRevision(bucketId: BucketId, revision: number | null): void {
    const before = this.#revisions.get(bucketId)
    this.#undo.push(() => {
      if (before === undefined) this.#revisions.delete(bucketId)
      else this.#revisions.set(bucketId, before)
    })
    this.#revisions.set(bucketId, revision)
  }

  #count(bucketId: BucketId, isDeleteMarker: boolean, change: number, sizeBytes: number): void {
    const usage = this.#usage.get(bucketId) ?? { versions: 0, markers: 0, bytes: 0 }
    if (isDeleteMarker) usage.markers += change
    else usage.versions += change
    usage.bytes += change * sizeBytes
    this.#usage.set(bucketId, usage)
  }
}

function notLoaded(add: (needs: Needs) => void): NotLoaded {
  const needs = new Needs()
  add(needs)
  return new NotLoaded(needs)
}

function sortedBy<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
}

function columnsOf(rows: readonly [Buffer, Buffer][]): [Buffer, Buffer] {
  return [byteaArray(rows.map(([key]) => key)), byteaArray(rows.map(([, value]) => value))]
}
