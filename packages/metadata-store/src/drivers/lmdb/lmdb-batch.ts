import { metadataError } from '../../errors.ts'
import type { BlobId, BucketId, Usage, UsageScope } from '../../records.ts'
import { readBucketById, readBucketRevision } from '../rows/bucket-row.ts'
import { writerKey, writerOf } from '../rows/keys.ts'
import { quotasAmong } from '../rows/quotas.ts'
import { damaged, type RowWriter } from '../rows/row.ts'
import type { Table } from '../rows/table.ts'
import type { UsageChange, WriteBatch } from '../rows/write-batch.ts'
import {
  EVENT_NUMBER_KEY,
  encodeCount,
  encodeUsage,
  keyUseKey,
  readEventNumber,
  readKeyUse,
  readUsage,
  usageKey,
} from './counters.ts'
import type { Databases } from './environment.ts'
import type { Journal } from './journal.ts'

/**
 * The changes of one transaction of LMDB. What many changes of a batch touch (bucket revisions, counters) is read once and
 * written once.
 */
export class LmdbBatch implements WriteBatch {
  readonly databases: Databases
  readonly rows: RowWriter
  /** Counts writes, so that a change which fails after one is told from a change that was refused. */
  writes = 0
  readonly #revisions = new Map<BucketId, number | undefined>()
  readonly #accounts = new Map<BucketId, string>()
  readonly #quotas = new Map<BucketId, ReturnType<WriteBatch['quotasOf']>>()
  readonly #added = new Map<BucketId, { add(change: UsageChange): void }>()
  /** By the keys of their rows. */
  readonly #usage = new Map<string, { readonly key: Buffer; usage: Usage }>()
  readonly #counts = new Map<string, Counter>()
  #eventNumber: number | undefined

  readonly #journal: Journal | undefined

  /** `journal`: where a store that is being moved notes what is changed. */
  constructor(databases: Databases, rows: RowWriter, journal?: Journal) {
    this.databases = databases
    this.rows = rows
    this.#journal = journal
  }

  put(table: Table, key: Buffer, value: Uint8Array): void {
    this.writes += 1
    this.#journal?.changed(table, key)
    if (table === this.databases.records) this.#quotas.clear()
    table.put(key, value as Buffer)
  }

  remove(table: Table, key: Buffer): void {
    this.writes += 1
    this.#journal?.changed(table, key)
    if (table === this.databases.records) this.#quotas.clear()
    table.remove(key)
  }

  requireBucket(bucketId: BucketId, revision: number): void {
    let current = this.#revisions.get(bucketId)
    if (current === undefined) {
      current = readBucketRevision(this.databases, bucketId)
      this.#revisions.set(bucketId, current)
    }
    if (current !== revision) throw metadataError('META_BUCKET_CHANGED', { revision: current ?? 0 })
  }

  /** LMDB has one write transaction at a time. */
  fenceBucket(): void {}

  bucketChanged({ id }: { readonly id: BucketId }): void {
    this.#revisions.delete(id)
  }

  bucketDeleted(bucketId: BucketId): void {
    this.#revisions.delete(bucketId)
    this.#added.delete(bucketId)
    const key = usageKey({ bucketId })
    this.#usage.delete(key.toString('latin1'))
    this.remove(this.databases.counters, key)
  }

  requireWriter(blobId: BlobId): void {
    const writerId = writerOf(blobId)
    if (!this.databases.writers.doesExist(writerKey(writerId))) {
      throw metadataError('META_WRITER_RETIRED', { writerId })
    }
  }

  accountOf(bucketId: BucketId): string {
    let accountId = this.#accounts.get(bucketId)
    if (accountId === undefined) {
      accountId = readBucketById(this.databases, bucketId)?.ownerAccountId
      if (accountId === undefined) throw damaged('bucket', 'missing')
      this.#accounts.set(bucketId, accountId)
    }
    return accountId
  }

  quotasOf(bucketId: BucketId): ReturnType<WriteBatch['quotasOf']> {
    let quotas = this.#quotas.get(bucketId)
    if (!quotas) {
      quotas = quotasAmong(this.databases, [{ bucketId }, { accountId: this.accountOf(bucketId) }])
      this.#quotas.set(bucketId, quotas)
    }
    return quotas
  }

  usage(bucketId: BucketId): { add(change: UsageChange): void } {
    let added = this.#added.get(bucketId)
    if (!added) {
      const counters = [this.#counter({ bucketId }), this.#counter({ accountId: this.accountOf(bucketId) })]
      added = {
        add(change) {
          for (const counter of counters) counter.usage = sumOf(counter.usage, change)
        },
      }
      this.#added.set(bucketId, added)
    }
    return added
  }

  usageOf(scope: UsageScope): Usage {
    return this.#counter(scope).usage
  }

  counter(name: string): Counter {
    let counter = this.#counts.get(name)
    if (!counter) {
      counter = new Counter(readKeyUse(this.databases, name))
      this.#counts.set(name, counter)
    }
    return counter
  }

  nextEventNumber(): number {
    this.#eventNumber = (this.#eventNumber ?? readEventNumber(this.databases)) + 1
    return this.#eventNumber
  }

  /** Writes the counters and the journal: the last thing in a transaction. */
  finish(): void {
    this.#journal?.finish()
    for (const { key, usage } of this.#usage.values()) {
      this.#putCounter(key, Object.values(usage).every((value) => value === 0) || encodeUsage(this.rows, usage, key))
    }
    for (const [name, { count }] of this.#counts) this.#putCount(keyUseKey(name), count)
    if (this.#eventNumber !== undefined) this.#putCount(EVENT_NUMBER_KEY, this.#eventNumber)
  }

  #counter(scope: UsageScope): { usage: Usage } {
    const key = usageKey(scope)
    const name = key.toString('latin1')
    let counter = this.#usage.get(name)
    if (!counter) {
      counter = { key, usage: readUsage(this.databases, scope) }
      this.#usage.set(name, counter)
    }
    return counter
  }

  #putCount(key: Buffer, count: number): void {
    this.#putCounter(key, count === 0 || encodeCount(this.rows, count, key))
  }

  /** `true`: there is nothing to count. */
  #putCounter(key: Buffer, row: Buffer | true): void {
    const { counters } = this.databases
    if (row === true) counters.remove(key)
    else counters.put(key, row)
  }
}

function sumOf(usage: Usage, change: UsageChange): Usage {
  const { versionCount = 0, deleteMarkerCount = 0, sizeBytes = 0, partSizeBytes = 0 } = change
  return {
    versionCount: Math.max(0, usage.versionCount + versionCount),
    deleteMarkerCount: Math.max(0, usage.deleteMarkerCount + deleteMarkerCount),
    sizeBytes: Math.max(0, usage.sizeBytes + sizeBytes),
    partSizeBytes: Math.max(0, usage.partSizeBytes + partSizeBytes),
  }
}

class Counter {
  count: number

  constructor(count: number) {
    this.count = count
  }

  add(change: number): void {
    this.count = Math.max(0, this.count + change)
  }
}
