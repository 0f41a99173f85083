import { invariant } from '@coffer/errors'
import { metadataError } from '../../errors.ts'
import type { CommittedVersion, CommitVersion, ObjectKeyReplacement } from '../../metadata-store.ts'
import type { BlobId, BucketId, PartRecord, UploadRecord, VersionBody } from '../../records.ts'
import { addReference, assertBlob, dropReference, requireNewBlob } from './blobs.ts'
import type { Databases } from './databases.ts'
import { planKeyUse } from './key-use.ts'
import { objectName, partKey, uploadKey, uploadParts } from './keys.ts'
import { requireRoom } from './quotas.ts'
import { readRow, scan } from './table.ts'
import { decodePart, decodeUpload, encodePart, encodeUpload } from './upload-row.ts'
import { assertUint48 } from './version-row.ts'
import type { WriteBatch } from './write-batch.ts'

/** S3 API, "Amazon S3 multipart upload limits". */
const PART_NUMBER_MAX = 10_000

type Completion = NonNullable<CommitVersion['completesUpload']>

/** An upload that a commit ends, as it was read and checked. */
export interface PlannedCompletion {
  readonly rowKey: Buffer
  readonly partRows: readonly Buffer[]
  /** Blobs of all its parts. */
  readonly blobIds: ReadonlySet<BlobId>
  readonly partSizeBytes: number
  readonly keyUse: { remove(): void }
}

export function createUpload(batch: WriteBatch, bucketId: BucketId, revision: number, upload: UploadRecord): void {
  const name = objectName(bucketId, upload.key)
  assertUint48(upload.initiatedAt, 'initiatedAt')
  batch.requireBucket(bucketId, revision)
  const rowKey = uploadKey(name, upload.uploadId)
  const known = findUpload(batch.databases, bucketId, upload.key, upload.uploadId)
  const before = known && planKeyUse(batch, known.keyRef, name, upload.uploadId, 'upload')
  const after = planKeyUse(batch, upload.keyRef, name, upload.uploadId, 'upload')
  before?.remove()
  batch.put(batch.databases.uploads, rowKey, encodeUpload(batch.rows, upload, rowKey))
  after.add()
}

export function findUpload(
  databases: Databases,
  bucketId: BucketId,
  key: string,
  uploadId: string,
): UploadRecord | undefined {
  const rowKey = uploadKey(objectName(bucketId, key), uploadId)
  const row = readRow(databases.uploads, rowKey)
  return row && decodeUpload(row, key, rowKey)
}

/** The same object key of an upload, sealed in another way. Undefined: it has ended, or its record is not the expected one. */
export function planUploadReplacement(
  batch: WriteBatch,
  { bucketId, key, versionId: uploadId, keyRef, sealed, expectedSealed }: ObjectKeyReplacement,
): { apply(): void } | undefined {
  const upload = findUpload(batch.databases, bucketId, key, uploadId)
  if (upload === undefined || Buffer.compare(upload.sealed, expectedSealed) !== 0) return undefined
  const name = objectName(bucketId, key)
  const rowKey = uploadKey(name, uploadId)
  const before = planKeyUse(batch, upload.keyRef, name, uploadId, 'upload')
  const after = planKeyUse(batch, keyRef, name, uploadId, 'upload')
  return {
    apply() {
      batch.put(batch.databases.uploads, rowKey, encodeUpload(batch.rows, { ...upload, keyRef, sealed }, rowKey))
      before.remove()
      after.add()
    },
  }
}

export function putPart(
  batch: WriteBatch,
  bucketId: BucketId,
  key: string,
  uploadId: string,
  part: PartRecord,
): CommittedVersion {
  invariant(
    Number.isInteger(part.partNumber) && part.partNumber >= 1 && part.partNumber <= PART_NUMBER_MAX,
    'a part number is 1 to 10,000',
  )
  assertBlob(part.blob)
  assertUint48(part.sizeBytes, 'sizeBytes')
  assertUint48(part.lastModifiedAt, 'lastModifiedAt')
  const { parts } = batch.databases
  requireUpload(batch.databases, bucketId, key, uploadId)
  const rowKey = partKey(uploadParts(bucketId, uploadId), part.partNumber)
  const row = readRow(parts, rowKey)
  const before = row && decodePart(row, rowKey)
  const replaced = before?.blob.blobId
  const addedBytes = part.sizeBytes - (before?.sizeBytes ?? 0)
  // The same part again is a call that was repeated because its answer was lost.
  const isNewBlob = replaced !== part.blob.blobId
  if (isNewBlob) requireNewBlob(batch, part.blob.blobId)
  requireRoom(batch, bucketId, { versionCount: 0, sizeBytes: addedBytes })
  const usage = batch.usage(bucketId)

  if (isNewBlob) addReference(batch, part.blob)
  batch.put(parts, rowKey, encodePart(batch.rows, part, rowKey))
  usage.add({ partSizeBytes: addedBytes })
  if (!replaced || !isNewBlob) return { garbage: [] }
  dropReference(batch, replaced)
  return { garbage: [replaced] }
}

