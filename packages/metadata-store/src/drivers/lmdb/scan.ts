import type { Table } from './environment.ts'
import { afterPrefix } from './keys.ts'

export interface Row {
  readonly key: Buffer
  readonly value: Buffer
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
