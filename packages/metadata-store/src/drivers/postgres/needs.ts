import type { BucketId, UsageScope } from '../../records.ts'
import type { DatabaseName } from '../rows/databases.ts'

/** Rows of a table that something wants to know from `start` on (before `end`), at most `limit` at once. */
export interface RangeNeed {
  readonly table: DatabaseName
  readonly start: Buffer
  readonly end: Buffer | undefined
  readonly limit: number
}

/**
 * What reads and changes have to know before they can run. They are plain code over tables in memory: where they meet a row
 * that is not there yet they are stopped, what they need is loaded, and they run again. A need that is known beforehand
 * saves a round trip.
 */
export class Needs {
  readonly rows = new Map<DatabaseName, Map<string, Buffer>>()
  readonly ranges: RangeNeed[] = []
  /** Buckets whose revision is to be read, and kept as it is until the transaction ends. */
  readonly buckets = new Set<BucketId>()
  /** Buckets that no other transaction may write until this one ends. */
  readonly fences = new Set<BucketId>()
  /** Buckets whose quotas, and those of their accounts, are to be read; no other transaction adds to what has one until this one ends. */
  readonly quotas = new Set<BucketId>()
  /** What they are compared with, once they are read. */
  readonly usage = new Map<string, UsageScope>()
  eventNumbers = false
  /** Heads of versions whose body is wanted along with them. */
  readonly bodiesOfHeads: Buffer[] = []

  row(table: DatabaseName, key: Buffer): this {
    const rows = this.rows.get(table) ?? new Map<string, Buffer>()
    rows.set(key.toString('latin1'), key)
    this.rows.set(table, rows)
    return this
  }

  range(need: RangeNeed): this {
    this.ranges.push(need)
    return this
  }

  add(other: Needs): void {
    for (const [table, keys] of other.rows) for (const key of keys.values()) this.row(table, key)
    this.ranges.push(...other.ranges)
    for (const id of other.buckets) this.buckets.add(id)
    for (const id of other.fences) this.fences.add(id)
    for (const id of other.quotas) this.quotas.add(id)
    for (const [name, scope] of other.usage) this.usage.set(name, scope)
    this.bodiesOfHeads.push(...other.bodiesOfHeads)
    this.eventNumbers ||= other.eventNumbers
  }

  /** Whether one statement, and so one snapshot, can answer it. */
  get isOneStatement(): boolean {
    return this.ranges.length === 0 || (this.ranges.length === 1 && this.rows.size === 0)
  }
}

/** Thrown out of plain code that met something not loaded yet. Not an Error: nothing may take it for a failure. */
export class NotLoaded {
  readonly needs: Needs

  constructor(needs: Needs) {
    this.needs = needs
  }
}
