import { afterPrefix } from './keys.ts'

export interface Row {
  readonly key: Buffer
  readonly value: Buffer
}

/** A table of the store: bytes to bytes, in byte order. lmdb-js' databases are such tables as they are. */
export interface Table {
  /** A view that is valid until the next read. */
  getBinaryFast(key: Buffer): Buffer | undefined
  doesExist(key: Buffer): boolean
  /** From `start` on, before `end`. Has to be read to its end or left before any other work. */
  getRange(range: { start: Buffer; end?: Buffer; limit?: number }): Iterable<Row>
  getKeys(range: { start: Buffer; end?: Buffer; limit?: number }): Iterable<Buffer>
  put(key: Buffer, value: Buffer): unknown
  remove(key: Buffer): unknown
}

export function readRow(table: Table, key: Buffer): Buffer | undefined {
  const view = table.getBinaryFast(key)
  return view && copyOf(view, 0, view.length)
}

/** Rows from `start` on that begin with `prefix`, at most `limit`. Has to be read to its end or left before any other work. */
export function scan(
  table: Table,
  range: { readonly start: Buffer; readonly prefix?: Buffer; readonly limit?: number },
): Iterable<Row> {
  const end = range.prefix && afterPrefix(range.prefix)
  return table.getRange({
    start: range.start,
    ...(end && { end }),
    ...(range.limit !== undefined && { limit: range.limit }),
  })
}

export function copyOf(view: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  view.copy(copy, 0, start, end)
  return copy
}
