import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { objectName } from './keys.ts'
import { type PageQuery, type RowSource, readPage } from './listing.ts'
import type { Row } from './table.ts'

const NAMES = 100_000
const bucketId = randomBytes(16).toString('hex')
const query: PageQuery = { bucketId, prefix: '', delimiter: '', afterKey: '', limit: 1_000 }

/** Rows in memory, in order, that count what is asked of them. */
function countingSource(names: readonly string[]): { source: RowSource; work: { seeks: number; steps: number } } {
  const rows = names.map((name) => ({ key: objectName(bucketId, name), value: Buffer.alloc(0) }))
  const work = { seeks: 0, steps: 0 }
  const source = function* (start: Buffer, prefix: Buffer): Iterable<Row> {
    work.seeks += 1
    for (let index = firstAtOrAfter(rows, start); index < rows.length; index += 1) {
      const row = rows[index] as Row
      if (!row.key.subarray(0, prefix.length).equals(prefix)) return
      work.steps += 1
      yield row
    }
  }
  return { source, work }
}

function firstAtOrAfter(rows: readonly Row[], key: Buffer): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (Buffer.compare((rows[middle] as Row).key, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(6, '0')}`)

describe('the work of a page', () => {
  test(`a common prefix of ${NAMES} names is sought past in one step`, () => {
    const { source, work } = countingSource(['a', ...numbered('many/', NAMES), 'z'])
    const page = readPage(source, { ...query, delimiter: '/' }, (_, key) => key)
    expect(page).toEqual({ entries: ['a', 'z'], commonPrefixes: ['many/'] })
    expect(work).toEqual({ seeks: 2, steps: 3 })
  })

  test('a page takes one row for each thing it shows, and one to see whether more follows, wherever it begins', () => {
    const { source, work } = countingSource(numbered('key-', NAMES))
    for (const afterKey of ['', 'key-050000', 'key-098999']) {
      Object.assign(work, { seeks: 0, steps: 0 })
      expect(readPage(source, { ...query, afterKey }, (_, key) => key).entries).toHaveLength(1_000)
      expect(work.seeks).toBe(1)
      expect(work.steps).toBeLessThanOrEqual(1_001)
    }
  })

  test('a page of common prefixes takes one seek and one row for each', () => {
    const names = numbered('dir-', 2_000).flatMap((directory) => numbered(`${directory}/`, 50))
    const { source, work } = countingSource(names)
    const page = readPage(source, { ...query, delimiter: '/', afterKey: 'dir-000499/' }, (_, key) => key)
    expect(page.commonPrefixes).toHaveLength(1_000)
    expect(page.commonPrefixes[0]).toBe('dir-000500/')
    expect(page.last).toEqual({ commonPrefix: 'dir-001499/' })
    expect(work).toEqual({ seeks: 1_001, steps: 1_001 })
  })

  test('a limit above 1,000 is refused', () => {
    const { source } = countingSource([])
    expect(() => readPage(source, { ...query, limit: 1_001 }, (_, key) => key)).toThrow()
  })
})
