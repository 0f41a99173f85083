/**
 * Tag, type, length, value: how KMIP writes its messages (KMIP Specification 1.4, section 9.1). The codec is
 * exact: it takes one spelling of each message and refuses what is longer, deeper or padded with anything but zeros.
 */

/** Deeper than any message of KMIP, and shallow enough for recursion. */
const DEPTH_MAX = 16
const ITEMS_MAX = 10_000
export const TTLV_HEADER_BYTES = 8
const ALIGNMENT_BYTES = 8
const WORD_BYTES = 4
const TAG_CODE_MAX = 0xff_ff_ff

const TYPES = {
  structure: 1,
  integer: 2,
  longInteger: 3,
  bigInteger: 4,
  enumeration: 5,
  boolean: 6,
  text: 7,
  bytes: 8,
  dateTime: 9,
  interval: 10,
  dateTimeExtended: 11,
} as const
type TypeName = keyof typeof TYPES
const TYPE_NAMES = new Map<number, TypeName>(Object.entries(TYPES).map(([name, code]) => [code, name as TypeName]))

/** `tagCode`, to tell it from the tags that authenticate. */
export type TtlvItem = { readonly tagCode: number } & (
  | { readonly type: 'structure'; readonly value: readonly TtlvItem[] }
  | { readonly type: 'integer' | 'enumeration' | 'interval'; readonly value: number }
  | { readonly type: 'longInteger' | 'dateTime' | 'dateTimeExtended'; readonly value: bigint }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'text'; readonly value: string }
  /** A big integer's bytes are its two's complement. */
  | { readonly type: 'bytes' | 'bigInteger'; readonly value: Uint8Array }
)

/** Bytes that are no TTLV, or more of it than a message needs. */
export class TtlvMalformed extends Error {}

export function encodeTtlv(item: TtlvItem): Buffer {
  const value = valueBytes(item)
  const paddedBytes = Math.ceil(value.length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
  const encoded = Buffer.alloc(TTLV_HEADER_BYTES + paddedBytes)
  encoded.writeUInt32BE(item.tagCode * 0x100 + TYPES[item.type], 0)
  encoded.writeUInt32BE(value.length, WORD_BYTES)
  encoded.set(value, TTLV_HEADER_BYTES)
  // The parts of a message can hold a key: only the whole is left.
  if (item.type === 'structure') value.fill(0)
  return encoded
}

function valueBytes(item: TtlvItem): Uint8Array {
  switch (item.type) {
    case 'structure':
      return join(item.value.map(encodeTtlv))
    case 'integer': {
      const bytes = Buffer.alloc(WORD_BYTES)
      bytes.writeInt32BE(item.value)
      return bytes
    }
    case 'enumeration':
    case 'interval': {
      const bytes = Buffer.alloc(WORD_BYTES)
      bytes.writeUInt32BE(item.value)
      return bytes
    }
    case 'longInteger':
    case 'dateTime':
    case 'dateTimeExtended': {
      const bytes = Buffer.alloc(2 * WORD_BYTES)
      bytes.writeBigInt64BE(item.value)
      return bytes
    }
    case 'boolean':
      return Buffer.from([0, 0, 0, 0, 0, 0, 0, item.value ? 1 : 0])
    case 'text':
      return Buffer.from(item.value, 'utf8')
    case 'bytes':
    case 'bigInteger':
      return item.value
  }
}

function join(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.concat(parts)
  for (const part of parts) part.fill(0)
  return whole
}

/** The bytes that follow a header, padding and all. TtlvMalformed for more than `lengthBytesMax`. */
export function ttlvValueBytes(header: Buffer, lengthBytesMax: number): number {
  const lengthBytes = header.readUInt32BE(WORD_BYTES)
  if (lengthBytes > lengthBytesMax) throw new TtlvMalformed('too long')
  return Math.ceil(lengthBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
}

/** One item and nothing after it. Values of bytes are views of the given ones. TtlvMalformed. */
export function decodeTtlv(bytes: Uint8Array): TtlvItem {
  const reader = new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const item = reader.readItem(bytes.byteLength, 1)
  if (reader.offset !== bytes.byteLength) throw new TtlvMalformed('bytes after the end')
  return item
}

class Reader {
  offset = 0
  readonly #bytes: Buffer
  #itemCount = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  readItem(endOffset: number, depth: number): TtlvItem {
    if (depth > DEPTH_MAX) throw new TtlvMalformed('too deep')
    if (++this.#itemCount > ITEMS_MAX) throw new TtlvMalformed('too many items')
    if (endOffset - this.offset < TTLV_HEADER_BYTES) throw new TtlvMalformed('truncated')
    const head = this.#bytes.readUInt32BE(this.offset)
    const tagCode = Math.floor(head / 0x100) & TAG_CODE_MAX
    const type = TYPE_NAMES.get(head & 0xff)
    const lengthBytes = this.#bytes.readUInt32BE(this.offset + WORD_BYTES)
    const start = this.offset + TTLV_HEADER_BYTES
    const paddedEnd = start + Math.ceil(lengthBytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    if (type === undefined) throw new TtlvMalformed('unknown type')
    if (paddedEnd > endOffset) throw new TtlvMalformed('truncated')
    this.offset = start
    const value = this.#bytes.subarray(start, start + lengthBytes)
    if (this.#bytes.subarray(start + lengthBytes, paddedEnd).some((byte) => byte !== 0)) {
      throw new TtlvMalformed('padding')
    }
    if (type === 'structure') return { tagCode, type, value: this.#readItems(start + lengthBytes, depth + 1) }
    this.offset = paddedEnd
    return primitive(tagCode, type, value)
  }

  #readItems(endOffset: number, depth: number): TtlvItem[] {
    const items: TtlvItem[] = []
    while (this.offset < endOffset) items.push(this.readItem(endOffset, depth))
    return items
  }
}

function primitive(tagCode: number, type: Exclude<TypeName, 'structure'>, value: Buffer): TtlvItem {
  switch (type) {
    case 'integer':
      return { tagCode, type, value: sized(value, WORD_BYTES).readInt32BE() }
    case 'enumeration':
    case 'interval':
      return { tagCode, type, value: sized(value, WORD_BYTES).readUInt32BE() }
    case 'longInteger':
    case 'dateTime':
    case 'dateTimeExtended':
      return { tagCode, type, value: sized(value, 2 * WORD_BYTES).readBigInt64BE() }
    case 'boolean':
      return { tagCode, type, value: booleanOf(sized(value, 2 * WORD_BYTES).readBigUInt64BE()) }
    case 'text':
      return { tagCode, type, value: textOf(value) }
    case 'bytes':
      return { tagCode, type, value }
    case 'bigInteger':
      if (value.length === 0 || value.length % ALIGNMENT_BYTES !== 0) throw new TtlvMalformed('length')
      return { tagCode, type, value }
  }
}

function sized(value: Buffer, lengthBytes: number): Buffer {
  if (value.length !== lengthBytes) throw new TtlvMalformed('length')
  return value
}

function booleanOf(value: bigint): boolean {
  if (value > 1n) throw new TtlvMalformed('boolean')
  return value === 1n
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(value: Buffer): string {
  try {
    return UTF8.decode(value)
  } catch {
    throw new TtlvMalformed('text')
  }
}
