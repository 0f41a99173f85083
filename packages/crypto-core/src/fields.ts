import { cryptoError } from './errors.ts'

export type Field = string | Uint8Array | number | boolean

const LENGTH_BYTES = 4
/** A UTF-16 code unit takes at most three bytes in UTF-8 (RFC 3629, section 3). */
const UTF8_BYTES_PER_UNIT_MAX = 3

/** Fields are written here and copied out: one pass, one small allocation. Holds nothing secret, so it is not wiped. */
let scratch = Buffer.allocUnsafeSlow(4096)

/**
 * Encodes a list of values so that two different lists never give the same bytes: each value as its length (u32 BE) and its
 * bytes; text as UTF-8, integers as decimal text, booleans as `0` and `1`. For additional data and derivation inputs, whose
 * places and types are fixed by the caller; not for secrets. FORMAT.md, section 2.
 *
 *     encodeFields('ab', 7)   // 00 00 00 02 61 62 00 00 00 01 37
 *
 * CRYPTO_FIELD_INVALID for text with a lone surrogate (UTF-8 can't tell two of them apart) and for other numbers.
 */
export function encodeFields(...fields: readonly Field[]): Uint8Array {
  let endBytes = 0
  for (const field of fields)
    endBytes = typeof field === 'object' ? writeBytes(field, endBytes) : writeText(field, endBytes)
  return Buffer.from(scratch.subarray(0, endBytes))
}

/** A context map, names in the order of their UTF-8 bytes: FORMAT.md, section 2. */
export function encodeContext(context: Readonly<Record<string, string>>): Uint8Array {
  const names = Object.keys(context)
  if (names.length > 1) names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return encodeFields(...names.flatMap((name) => [name, context[name] ?? '']))
}

function writeText(field: string | number | boolean, offset: number): number {
  const text = typeof field === 'boolean' ? (field ? '1' : '0') : String(field)
  const isInteger = typeof field !== 'number' || Number.isSafeInteger(field)
  if (!isInteger || !text.isWellFormed()) throw cryptoError('CRYPTO_FIELD_INVALID')
  reserve(offset + LENGTH_BYTES + text.length * UTF8_BYTES_PER_UNIT_MAX)
  const lengthBytes = scratch.write(text, offset + LENGTH_BYTES)
  scratch.writeUInt32BE(lengthBytes, offset)
  return offset + LENGTH_BYTES + lengthBytes
}

function writeBytes(bytes: Uint8Array, offset: number): number {
  reserve(offset + LENGTH_BYTES + bytes.length)
  scratch.set(bytes, offset + LENGTH_BYTES)
  scratch.writeUInt32BE(bytes.length, offset)
  return offset + LENGTH_BYTES + bytes.length
}

function reserve(sizeBytes: number): void {
  if (sizeBytes <= scratch.length) return
  const larger = Buffer.allocUnsafeSlow(sizeBytes * 2)
  scratch.copy(larger)
  scratch = larger
}
