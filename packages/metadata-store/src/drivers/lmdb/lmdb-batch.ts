import { metadataError } from '../../errors.ts'
import type { BlobId, BucketId } from '../../records.ts'
import { readBucketRevision } from '../rows/bucket-row.ts'
import { writerKey, writerOf } from '../rows/keys.ts'
import type { RowWriter } from '../rows/row.ts'
import type { Table } from '../rows/table.ts'
import type { CountedVersion, WriteBatch } from '../rows/write-batch.ts'
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
  readonly #usage = new Map<BucketId, UsageCounter>()
  readonly #keyUse = new Map<string, KeyUseCounter>()
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

  bucketChanged(bucketId: BucketId): void {
    this.#revisions.delete(bucketId)
  }

  bucketDeleted(bucketId: BucketId): void {
    this.#revisions.delete(bucketId)
    this.#usage.delete(bucketId)
    this.remove(this.databases.counters, usageKey(bucketId))
  }

  requireWriter(blobId: BlobId): void {
    const writerId = writerOf(blobId)
    if (!this.databases.writers.doesExist(writerKey(writerId))) {
      throw metadataError('META_WRITER_RETIRED', { writerId })
    }
  }

  usage(bucketId: BucketId): UsageCounter {
    let usage = this.#usage.get(bucketId)
    if (!usage) {
      usage = new UsageCounter(readUsage(this.databases, bucketId))
      this.#usage.set(bucketId, usage)
    }
    return usage
  }

  keyUse(keyRef: string): KeyUseCounter {
    let use = this.#keyUse.get(keyRef)
    if (!use) {
      use = new KeyUseCounter(readKeyUse(this.databases, keyRef))
      this.#keyUse.set(keyRef, use)
    }
    return use
  }

  nextEventNumber(): number {
    this.#eventNumber = (this.#eventNumber ?? readEventNumber(this.databases)) + 1
    return this.#eventNumber
  }

  /** Writes the counters: the last thing in a transaction. */
  finish(): void {
    for (const [bucketId, usage] of this.#usage) this.#putCounters(usageKey(bucketId), usage.values())
    for (const [keyRef, { count }] of this.#keyUse) this.#putCounters(keyUseKey(keyRef), [count])
    if (this.#eventNumber !== undefined) this.#putCounters(EVENT_NUMBER_KEY, [this.#eventNumber])
  }

  #putCounters(key: Buffer, values: readonly number[]): void {
    const { counters } = this.databases
    if (values.every((value) => value === 0)) counters.remove(key)
    else counters.put(key, encodeCounters(this.rows, values, key))
  }
}

class UsageCounter {
  #versionCount: number
  #deleteMarkerCount: number
  #sizeBytes: number

  constructor({ versionCount, deleteMarkerCount, sizeBytes }: Usage) {
    this.#versionCount = versionCount
    this.#deleteMarkerCount = deleteMarkerCount
    this.#sizeBytes = sizeBytes
  }

  add({ isDeleteMarker, sizeBytes }: CountedVersion, change: 1 | -1): void {
    if (isDeleteMarker) this.#deleteMarkerCount = Math.max(0, this.#deleteMarkerCount + change)
    else this.#versionCount = Math.max(0, this.#versionCount + change)
    this.#sizeBytes = Math.max(0, this.#sizeBytes + change * sizeBytes)
  }

  values(): readonly number[] {
    return [this.#versionCount, this.#deleteMarkerCount, this.#sizeBytes]
  }
}

class KeyUseCounter {
  count: number

  constructor(count: number) {
    this.count = count
  }

  add(change: 1 | -1): void {
    this.count = Math.max(0, this.count + change)
  }
}
