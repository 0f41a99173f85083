/**
 * A bytea[] in PostgreSQL's binary form (array_recv in utils/adt/arrayfuncs.c), which pg sends as it is: its own text form of
 * an array writes each byte as two characters.
 */
const BYTEA_OID = 17
const HEADER_BYTES = 20

export function byteaArray(values: readonly Buffer[]): Buffer {
  if (values.length === 0) {
    const empty = Buffer.alloc(12)
    empty.writeInt32BE(BYTEA_OID, 8)
    return empty
  }
  const size = values.reduce((sum, { length }) => sum + 4 + length, HEADER_BYTES)
  const array = Buffer.allocUnsafe(size)
  array.writeInt32BE(1, 0)
  array.writeInt32BE(0, 4)
  array.writeInt32BE(BYTEA_OID, 8)
  array.writeInt32BE(values.length, 12)
  array.writeInt32BE(1, 16)
  let at = HEADER_BYTES
  for (const value of values) {
    at = array.writeInt32BE(value.length, at)
    at += value.copy(array, at)
  }
  return array
}
