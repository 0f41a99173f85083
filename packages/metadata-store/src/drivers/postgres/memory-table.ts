import { invariant } from '@coffer/errors'
import { DATABASE_NAMES, type DatabaseName, type Databases } from '../rows/databases.ts'
import type { Row, Table } from '../rows/table.ts'
import { firstAtOrAfter, LoadedRows, type LoadedTables } from './loaded-rows.ts'
import { Needs, NotLoaded } from './needs.ts'

/** Rows of a range that is read without a limit of its own come in portions of so many. */
export const PORTION_ROWS = 1_001

interface Written {
  readonly key: Buffer
  /** null: removed. */
  readonly value: Buffer | null
}

/**
 * A table of the store as plain code sees it: what was loaded, and over it what this batch has written. Reading what is in
 * neither throws {@link NotLoaded}.
 */
export class MemoryTable implements Table {
  readonly name: DatabaseName
  readonly written = new Map<string, Written>()
  readonly loaded: LoadedRows
  readonly #portionRows: number
  readonly #onWrite: (undo: () => void) => void

  constructor(
    name: DatabaseName,
    loaded: LoadedRows,
    options: { portionRows?: number; onWrite?: (undo: () => void) => void } = {},
  ) {
    this.name = name
    this.loaded = loaded
    this.#portionRows = options.portionRows ?? PORTION_ROWS
    this.#onWrite = options.onWrite ?? (() => invariant(false, 'a read writes nothing'))
  }

  getBinaryFast(key: Buffer): Buffer | undefined {
    const written = this.written.get(key.toString('latin1'))
    if (written) return written.value ?? undefined
    const loaded = this.loaded.get(key)
    if (loaded !== undefined) return loaded ?? undefined
    throw new NotLoaded(new Needs().row(this.name, key))
  }

  doesExist(key: Buffer): boolean {
    return this.getBinaryFast(key) !== undefined
  }

  *getKeys(range: { start: Buffer; end?: Buffer; limit?: number }): Iterable<Buffer> {
    for (const { key } of this.getRange(range)) yield key
  }

  *getRange(range: { start: Buffer; end?: Buffer; limit?: number }): Iterable<Row> {
    const { end } = range
    let left = range.limit ?? Number.MAX_SAFE_INTEGER
    let position: Buffer | undefined = range.start
    while (left > 0 && position && (!end || Buffer.compare(position, end) < 0)) {
      const segment = this.loaded.segmentAt(position)
      if (!segment) {
        const limit = Math.min(left, this.#portionRows)
        throw new NotLoaded(new Needs().range({ table: this.name, start: position, end, limit }))
      }
      for (const row of this.#merged(segment.rows, position, segment.coveredTo, end)) {
        yield row
        left -= 1
        if (left === 0) return
      }
      position = segment.coveredTo
    }
  }

  put(key: Buffer, value: Buffer): void {
    this.#write(Buffer.from(key), Buffer.from(value))
  }

  remove(key: Buffer): void {
    this.#write(Buffer.from(key), null)
  }

  #write(key: Buffer, value: Buffer | null): void {
    const name = key.toString('latin1')
    const before = this.written.get(name)
    this.#onWrite(() => {
      if (before) this.written.set(name, before)
      else this.written.delete(name)
    })
    this.written.set(name, { key, value })
  }

  /** The rows of a stretch from `from` on, before `to` and `end`, as this batch leaves them. */
  #merged(rows: readonly Row[], from: Buffer, to: Buffer | undefined, end: Buffer | undefined): readonly Row[] {
    const first = firstAtOrAfter(rows, from)
    const last = end ? firstAtOrAfter(rows, end) : rows.length
    if (this.written.size === 0) return rows.slice(first, last)
    const isWithin = (key: Buffer) =>
      Buffer.compare(key, from) >= 0 && (!to || Buffer.compare(key, to) < 0) && (!end || Buffer.compare(key, end) < 0)
    const kept = rows.slice(first, last).filter(({ key }) => !this.written.has(key.toString('latin1')))
    const added: Row[] = []
    for (const { key, value } of this.written.values()) if (value && isWithin(key)) added.push({ key, value })
    return [...kept, ...added].sort((a, b) => Buffer.compare(a.key, b.key))
  }
}

export type MemoryDatabases = Databases & Readonly<Record<DatabaseName, MemoryTable>>

export function newLoadedTables(): LoadedTables {
  return Object.fromEntries(DATABASE_NAMES.map((name) => [name, new LoadedRows()])) as Record<DatabaseName, LoadedRows>
}

export function memoryDatabases(
  loaded: LoadedTables,
  options: { portionRows?: number; onWrite?: (undo: () => void) => void } = {},
): MemoryDatabases {
  return Object.fromEntries(
    DATABASE_NAMES.map((name) => [name, new MemoryTable(name, loaded[name], options)]),
  ) as unknown as MemoryDatabases
}
