import { copyOf, keptCopyOf, type Table } from './table.ts'

/** A larger row is decoded each time it is read. */
const ROW_BYTES_MAX = 4096
/** Rows, and names seen once, of each of the two generations. */
const GENERATION_MAX = 1024

interface KnownRow<Value> {
  readonly key: Buffer
  readonly row: Buffer
  readonly value: Value
}

/**
 * Rows of one table as they were decoded last. Each look reads the row anew, so that nothing of another process' commits is missed;
 * one with the very bytes that were checked and decoded before gives the same value, which nobody may change. A row is kept from its
 * second look on: whoever reads a million objects once each leaves nothing here for the garbage collector. All is kept in two
 * generations: what was not asked for while the newer one filled up is forgotten.
 */
export class KnownRows<Value> {
  #newer = new Map<string, KnownRow<Value>>()
  #older = new Map<string, KnownRow<Value>>()
  #seen = new Set<string>()
  #seenBefore = new Set<string>()

  /**
   * `keyOf` and `decode` are asked where `name` is not known, or its row is another now. `decode` gets a row of its own, and
   * is told whether its value is kept.
   */
  find(
    table: Table,
    name: string,
    keyOf: () => Buffer,
    decode: (row: Buffer, key: Buffer, isKept: boolean) => Value,
  ): Value | undefined {
    const known = this.#newer.get(name) ?? this.#older.get(name)
    const askedKey = known?.key ?? keyOf()
    const view = table.getBinaryFast(askedKey)
    if (view === undefined) return undefined
    if (known !== undefined && isRow(view, known.row)) {
      if (!this.#newer.has(name)) this.#remember(name, known)
      return known.value
    }
    const isKept = view.length <= ROW_BYTES_MAX && (known !== undefined || this.#wasSeen(name))
    const row = isKept ? keptCopyOf(view) : copyOf(view, 0, view.length)
    const key = isKept && known === undefined ? keptCopyOf(askedKey) : askedKey
    const value = decode(row, key, isKept)
    if (isKept) this.#remember(name, { key, row, value })
    return value
  }

  #remember(name: string, known: KnownRow<Value>): void {
    if (this.#newer.size >= GENERATION_MAX) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(name, known)
  }

  #wasSeen(name: string): boolean {
    if (this.#seen.has(name) || this.#seenBefore.has(name)) return true
    if (this.#seen.size >= GENERATION_MAX) {
      this.#seenBefore = this.#seen
      this.#seen = new Set()
    }
    this.#seen.add(name)
    return false
  }
}

/** Whether a view is of the same bytes. lmdb-js gives its whole buffer as the view, with a `length` of its own. */
export function isRow(view: Buffer, row: Buffer): boolean {
  return view.length === row.length && view.compare(row, 0, row.length, 0, row.length) === 0
}
