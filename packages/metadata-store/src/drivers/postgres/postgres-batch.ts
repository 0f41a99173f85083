import { metadataError } from '../../errors.ts'
import type { BlobId, BucketId, Usage, UsageScope } from '../../records.ts'
import { DATABASE_NAMES, type DatabaseName } from '../rows/databases.ts'
import { idBytes, writerKey, writerOf } from '../rows/keys.ts'
import { quotasAmong } from '../rows/quotas.ts'
import { damaged, RowWriter } from '../rows/row.ts'
import type { Table } from '../rows/table.ts'
import type { UsageChange, WriteBatch } from '../rows/write-batch.ts'
import { byteaArray } from './bytea-array.ts'
import type { Connection } from './connection.ts'
import { type LoadedState, scopeBytes } from './loading.ts'
import { type MemoryDatabases, memoryDatabases, newLoadedTables } from './memory-table.ts'
import { Needs, NotLoaded } from './needs.ts'
import { EVENT_NUMBERS_PER_BLOCK, type Statements } from './statements.ts'

interface UsageDelta {
  readonly scope: UsageScope
  versions: number
  markers: number
  bytes: number
  partBytes: number
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
    accounts: new Map(),
    fenced: new Set(),
    usage: new Map(),
    eventBlocks: [],
  }
  readonly databases: MemoryDatabases = memoryDatabases(this.state.tables, {
    onWrite: (undo) => this.#undo.push(undo),
  })
  #undo: (() => void)[] = []
  /** Buckets whose revision this batch sets; null: removed. */
  readonly #revisions = new Map<BucketId, number | null>()
  /** Owners of buckets that this batch has made. */
  readonly #accounts = new Map<BucketId, string>()
  readonly #usage = new Map<string, UsageDelta>()
  readonly #counts = new Map<string, number>()
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

  bucketChanged({ id, revision, ownerAccountId }: Parameters<WriteBatch['bucketChanged']>[0]): void {
    this.#accounts.set(id, ownerAccountId)
    this.#setRevision(id, revision)
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

  accountOf(bucketId: BucketId): string {
    const accountId = this.state.accounts.get(bucketId) ?? this.#accounts.get(bucketId)
    if (accountId !== undefined) return accountId
    if (this.state.revisions.has(bucketId)) throw damaged('bucket', 'missing')
    throw notLoaded((needs) => needs.buckets.add(bucketId))
  }

  quotasOf(bucketId: BucketId) {
    return quotasAmong(this.databases, [{ bucketId }, { accountId: this.accountOf(bucketId) }])
  }

  usage(bucketId: BucketId): { add(change: UsageChange): void } {
    const scopes = [{ bucketId }, { accountId: this.accountOf(bucketId) }]
    return {
      add: (change) => {
        for (const scope of scopes) {
          this.#count(scope, change, 1)
          this.#undo.push(() => this.#count(scope, change, -1))
        }
      },
    }
  }

  usageOf(scope: UsageScope): Usage {
    const name = scopeName(scope)
    const loaded = this.state.usage.get(name)
    if (loaded === undefined) throw notLoaded((needs) => needs.usage.set(name, scope))
    const { versions, markers, bytes, partBytes } = this.#usage.get(name) ?? {
      versions: 0,
      markers: 0,
      bytes: 0,
      partBytes: 0,
    }
    return {
      versionCount: loaded.versionCount + versions,
      deleteMarkerCount: loaded.deleteMarkerCount + markers,
      sizeBytes: loaded.sizeBytes + bytes,
      partSizeBytes: loaded.partSizeBytes + partBytes,
    }
  }

  counter(name: string): { add(change: number): void } {
    const count = (change: number) => this.#counts.set(name, (this.#counts.get(name) ?? 0) + change)
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
      else {
        const accountId = Buffer.from(this.#accounts.get(id) ?? '')
        sent.push(connection.query(statements.setRevision(), [idBytes(id), revision, accountId]))
      }
    }
    for (const name of DATABASE_NAMES) sent.push(...this.#sendTable(connection, statements, name))
    sent.push(...this.#sendUsage(connection, statements, shard))
    const counts = sortedBy(this.#counts).filter(([, change]) => change !== 0)
    if (counts.length > 0) {
      const names = byteaArray(counts.map(([name]) => Buffer.from(name)))
      sent.push(connection.query(statements.addKeyUse(), [names, counts.map(([, change]) => change), shard]))
    }
    return sent
  }

  #sendUsage(connection: Connection, statements: Statements, shard: number): Promise<unknown>[] {
    const changed = sortedBy(this.#usage)
      .map(([, delta]) => delta)
      .filter(({ versions, markers, bytes, partBytes }) => versions || markers || bytes || partBytes)
    const buckets = changed.filter(({ scope }) => 'bucketId' in scope)
    const accounts = changed.filter(({ scope }) => 'accountId' in scope)
    const valuesOf = (deltas: readonly UsageDelta[]) => [
      byteaArray(deltas.map(({ scope }) => scopeBytes(scope))),
      deltas.map(({ versions }) => versions),
      deltas.map(({ markers }) => markers),
      deltas.map(({ bytes }) => bytes),
      deltas.map(({ partBytes }) => partBytes),
      shard,
    ]
    return [
      ...(buckets.length > 0 ? [connection.query(statements.addUsage(), valuesOf(buckets))] : []),
      ...(accounts.length > 0 ? [connection.query(statements.addAccountUsage(), valuesOf(accounts))] : []),
    ]
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

  #count(scope: UsageScope, change: UsageChange, sign: 1 | -1): void {
    const delta = this.#deltaOf(scope)
    delta.versions += sign * (change.versionCount ?? 0)
    delta.markers += sign * (change.deleteMarkerCount ?? 0)
    delta.bytes += sign * (change.sizeBytes ?? 0)
    delta.partBytes += sign * (change.partSizeBytes ?? 0)
  }

  #deltaOf(scope: UsageScope): UsageDelta {
    const name = scopeName(scope)
    let delta = this.#usage.get(name)
    if (delta === undefined) {
      delta = { scope, versions: 0, markers: 0, bytes: 0, partBytes: 0 }
      this.#usage.set(name, delta)
    }
    return delta
  }
}

function scopeName(scope: UsageScope): string {
  return 'bucketId' in scope ? `bucket/${scope.bucketId}` : `account/${scope.accountId}`
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
