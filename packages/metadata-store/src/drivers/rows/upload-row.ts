import type { PartRecord, UploadRecord } from '../../records.ts'
import { BLOB_ID_BYTES, blobIdOf, blobKey, ID_BYTES } from './keys.ts'
import { RowReader, type RowWriter } from './row.ts'

/** Rows of uploads of before had no key reference. */
const WITH_KEY_REF = 2

/*
 * Row of an upload, row format 2: initiated (6), owner (2 + n), key reference (2 + n), sealed to the end. Row format 1: the same
 * without the key reference.
 * Row of a part: last modified (6), plaintext size (6), blob id (20), stored size (6), sealed to the end.
 */
export function encodeUpload(writer: RowWriter, upload: UploadRecord, rowKey: Buffer): Buffer {
  return writer
    .begin(WITH_KEY_REF)
    .uint48(upload.initiatedAt)
    .text(upload.ownerAccountId)
    .text(upload.keyRef)
    .bytes(upload.sealed)
    .finish(rowKey)
}

/** The object key and the upload's id are in the row's key. */
export function decodeUpload(row: Buffer, key: string, rowKey: Buffer): UploadRecord {
  const reader = new RowReader('upload', row, rowKey, WITH_KEY_REF)
  return {
    key,
    uploadId: rowKey.toString('hex', rowKey.length - ID_BYTES),
    initiatedAt: reader.uint48(),
    ownerAccountId: reader.text(),
    keyRef: reader.format === WITH_KEY_REF ? reader.text() : '',
    sealed: reader.rest(),
  }
}

export function encodePart(writer: RowWriter, part: PartRecord, rowKey: Buffer): Buffer {
  return writer
    .begin()
    .uint48(part.lastModifiedAt)
    .uint48(part.sizeBytes)
    .bytes(blobKey(part.blob.blobId))
    .uint48(part.blob.storedSizeBytes)
    .bytes(part.sealed)
    .finish(rowKey)
}

/** The part's number is in the row's key. */
export function decodePart(row: Buffer, rowKey: Buffer): PartRecord {
  const reader = new RowReader('part', row, rowKey)
  return {
    partNumber: rowKey.readUInt16BE(rowKey.length - 2),
    lastModifiedAt: reader.uint48(),
    sizeBytes: reader.uint48(),
    blob: { blobId: blobIdOf(reader.bytes(BLOB_ID_BYTES)), storedSizeBytes: reader.uint48() },
    sealed: reader.rest(),
  }
}
