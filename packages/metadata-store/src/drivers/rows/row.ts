import { crc32 } from 'node:zlib'
import { metadataError } from '../../errors.ts'

/*
 * The frame of every stored row (integers are big endian):
 *
 *   row format (01, or 02 of a kind that has changed since) | payload | CRC-32 of (the name the row belongs to, all before)
 *
 * The checksum finds a row that is damaged or that lies under another name: clear fields that a listing shows are not
 * authenticated by a cipher, and the pointers in a row are not either. It is no defence against an attacker: the gateway
 * authenticates the clear fields when it opens a version.
 */
const ROW_FORMAT = 1
export const CHECKSUM_BYTES = 4
const SCRATCH_BYTES = 64 * 1024
/** 2^48 - 1: sizes and times are kept in six bytes. */
export const UINT48_MAX = 281_474_976_710_655

export type RowKind =
  | 'bucket'
  | 'version'
  | 'current'
  | 'body'
  | 'upload'
  | 'part'
  | 'blob'
  | 'counter'
  | 'record'
  | 'quota'
  | 'event'
  | 'commit'

export function damaged(row: RowKind, reason: string): Error {
  return metadataError('META_RECORD_DAMAGED', { row, reason })
}

/** The checksum of a row that is at least as long as one; of a view of lmdb-js too. */
export function checksumOf(row: Buffer): number {
  return row.readInt32BE(row.length - CHECKSUM_BYTES)
}

/**
 * Builds one row at a time in memory that is used again: `finish` returns a view that the next `begin` overwrites, so it
 * has to be put at once.
 */
export class RowWriter {
  #bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #size = 0

  begin(format = ROW_FORMAT): this {
    this.#bytes[0] = format
    this.#size = 1
    return this
  }

  finish(name: Uint8Array): Buffer {
    this.#reserve(CHECKSUM_BYTES)
    const checksum = crc32(this.#bytes.subarray(0, this.#size), crc32(name))
    this.#bytes.writeUInt32BE(checksum, this.#size)
    return this.#bytes.subarray(0, this.#size + CHECKSUM_BYTES)
  }

  uint8(value: number): this {
    this.#reserve(1)
    this.#size = this.#bytes.writeUInt8(value, this.#size)
    return this
  }

  uint16(value: number): this {
    this.#reserve(2)
    this.#size = this.#bytes.writeUInt16BE(value, this.#size)
    return this
  }

  uint32(value: number): this {
    this.#reserve(4)
    this.#size = this.#bytes.writeUInt32BE(value, this.#size)
    return this
  }

  uint48(value: number): this {
    this.#reserve(6)
    this.#size = this.#bytes.writeUIntBE(value, this.#size, 6)
    return this
  }

  hex(value: string): this {
    const sizeBytes = value.length >> 1
    this.#reserve(sizeBytes)
    this.#size += this.#bytes.write(value, this.#size, sizeBytes, 'hex')
    return this
  }

  bytes(value: Uint8Array): this {
    this.#reserve(value.length)
    this.#bytes.set(value, this.#size)
    this.#size += value.length
    return this
  }

  /** Length in four bytes, then the bytes. */
  field(value: Uint8Array): this {
    return this.uint32(value.length).bytes(value)
  }

  /** Length in two bytes, then UTF-8. */
  text(value: string): this {
    const sizeBytes = Buffer.byteLength(value)
    this.uint16(sizeBytes).#reserve(sizeBytes)
    this.#size += this.#bytes.write(value, this.#size, sizeBytes, 'utf8')
    return this
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#size + sizeBytes
    if (needed <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#size)
    this.#bytes = grown
  }
}

/** Reads a row field by field; whatever does not fit is META_RECORD_DAMAGED. Fields are views of the row. */
export class RowReader {
  readonly #kind: RowKind
  readonly #row: Buffer
  readonly #end: number
  #at = 1

  /** `formatMax`: the newest row format of this kind. */
  constructor(kind: RowKind, row: Buffer, name: Uint8Array, formatMax = ROW_FORMAT) {
    this.#kind = kind
    this.#row = row
    this.#end = row.length - CHECKSUM_BYTES
    if (this.#end < 1) throw damaged(kind, 'too short')
    const checksum = crc32(row.subarray(0, this.#end), crc32(name))
    if (checksum !== row.readUInt32BE(this.#end)) throw damaged(kind, 'checksum')
    if (this.format < ROW_FORMAT || this.format > formatMax) {
      throw metadataError('META_FORMAT_NEWER', { row: kind, format: this.format })
    }
  }

  get format(): number {
    return this.#row[0] ?? 0
  }

  uint8(): number {
    return this.#row[this.#take(1)] as number
  }

  uint16(): number {
    return this.#row.readUInt16BE(this.#take(2))
  }

  uint32(): number {
    return this.#row.readUInt32BE(this.#take(4))
  }

  uint48(): number {
    return this.#row.readUIntBE(this.#take(6), 6)
  }

  hex(sizeBytes: number): string {
    const start = this.#take(sizeBytes)
    return this.#row.toString('hex', start, start + sizeBytes)
  }

  bytes(sizeBytes: number): Buffer {
    const start = this.#take(sizeBytes)
    return this.#row.subarray(start, start + sizeBytes)
  }

  field(): Buffer {
    return this.bytes(this.uint32())
  }

  text(): string {
    const sizeBytes = this.uint16()
    const start = this.#take(sizeBytes)
    return this.#row.toString('utf8', start, start + sizeBytes)
  }

  /** What is left of the payload. */
  rest(): Buffer {
    return this.bytes(this.#end - this.#at)
  }

  /** Ends reading: nothing may be left. */
  done(): void {
    if (this.#at !== this.#end) throw damaged(this.#kind, 'bytes left over')
  }

  fail(reason: string): never {
    throw damaged(this.#kind, reason)
  }

  #take(sizeBytes: number): number {
    const start = this.#at
    if (sizeBytes > this.#end - start) throw damaged(this.#kind, 'field past the end')
    this.#at = start + sizeBytes
    return start
  }
}
