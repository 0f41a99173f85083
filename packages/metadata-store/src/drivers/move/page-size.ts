import type { Row } from '../rows/table.ts'

/** A body has up to 128 KiB by default, most rows some hundred bytes. */
const ROWS_MIN = 64
const ROWS_MAX = 2_000
const BYTES_WANTED_MIN = 2 * 1024 ** 2
const BYTES_WANTED_MAX = 16 * 1024 ** 2

/** How many rows of a table are read at once: by the size of those before. */
export class PageSize {
  rows = ROWS_MIN

  was(rows: readonly Row[]): void {
    const bytes = rows.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
    if (bytes < BYTES_WANTED_MIN) this.rows = Math.min(ROWS_MAX, this.rows * 2)
    else if (bytes > BYTES_WANTED_MAX) this.rows = Math.max(ROWS_MIN, this.rows >> 1)
  }
}
