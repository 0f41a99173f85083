import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a metadata store can refuse. Codes are API. */
export const METADATA_ERRORS = {
  META_BUCKET_EXISTS: 'a bucket of this name exists',
  META_BUCKET_NOT_FOUND: 'no bucket of this name',
  META_BUCKET_NOT_EMPTY: 'the bucket holds versions or uploads',
  META_BUCKET_CHANGED: 'the bucket changed since the write was planned',
  META_PRECONDITION_FAILED: 'the current version is not the expected one',
  META_VERSION_NOT_NEWEST: 'the key has a version at least as new as this id',
  META_UPLOAD_NOT_FOUND: 'no such multipart upload',
  META_VERSION_CHANGED: 'the version was changed or removed since it was read',
  META_UPLOAD_CHANGED: 'a part was replaced since the upload was read',
  META_WRITER_RETIRED: 'the writer of this blob is not registered',
  META_RECORD_CHANGED: 'the record changed since it was read',
  META_RECORD_DAMAGED: 'a stored record cannot be decoded or disagrees with another',
  META_FORMAT_NEWER: 'the store was written by a newer Coffer',
  META_QUOTA_EXCEEDED: 'the quota of the bucket or of the account would be exceeded',
  META_STORE_FULL: 'no room left for metadata',
  META_UNAVAILABLE: 'the metadata store does not answer',
  META_STORE_REFUSED: 'the metadata store refuses this role or database',
  META_STORE_CLOSED: 'the store is being moved, or was moved elsewhere',
  META_TRANSFER_FAILED: 'the store that was moved is not the one that it was moved from',
  META_STORE_UNSAFE: 'the metadata store may lose what it acknowledges: synchronous_commit and fsync have to be on',
} as const

export type MetadataErrorCode = keyof typeof METADATA_ERRORS

export function metadataError(
  code: MetadataErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: METADATA_ERRORS[code], ...(details && { details }) }, options)
}
