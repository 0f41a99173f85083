import type { PartRecord, UploadRecord } from '../../records.ts'
import { BLOB_ID_BYTES, blobIdOf, blobKey, ID_BYTES, isInFirstStore, placedBlobField } from './keys.ts'
import { RowReader, type RowWriter } from './row.ts'

/** Rows of uploads of before had no key reference. */
const WITH_KEY_REF = 2
/** Rows of parts in the first store have no number of it. */
const WITH_STORE = 2

/*
 * Row of an upload, row format 2: initiated (6), owner (2 + n), key reference (2 + n), sealed to the end. Row format 1: the same
 * without the key reference.
 * Row of a part: last modified (6), plaintext size (6), blob id (20), stored size (6), sealed to the end. Row format 2, where the
 * blob is not in the first store: the same with the number of its store (1) behind the id.
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
  const { blobId } = part.blob
  const isPlain = isInFirstStore(blobId)
  return writer
    .begin(isPlain ? undefined : WITH_STORE)
    .uint48(part.lastModifiedAt)
    .uint48(part.sizeBytes)
    .bytes(isPlain ? blobKey(blobId) : placedBlobField(blobId))
    .uint48(part.blob.storedSizeBytes)
    .bytes(part.sealed)
    .finish(rowKey)
}

/** The part's number is in the row's key. */
export function decodePart(row: Buffer, rowKey: Buffer): PartRecord {
  const reader = new RowReader('part', row, rowKey, WITH_STORE)
  const idBytes = reader.format === WITH_STORE ? BLOB_ID_BYTES + 1 : BLOB_ID_BYTES
  return {
    partNumber: rowKey.readUInt16BE(rowKey.length - 2),
    lastModifiedAt: reader.uint48(),
    sizeBytes: reader.uint48(),
    blob: { blobId: blobIdOf(reader.bytes(idBytes)), storedSizeBytes: reader.uint48() },
    sealed: reader.rest(),
  }
}
