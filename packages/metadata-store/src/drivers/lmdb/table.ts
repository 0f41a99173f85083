import type { Database } from 'lmdb'
import { afterPrefix } from './keys.ts'

/** One named database: bytes to bytes, in byte order. */
export type Table = Database<Buffer, Buffer>

export interface Row {
  readonly key: Buffer
  readonly value: Buffer
}

/**
 * How lmdb-js reads keys and values: into memory of its own, valid until the next read, from which they are copied here. Its
 * own binary encoding gives each key and each value an allocation: a page of rows then takes more than twice as long.
 */
export const TABLE_ENCODING = {
  encoding: 'binary',
  encoder: {
    encode: (value: Uint8Array): Uint8Array => value,
    decode: (view: Buffer): Buffer => copyOf(view, 0, view.length),
  },
  keyEncoder: {
    writeKey(key: Buffer, target: Buffer, start: number): number {
      key.copy(target, start)
      if (start + key.length > target.length) throw new RangeError('a key is longer than the buffer for it')
      return start + key.length
    },
    readKey: copyOf,
  },
} as const

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

function copyOf(view: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  view.copy(copy, 0, start, end)
  return copy
}
