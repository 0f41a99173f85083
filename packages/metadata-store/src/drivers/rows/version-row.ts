import { invariant } from '@coffer/errors'
import type { ListedVersion, VersionBody, VersionId, VersionRecord } from '../../records.ts'
import { ID_BYTES } from './keys.ts'
import { CHECKSUM_BYTES, checksumOf, RowReader, type RowWriter, UINT48_MAX } from './row.ts'

/*
 * Row of a version (frame: row.ts):
 *
 *   flags (1): 01 null version, 02 delete marker, 04 has null pointer, 10 inline body, 20 body in blobs
 *   version id (16), last modified (6), plaintext size (6)
 *   null pointer (16, if flagged): id of the key's null version as of this version's commit
 *   key reference (2 + n), sealed (4 + n), summary (4 + n)
 *   if inline: size of the stored body (4), its last bytes (2 + n); the rest is in `bodies`
 *
 * Row of `current`: flags, version id, last modified, size, summary to the end.
 */
const FLAGS_END = 2
/** In a row of `current`; up to there a version's row has the same but for the flags. */
const SUMMARY_AT = FLAGS_END + ID_BYTES + 6 + 6
const FLAG_NULL = 0x01
const FLAG_DELETE_MARKER = 0x02
const FLAG_NULL_POINTER = 0x04
const FLAG_INLINE = 0x10
const FLAG_BLOBS = 0x20
const FLAGS_KNOWN = FLAG_NULL | FLAG_DELETE_MARKER | FLAG_NULL_POINTER | FLAG_INLINE | FLAG_BLOBS

export const KEY_REF_BYTES_MAX = 512
const SEALED_BYTES_MAX = 1024 * 1024
const SUMMARY_BYTES_MAX = 16 * 1024

export interface StoredVersion {
  readonly record: VersionRecord
  /** Id of the key's null version when this version was committed; it may have been removed since. '' : none. */
  readonly nullVersionId: VersionId | ''
  /** Size of an inline body as stored, and its last bytes; 0 and empty without one. */
  readonly inlineSizeBytes: number
  readonly inlineTail: Uint8Array
}

export function encodeVersion(writer: RowWriter, stored: StoredVersion, name: Uint8Array): Buffer {
  const { record, nullVersionId } = stored
  writer
    .begin()
    .uint8(flagsOf(stored))
    .hex(record.versionId)
    .uint48(record.lastModifiedAt)
    .uint48(record.sizeBytes)
    .hex(nullVersionId)
    .text(record.keyRef)
    .field(record.sealed)
    .field(record.summary)
  if (record.bodyKind === 'inline') {
    writer.uint32(stored.inlineSizeBytes).uint16(stored.inlineTail.length).bytes(stored.inlineTail)
  }
  return writer.finish(name)
}

export function decodeVersion(row: Buffer, key: string, name: Uint8Array): StoredVersion {
  const reader = new RowReader('version', row, name)
  const flags = reader.uint8()
  if ((flags & ~FLAGS_KNOWN) !== 0) reader.fail('unknown flags')
  const bodyKind = bodyKindOf(flags, reader)
  const versionId = reader.hex(ID_BYTES)
  const lastModifiedAt = reader.uint48()
  const sizeBytes = reader.uint48()
  const nullVersionId = (flags & FLAG_NULL_POINTER) !== 0 ? reader.hex(ID_BYTES) : ''
  const keyRef = sameKeyRef(reader.text())
  const sealed = reader.field()
  const summary = reader.field()
  const inlineSizeBytes = bodyKind === 'inline' ? reader.uint32() : 0
  const inlineTail = bodyKind === 'inline' ? reader.bytes(reader.uint16()) : EMPTY
  if (inlineTail.length > inlineSizeBytes) reader.fail('body shorter than its tail')
  reader.done()
  const record: VersionRecord = {
    key,
    versionId,
    isNull: (flags & FLAG_NULL) !== 0,
    isDeleteMarker: (flags & FLAG_DELETE_MARKER) !== 0,
    lastModifiedAt,
    sizeBytes,
    bodyKind,
    keyRef,
    sealed,
    summary,
  }
  return { record, nullVersionId, inlineSizeBytes, inlineTail }
}

let lastKeyRef = ''