export function listParts(
  databases: Databases,
  query: { bucketId: BucketId; key: string; uploadId: string; afterPartNumber: number; limit: number },
): { parts: readonly PartRecord[]; more: boolean } {
  requireUpload(databases, query.bucketId, query.key, query.uploadId)
  const found = readParts(databases, query.bucketId, query.uploadId, query.afterPartNumber, query.limit + 1)
  return { parts: found.slice(0, query.limit).map(({ part }) => part), more: found.length > query.limit }
}

export function abortUpload(batch: WriteBatch, bucketId: BucketId, key: string, uploadId: string): CommittedVersion {
  const completion = planCompletion(batch, bucketId, key, { uploadId, parts: [] })
  return { garbage: completeUpload(batch, completion, { kind: 'none' }, batch.usage(bucketId)) }
}

/** META_UPLOAD_NOT_FOUND, or META_UPLOAD_CHANGED if a part is no longer the one that was read. */
export function planCompletion(
  batch: WriteBatch,
  bucketId: BucketId,
  key: string,
  { uploadId, parts }: Completion,
): PlannedCompletion {
  const { keyRef } = requireUpload(batch.databases, bucketId, key, uploadId)
  const stored = readParts(batch.databases, bucketId, uploadId, 0, Number.MAX_SAFE_INTEGER)
  const blobs = new Map(stored.map(({ part }) => [part.partNumber, part.blob.blobId]))
  for (const { partNumber, blobId } of parts) {
    if (blobs.get(partNumber) !== blobId) throw metadataError('META_UPLOAD_CHANGED', { partNumber })
  }
  return {
    rowKey: uploadKey(objectName(bucketId, key), uploadId),
    keyUse: planKeyUse(batch, keyRef, objectName(bucketId, key), uploadId, 'upload'),
    partRows: stored.map(({ rowKey }) => rowKey),
    blobIds: new Set(blobs.values()),
    partSizeBytes: stored.reduce((sum, { part }) => sum + part.sizeBytes, 0),
  }
}

/** Removes the upload and its parts; returns the blobs that the version does not take over, now garbage. */
export function completeUpload(
  batch: WriteBatch,
  completion: PlannedCompletion,
  body: VersionBody,
  usage: ReturnType<WriteBatch['usage']>,
): BlobId[] {
  const { uploads, parts } = batch.databases
  batch.remove(uploads, completion.rowKey)
  completion.keyUse.remove()
  for (const rowKey of completion.partRows) batch.remove(parts, rowKey)
  usage.add({ partSizeBytes: -completion.partSizeBytes })
  const taken = new Set(body.kind === 'blobs' ? body.blobs.map(({ blobId }) => blobId) : [])
  const garbage = [...completion.blobIds].filter((blobId) => !taken.has(blobId))
  for (const blobId of garbage) dropReference(batch, blobId)
  return garbage
}

function requireUpload(databases: Databases, bucketId: BucketId, key: string, uploadId: string): UploadRecord {
  const upload = findUpload(databases, bucketId, key, uploadId)
  if (upload === undefined) throw metadataError('META_UPLOAD_NOT_FOUND', { uploadId })
  return upload
}

function readParts(
  databases: Databases,
  bucketId: BucketId,
  uploadId: string,
  afterPartNumber: number,
  limit: number,
): { rowKey: Buffer; part: PartRecord }[] {
  const prefix = uploadParts(bucketId, uploadId)
  const start = partKey(prefix, Math.min(afterPartNumber, PART_NUMBER_MAX) + 1)
  const found: { rowKey: Buffer; part: PartRecord }[] = []
  for (const { key, value } of scan(databases.parts, { prefix, start, limit })) {
    found.push({ rowKey: key, part: decodePart(value, key) })
  }
  return found
}
