import { metadataError } from '../../errors.ts'
import type { BlobId, BucketId } from '../../records.ts'
import { readBucketRevision } from './bucket-row.ts'
import {
  EVENT_NUMBER_KEY,
  encodeCounters,
  keyUseKey,
  readEventNumber,
  readKeyUse,
  readUsage,
  type Usage,
  usageKey,
} from './counters.ts'
import type { Databases } from './environment.ts'
import { writerKey, writerOf } from './keys.ts'
import type { RowWriter } from './row.ts'
import type { Table } from './table.ts'

type Counters = { versionCount: number; deleteMarkerCount: number; sizeBytes: number }

/**
 * The changes of one write transaction. A change checks all that it depends on before its first write; what many changes
 * of a batch touch (bucket revisions, counters) is read once and written once.
 */
export class WriteBatch {
  readonly databases: Databases
  readonly rows: RowWriter
  /** Counts writes, so that a change which fails after one is told from a change that was refused. */
  writes = 0
  readonly #revisions = new Map<BucketId, number | undefined>()
  readonly #usage = new Map<BucketId, Counters>()
  readonly #keyUse = new Map<string, { count: number }>()
  #eventNumber: number | undefined

  constructor(databases: Databases, rows: RowWriter) {
    this.databases = databases
    this.rows = rows
  }

  put(table: Table, key: Buffer, value: Uint8Array): void {
    this.writes += 1
    table.put(key, value as Buffer)
  }

  remove(table: Table, key: Buffer): void {
    this.writes += 1
    table.remove(key)
  }

  /** META_BUCKET_CHANGED if the bucket is gone or was changed since the write was planned. */
  requireBucket(bucketId: BucketId, revision: number): void {
    let current = this.#revisions.get(bucketId)
    if (current === undefined) {
      current = readBucketRevision(this.databases, bucketId)
      this.#revisions.set(bucketId, current)
    }
    if (current !== revision) throw metadataError('META_BUCKET_CHANGED', { revision: current ?? 0 })
  }

  bucketChanged(bucketId: BucketId): void {
    this.#revisions.delete(bucketId)
  }

  /** The bucket and its counters are gone. */
  bucketDeleted(bucketId: BucketId): void {
    this.#revisions.delete(bucketId)
    this.#usage.delete(bucketId)
  }

  /** META_WRITER_RETIRED unless the writer of a new blob is registered. */
  requireWriter(blobId: BlobId): void {
    const writerId = writerOf(blobId)
    if (!this.databases.writers.doesExist(writerKey(writerId))) {
      throw metadataError('META_WRITER_RETIRED', { writerId })
    }
  }

  /** The bucket's counters, to be changed in place once nothing can fail any more. */
  usage(bucketId: BucketId): Counters {
    let usage = this.#usage.get(bucketId)
    if (!usage) {
      usage = { ...readUsage(this.databases, bucketId) }
      this.#usage.set(bucketId, usage)
    }
    return usage
  }

  /** The key's counter, likewise. */
  keyUse(keyRef: string): { count: number } {
    let use = this.#keyUse.get(keyRef)
    if (!use) {
      use = { count: readKeyUse(this.databases, keyRef) }
      this.#keyUse.set(keyRef, use)
    }
    return use
  }

  /** The number of a new event: greater than any that the store has given. */
  nextEventNumber(): number {
    this.#eventNumber = (this.#eventNumber ?? readEventNumber(this.databases)) + 1
    return this.#eventNumber
  }

  /** Writes the counters: the last thing in a transaction. */
  finish(): void {
    for (const [bucketId, usage] of this.#usage) this.#putCounters(usageKey(bucketId), usageValues(usage))
    for (const [keyRef, { count }] of this.#keyUse) this.#putCounters(keyUseKey(keyRef), [count])
    if (this.#eventNumber !== undefined) this.#putCounters(EVENT_NUMBER_KEY, [this.#eventNumber])
  }

  #putCounters(key: Buffer, values: readonly number[]): void {
    const { counters } = this.databases
    if (values.every((value) => value === 0)) counters.remove(key)
    else counters.put(key, encodeCounters(this.rows, values, key))
  }
}

function usageValues(usage: Usage): readonly number[] {
  return [usage.versionCount, usage.deleteMarkerCount, usage.sizeBytes]
}
