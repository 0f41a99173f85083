import type { BlobRef, VersionBody } from '../../records.ts'
import { BLOB_ID_BYTES, blobIdOf, blobKey, isInFirstStore, placedBlobField } from './keys.ts'
import { RowReader, type RowWriter } from './row.ts'

/*
 * Rows of `bodies`.
 *
 * Inline: the stored bytes as they are (they are authenticated by their own cipher), less the last ones where those would
 * begin another page. LMDB keeps a value that is larger than half a page in pages of its own, less one header: a sealed
 * 4 KiB object is a few bytes longer than a page, and would waste half of the disk and of the writes.
 *
 * Blobs: count (4), then for each blob its id (20) and stored size (6); manifest to the end (frame: row.ts). Row format 2, where
 * any of them is not in the first store: the same with the number of its store (1) behind each id.
 */
const WITH_STORES = 2
const PAGE_BYTES = 4096
/** `sizeof(MDB_page_header)` of the LMDB in lmdb-js 3.5 (mdb.c, PAGEHDRSZ). */
const PAGE_HEADER_BYTES = 24
/** As much of a body as is kept beside its record. */
const INLINE_TAIL_BYTES_MAX = 512
const BLOB_ENTRY_BYTES = BLOB_ID_BYTES + 6

/** How many bytes of an inline body go to `bodies`; the others stay beside the version's record. */
export function bytesOutOfLine(inlineSizeBytes: number): number {
  if (inlineSizeBytes <= INLINE_TAIL_BYTES_MAX) return 0
  const tailBytes = (inlineSizeBytes + PAGE_HEADER_BYTES) % PAGE_BYTES
  const fills = inlineSizeBytes + PAGE_HEADER_BYTES > PAGE_BYTES && tailBytes <= INLINE_TAIL_BYTES_MAX
  return fills ? inlineSizeBytes - tailBytes : inlineSizeBytes
}

export function encodeBlobs(
  writer: RowWriter,
  body: Extract<VersionBody, { kind: 'blobs' }>,
  name: Uint8Array,
): Buffer {
  const isPlain = body.blobs.every(({ blobId }) => isInFirstStore(blobId))
  const field = isPlain ? blobKey : placedBlobField
  writer.begin(isPlain ? undefined : WITH_STORES).uint32(body.blobs.length)
  for (const blob of body.blobs) writer.bytes(field(blob.blobId)).uint48(blob.storedSizeBytes)
  return writer.bytes(body.manifest).finish(name)
}

export function decodeBlobs(row: Buffer, name: Uint8Array): Extract<VersionBody, { kind: 'blobs' }> {
  const reader = new RowReader('body', row, name, WITH_STORES)
  const idBytes = reader.format === WITH_STORES ? BLOB_ID_BYTES + 1 : BLOB_ID_BYTES
  const count = reader.uint32()
  if (count * BLOB_ENTRY_BYTES > row.length) reader.fail('more blobs than fit')
  const blobs: BlobRef[] = []
  for (let index = 0; index < count; index += 1) {
    blobs.push({ blobId: blobIdOf(reader.bytes(idBytes)), storedSizeBytes: reader.uint48() })
  }
  return { kind: 'blobs', blobs, manifest: reader.rest() }
}
