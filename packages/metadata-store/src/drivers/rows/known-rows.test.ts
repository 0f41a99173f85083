import { describe, expect, test } from 'vitest'
import { nameKey } from './keys.ts'
import { KnownRows } from './known-rows.ts'
import { RowReader, RowWriter } from './row.ts'
import type { Table } from './table.ts'

/** One row, which each look gives as lmdb-js does: in one buffer that is larger, with a length of its own. */
function tableOf(read: () => Buffer | undefined): Table {
  const shared = Buffer.alloc(16_384)
  const table: Pick<Table, 'getBinaryFast'> = {
    getBinaryFast() {
      const row = read()
      if (row === undefined) return undefined
      const view = Buffer.from(shared.buffer)
      row.copy(view)
      Object.defineProperty(view, 'length', { value: row.length })
      return view
    },
  }
  return table as Table
}

const rowOf = (text: string, name = 'a') => Buffer.from(new RowWriter().begin().text(text).finish(nameKey(name)))

describe('known rows', () => {
  let row: Buffer | undefined
  let decodedCount = 0
  const known = new KnownRows<{ readonly text: string }>()
  const table = tableOf(() => row)
  const find = (name = 'a') =>
    known.find(
      table,
      name,
      () => nameKey(name),
      (bytes, key) => {
        decodedCount += 1
        return { text: new RowReader('record', bytes, key).text() }
      },
    )

  test('a row that is read again is kept: decoded no more as long as its bytes are the same, and gives the same value', () => {
    row = rowOf('one')
    decodedCount = 0
    find()
    const kept = find()
    expect(kept).toEqual({ text: 'one' })
    row = rowOf('one')
    expect(find()).toBe(kept)
    expect(decodedCount).toBe(2)
  })

  test('a row that has changed, in its text, in its length or in one bit, is seen at once', () => {
    for (const text of ['two', 'two and more', 'tw']) {
      row = rowOf(text)
      expect(find()).toEqual({ text })
    }
    const sound = rowOf('tw')
    for (let bit = 0; bit < sound.length * 8; bit++) {
      row = Buffer.from(sound)
      row[bit >> 3] = (row[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(() => find()).toThrow(expect.objectContaining({ code: expect.stringMatching(/^META_/) }))
      row = sound
      expect(find()).toEqual({ text: 'tw' })
    }
  })

  test('a row of another name is refused, and one that is gone is gone', () => {
    row = rowOf('of another', 'b')
    expect(() => find()).toThrow(expect.objectContaining({ code: 'META_RECORD_DAMAGED' }))
    row = undefined
    expect(find()).toBeUndefined()
    row = rowOf('again')
    expect(find()).toEqual({ text: 'again' })
  })

  test('what is asked for stays known while thousands of others come and go; what is not, is forgotten', () => {
    const others = new KnownRows<string>()
    const read = (name: string) => {
      let isDecoded = false
      others.find(
        tableOf(() => rowOf('x', name)),
        name,
        () => nameKey(name),
        () => {
          isDecoded = true
          return name
        },
      )
      return isDecoded
    }
    for (const name of ['kept', 'left', 'kept', 'left']) expect(read(name)).toBe(true)
    for (let index = 0; index < 3000; index++) {
      // Once: it is seen, and pushes nothing out. Again: it is kept.
      read(`other-${index}`)
      if (index === 0) expect(read('left')).toBe(false)
      read(`other-${index}`)
      expect(read('kept')).toBe(false)
    }
    expect(read('left')).toBe(true)
  })

  test('a large row is not kept, nor is one that was read once', () => {
    row = rowOf('x'.repeat(5000))
    decodedCount = 0
    for (let look = 0; look < 3; look++) find()
    expect(decodedCount).toBe(3)
    const told: boolean[] = []
    row = rowOf('x', 'b')
    for (let look = 0; look < 3; look++) {
      known.find(
        table,
        'b',
        () => nameKey('b'),
        (_row, _key, isKept) => {
          told.push(isKept)
          return { text: 'x' }
        },
      )
    }
    expect(told).toEqual([false, true])
  })
})
