import { invariant } from '@coffer/errors'
import type { BlobId, BucketId, VersionId, WriterId } from '../../records.ts'

/*
 * How names become LMDB keys. LMDB orders keys byte by byte, so that every name sorts by its UTF-8 bytes. Object keys
 * hold no NUL: a NUL after one ends it, and (bucket, key, NUL) sorts before every longer key of the same bucket.
 *
 *   current    bucket id (16 bytes) | object key
 *   versions   bucket id | object key | 00                          newest version: its "head"
 *              bucket id | object key | 00 | complement of id (16)  older versions, newest first
 *   bodies     version id (16)
 *   uploads    bucket id | object key | 00 | upload id (16)
 *   parts      bucket id | upload id | part number (2, big endian)
 *   blob-refs, garbage   writer id (8) | blob (12) | number of its store (1), where that is not the first
 */

/** S3 API, "Creating object key names": at most 1,024 bytes of UTF-8. */
export const OBJECT_KEY_BYTES_MAX = 1024
export const ID_BYTES = 16
export const BLOB_ID_BYTES = 20
const NAME_BYTES_MAX = 1024
const ID_PATTERN = /^[0-9a-f]{32}$/
const WRITER_ID_PATTERN = /^[0-9a-f]{16}$/
const BLOB_ID_PATTERN = /^[0-9a-f]{16}-[0-9a-f]{24}(-(?!00)[0-9a-f]{2})?$/
const BARE_BLOB_ID_CHARS = 41

/** The bytes of a 16-byte id (bucket, version, upload). */
export function idBytes(id: BucketId | VersionId): Buffer {
  invariant(ID_PATTERN.test(id), 'an id is 32 lower-case hex characters')
  return Buffer.from(id, 'hex')
}

/** Bucket id and object key: the row of `current`, and the beginning of the key's rows elsewhere. */
export function objectName(bucketId: BucketId, key: string): Buffer {
  invariant(ID_PATTERN.test(bucketId), 'a bucket id is 32 lower-case hex characters')
  invariant(key !== '' && key.isWellFormed() && !key.includes('\0'), 'an object key is not empty and holds no NUL')
  const keyBytes = Buffer.byteLength(key)
  invariant(keyBytes <= OBJECT_KEY_BYTES_MAX, 'an object key has at most 1,024 bytes')
  const name = Buffer.allocUnsafe(ID_BYTES + keyBytes)
  name.write(bucketId, 0, ID_BYTES, 'hex')
  name.write(key, ID_BYTES, 'utf8')
  return name
}

/** Where the newest version of an object is kept. */
export function headKey(name: Buffer): Buffer {
  const key = Buffer.allocUnsafe(name.length + 1)
  name.copy(key)
  key[name.length] = 0
  return key
}

/** The {@link objectName} of such a key. */
export function nameInHeadKey(rowKey: Buffer): Buffer {
  return rowKey.subarray(0, -1)
}

/** Where a version that is not the newest is kept. */
export function olderVersionKey(name: Buffer, versionId: VersionId): Buffer {
  invariant(ID_PATTERN.test(versionId), 'a version id is 32 lower-case hex characters')
  const key = Buffer.allocUnsafe(name.length + 1 + ID_BYTES)
  name.copy(key)
  key[name.length] = 0
  key.write(versionId, name.length + 1, ID_BYTES, 'hex')
  for (let index = name.length + 1; index < key.length; index += 1) key[index] = ~(key[index] as number)
  return key
}

/** How many bytes of a row's key are its {@link objectName}, where a NUL ends that. */
export function objectNameBytes(rowKey: Buffer): number {
  const end = rowKey.indexOf(0, ID_BYTES)
  return end === -1 ? rowKey.length : end
}

/** The object key in a row's key. */
export function objectKeyIn(rowKey: Buffer, nameBytes: number): string {
  return rowKey.toString('utf8', ID_BYTES, nameBytes)
}

/** The version id in the key of a version that is not the newest. */
export function versionIdIn(rowKey: Buffer): VersionId {
  const id = Buffer.from(rowKey.subarray(rowKey.length - ID_BYTES))
  for (let index = 0; index < ID_BYTES; index += 1) id[index] = ~(id[index] as number)
  return id.toString('hex')
}

export function uploadKey(name: Buffer, uploadId: string): Buffer {
  return Buffer.concat([headKey(name), idBytes(uploadId)])
}

/** Where the parts of an upload begin. */
export function uploadParts(bucketId: BucketId, uploadId: string): Buffer {
  return Buffer.concat([idBytes(bucketId), idBytes(uploadId)])
}

/** `partNumber`: a part's, or where to begin to look. */
export function partKey(parts: Buffer, partNumber: number): Buffer {
  return Buffer.concat([parts, Buffer.from([partNumber >> 8, partNumber & 0xff])])
}

export function blobKey(blobId: BlobId): Buffer {
  invariant(
    BLOB_ID_PATTERN.test(blobId),
    'a blob id is <16 hex>-<24 hex>, and -<2 hex> where its store is not the first',
  )
  return Buffer.from(blobId.slice(0, 16) + blobId.slice(17, BARE_BLOB_ID_CHARS) + blobId.slice(42), 'hex')
}

export function blobIdOf(bytes: Buffer): BlobId {
  const bare = `${bytes.toString('hex', 0, 8)}-${bytes.toString('hex', 8, BLOB_ID_BYTES)}`
  const store = bytes[BLOB_ID_BYTES] ?? 0
  return store === 0 ? bare : `${bare}-${store.toString(16).padStart(2, '0')}`
}

export function isInFirstStore(blobId: BlobId): boolean {
  return blobId.length === BARE_BLOB_ID_CHARS
}

/** A blob id as a field of a row, of the same width in whatever store: id (20), number of the store (1). */
export function placedBlobField(blobId: BlobId): Buffer {
  const key = blobKey(blobId)
  return key.length > BLOB_ID_BYTES ? key : Buffer.concat([key, Buffer.from([0])])
}

export function writerOf(blobId: BlobId): WriterId {
  return blobId.slice(0, 16)
}

export function writerKey(writerId: WriterId): Buffer {
  invariant(WRITER_ID_PATTERN.test(writerId), 'a writer id is 16 lower-case hex characters')
  return Buffer.from(writerId, 'hex')
}

/** The key of a row that is named by text: a bucket, an account, a record. */
export function nameKey(...names: readonly string[]): Buffer {
  const key = Buffer.from(names.join('\0'))
  invariant(
    key.length > 0 &&
      key.length <= NAME_BYTES_MAX &&
      names.every((name) => name.isWellFormed() && !name.includes('\0')),
    'a name has at most 1,024 bytes and no NUL',
  )
  return key
}

/** The first key after every key that begins with `prefix`; undefined where there is none. */
export function afterPrefix(prefix: Buffer): Buffer | undefined {
  let end = prefix.length
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1
  if (end === 0) return undefined
  const after = Buffer.from(prefix.subarray(0, end))
  after[end - 1] = (after[end - 1] as number) + 1
  return after
}

/** The first key after `key` itself. */
export function justAfter(key: Buffer): Buffer {
  return headKey(key)
}
