import { copyOf } from '../rows/table.ts'

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
