import type { DatabaseName } from '../rows/databases.ts'
import { justAfter } from '../rows/keys.ts'
import type { Row } from '../rows/table.ts'
import type { RangeNeed } from './needs.ts'

/** All rows of a stretch of a table: from `start` on, before `coveredTo` (undefined: to the end). */
interface Segment {
  readonly start: Buffer
  readonly coveredTo: Buffer | undefined
  readonly rows: readonly Row[]
}

/** What is known of one table: single rows (null: there is none) and whole stretches. */
export class LoadedRows {
  readonly #rows = new Map<string, Buffer | null>()
  readonly #segments: Segment[] = []
  #lastFound = 0

  /** Undefined: not known. */
  get(key: Buffer): Buffer | null | undefined {
    const row = this.#rows.get(key.toString('latin1'))
    if (row !== undefined) return row
    const segment = this.segmentAt(key)
    if (!segment) return undefined
    const found = segment.rows[firstAtOrAfter(segment.rows, key)]
    return found?.key.equals(key) ? found.value : null
  }

  setRows(asked: Iterable<Buffer>, found: readonly Row[]): void {
    for (const key of asked) this.#rows.set(key.toString('latin1'), null)
    for (const { key, value } of found) this.#rows.set(key.toString('latin1'), value)
  }

  setRange(need: RangeNeed, rows: readonly Row[]): void {
    const last = rows.length >= need.limit ? rows.at(-1) : undefined
    this.addSegment(need.start, last ? justAfter(last.key) : need.end, rows)
  }

  addSegment(start: Buffer, coveredTo: Buffer | undefined, rows: readonly Row[]): void {
    this.#segments.push({ start, coveredTo, rows })
  }

  /** The stretch that `position` is in; undefined: not known. Readers go forward: it is looked for from the last one on. */
  segmentAt(position: Buffer): Segment | undefined {
    for (let step = 0; step < this.#segments.length; step += 1) {
      const index = (this.#lastFound + step) % this.#segments.length
      const segment = this.#segments[index] as Segment
      if (!isIn(segment, position)) continue
      this.#lastFound = index
      return segment
    }
    return undefined
  }
}

function isIn({ start, coveredTo }: Segment, position: Buffer): boolean {
  return Buffer.compare(start, position) <= 0 && (!coveredTo || Buffer.compare(position, coveredTo) < 0)
}

/** Index of the first row, in order, that is not before `key`. */
export function firstAtOrAfter(rows: readonly Row[], key: Buffer): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (Buffer.compare((rows[middle] as Row).key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

export type LoadedTables = Readonly<Record<DatabaseName, LoadedRows>>
