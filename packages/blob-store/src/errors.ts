import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a blob store can refuse. Codes are API. */
export const BLOB_ERRORS = {
  BLOB_NOT_FOUND: 'no such blob',
  BLOB_EXISTS: 'a blob of this id exists',
  BLOB_TRUNCATED: 'the blob ends before the range that was asked for',
  BLOB_STORE_FULL: 'no room left for object data',
  BLOB_UNAVAILABLE:
    'the blob store cannot be reached or does not answer as it should; what needs it fails until it does',
  BLOB_IO_FAILED: 'the blob store could not read or write',
} as const

export type BlobErrorCode = keyof typeof BLOB_ERRORS

export function blobError(
  code: BlobErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: BLOB_ERRORS[code], ...(details && { details }) }, options)
}
