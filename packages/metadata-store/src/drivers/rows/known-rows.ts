import { copyOf, type Table } from './table.ts'

/** A larger row is decoded each time it is read. */
const ROW_BYTES_MAX = 4096
/** Rows of each of the two generations. */
const GENERATION_ROWS_MAX = 1024

interface KnownRow<Value> {
  readonly key: Buffer
  readonly row: Buffer
  readonly value: Value
}

/**
 * Rows of one table as they were decoded last. Each look reads the row anew, so that nothing of another process' commits is missed;
 * one with the very bytes that were checked and decoded before gives the same value, which nobody may change. Kept in two
 * generations: what was not asked for while the newer one filled up is forgotten.
 */
export class KnownRows<Value> {
  #newer = new Map<string, KnownRow<Value>>()
  #older = new Map<string, KnownRow<Value>>()

  /** `keyOf` and `decode` are asked where `name` is not known, or its row is another now. `decode` gets a row of its own. */
  find(
    table: Table,
    name: string,
    keyOf: () => Buffer,
    decode: (row: Buffer, key: Buffer) => Value,
  ): Value | undefined {
    const known = this.#newer.get(name) ?? this.#older.get(name)
    const key = known?.key ?? keyOf()
    const view = table.getBinaryFast(key)
    if (view === undefined) return undefined
    if (known !== undefined && isRow(view, known.row)) {
      if (!this.#newer.has(name)) this.#remember(name, known)
      return known.value
    }
    const row = copyOf(view, 0, view.length)
    const value = decode(row, key)
    if (row.length <= ROW_BYTES_MAX) this.#remember(name, { key, row, value })
    return value
  }

  #remember(name: string, known: KnownRow<Value>): void {
    if (this.#newer.size >= GENERATION_ROWS_MAX) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(name, known)
  }
}

/** lmdb-js gives its whole buffer as the view, with a `length` of its own. */
function isRow(view: Buffer, row: Buffer): boolean {
  return view.length === row.length && view.compare(row, 0, row.length, 0, row.length) === 0
}
