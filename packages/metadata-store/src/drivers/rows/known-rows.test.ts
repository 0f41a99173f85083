import { describe, expect, test } from 'vitest'
import { nameKey } from './keys.ts'
import { KnownRows } from './known-rows.ts'
import { RowReader, RowWriter } from './row.ts'
import type { Table } from './table.ts'

/** One row, which each look gives as lmdb-js does: in one buffer that is larger, with a length of its own. */
function tableOf(read: () => Buffer | undefined): Table {
  const shared = Buffer.alloc(65_536)
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
  const known = new KnownRows<{ readonly text: string }>({ sizeBytesMax: 1024 * 1024 })
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
    )?.value

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

  test('a row of another name or of few bytes is refused, and one that is gone is gone', () => {
    row = rowOf('of another', 'b')
    expect(() => find()).toThrow(expect.objectContaining({ code: 'META_RECORD_DAMAGED' }))
    row = undefined
    expect(find()).toBeUndefined()
    for (const rest of [Buffer.alloc(0), rowOf('again').subarray(0, 3)]) {
      row = rest
      for (let look = 0; look < 3; look++) {
        expect(() => find()).toThrow(expect.objectContaining({ code: 'META_RECORD_DAMAGED' }))
      }
    }
    row = rowOf('again')
    expect(find()).toEqual({ text: 'again' })
  })

  /** How often each of these is decoded, in a store with room for `sizeBytesMax`, where a row takes 1 KiB and three times its size. */
  const decoder = (sizeBytesMax: number, text = 'x') => {
    const others = new KnownRows<string>({ sizeBytesMax })
    return (name: string): boolean => {
      let isDecoded = false
      const decode = () => {
        isDecoded = true
        return name
      }
      others.find(
        tableOf(() => rowOf(text, name)),
        name,
        () => nameKey(name),
        decode,
      )
      return isDecoded
    }
  }

  test('what is asked for stays known while thousands of others come and go; what is not, is forgotten', () => {
    const read = decoder(1024 * 1024)
    for (const name of ['kept', 'left', 'kept', 'left']) expect(read(name)).toBe(true)
    for (let index = 0; index < 3000; index++) {
      read(`other-${index}`)
      read(`other-${index}`)
      expect(read('kept')).toBe(false)
    }
    expect(read('left')).toBe(true)
  })

  test('rows that are read once each push nothing out, however many', () => {
    const read = decoder(100 * 1024)
    for (const name of ['kept', 'kept']) read(name)
    for (let index = 0; index < 20_000; index++) read(`other-${index}`)
    expect(read('kept')).toBe(false)
  })

  test('as many are kept as there is room for, and no more', () => {
    const names = Array.from({ length: 200 }, (_, index) => `row-${index}`)
    const decodedOf = (sizeBytesMax: number, text: string) => {
      const read = decoder(sizeBytesMax, text)
      for (let round = 0; round < 2; round++) for (const name of names) read(name)
      // The newest first: a look at another one could push it out.
      return names.toReversed().filter(read).length
    }
    expect(decodedOf(1024 * 1024, 'x')).toBe(0)
    expect(decodedOf(100 * 1024, 'x')).toBeGreaterThan(90)
    expect(decodedOf(1024 * 1024, 'x'.repeat(10_000))).toBeGreaterThan(150)
  })

  test('a row that would take much of the room is not kept, nor is one that was read once', () => {
    row = rowOf('x'.repeat(50_000))
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