/** Most versions that are read one after another have their object keys under one key: its name is in memory once. */
function sameKeyRef(keyRef: string): string {
  if (keyRef !== lastKeyRef) lastKeyRef = keyRef
  return lastKeyRef
}

export function encodeCurrent(writer: RowWriter, record: VersionRecord, name: Uint8Array): Buffer {
  return writer
    .begin()
    .uint8(record.isNull ? FLAG_NULL : 0)
    .hex(record.versionId)
    .uint48(record.lastModifiedAt)
    .uint48(record.sizeBytes)
    .bytes(record.summary)
    .finish(name)
}

export function decodeCurrent(row: Buffer, key: string, name: Uint8Array): ListedVersion {
  const reader = new RowReader('current', row, name)
  const flags = reader.uint8()
  if ((flags & ~FLAG_NULL) !== 0) reader.fail('unknown flags')
  return {
    key,
    versionId: reader.hex(ID_BYTES),
    isNull: flags !== 0,
    isDeleteMarker: false,
    isLatest: true,
    lastModifiedAt: reader.uint48(),
    sizeBytes: reader.uint48(),
    summary: reader.rest(),
  }
}

/** Whether a row of `current` and the newest version say the same of an object. */
export function agrees(current: ListedVersion, newest: VersionRecord): boolean {
  return (
    current.versionId === newest.versionId &&
    current.isNull === newest.isNull &&
    !newest.isDeleteMarker &&
    current.lastModifiedAt === newest.lastModifiedAt &&
    current.sizeBytes === newest.sizeBytes
  )
}

/**
 * Whether a row of `current` says what the row of the newest version says, byte for byte, and has this checksum: that of a row
 * that was decoded and agreed. So all of its bytes are known without a copy of it.
 */
export function isCurrentOf(
  view: Buffer,
  newestRow: Buffer,
  { isNull, summary }: Pick<VersionRecord, 'isNull' | 'summary'>,
  checksum: number,
): boolean {
  const summaryEnd = SUMMARY_AT + summary.length
  return (
    view.length === summaryEnd + CHECKSUM_BYTES &&
    view[0] === newestRow[0] &&
    view[1] === (isNull ? FLAG_NULL : 0) &&
    checksumOf(view) === checksum &&
    view.compare(newestRow, FLAGS_END, SUMMARY_AT, FLAGS_END, SUMMARY_AT) === 0 &&
    view.compare(summary, 0, summary.length, SUMMARY_AT, summaryEnd) === 0
  )
}

/** Limits of what a writer gives, asserted where it enters the store. */
export function assertVersion(version: Omit<VersionRecord, 'bodyKind'>, body: VersionBody): void {
  assertUint48(version.lastModifiedAt, 'lastModifiedAt')
  assertUint48(version.sizeBytes, 'sizeBytes')
  invariant(Buffer.byteLength(version.keyRef) <= KEY_REF_BYTES_MAX, 'a key reference has at most 512 bytes')
  invariant(version.sealed.length <= SEALED_BYTES_MAX, 'the sealed part of a version has at most 1 MiB')
  invariant(version.summary.length <= SUMMARY_BYTES_MAX, 'the summary of a version has at most 16 KiB')
  invariant(!version.isDeleteMarker || body.kind === 'none', 'a delete marker has no body')
}

export function assertUint48(value: number, name: string): void {
  invariant(Number.isInteger(value) && value >= 0 && value <= UINT48_MAX, `${name} is a whole number below 2^48`)
}

const EMPTY = Buffer.alloc(0)

function flagsOf({ record, nullVersionId }: StoredVersion): number {
  return (
    (record.isNull ? FLAG_NULL : 0) |
    (record.isDeleteMarker ? FLAG_DELETE_MARKER : 0) |
    (nullVersionId === '' ? 0 : FLAG_NULL_POINTER) |
    (record.bodyKind === 'inline' ? FLAG_INLINE : 0) |
    (record.bodyKind === 'blobs' ? FLAG_BLOBS : 0)
  )
}

function bodyKindOf(flags: number, reader: RowReader): VersionBody['kind'] {
  const body = flags & (FLAG_INLINE | FLAG_BLOBS)
  if (body === 0) return 'none'
  if (body === FLAG_INLINE) return 'inline'
  return body === FLAG_BLOBS ? 'blobs' : reader.fail('two bodies')
}
