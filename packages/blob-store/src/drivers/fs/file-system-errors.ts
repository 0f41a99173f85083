import { isCofferError } from '@coffer/errors'
import type { BlobId } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** File system errors as ours; what is ours already stays as it is. */
export function asBlobError(error: unknown, blobId?: BlobId): unknown {
  if (isCofferError(error)) return error
  const code = hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT') ? 'BLOB_STORE_FULL' : 'BLOB_IO_FAILED'
  return blobError(code, blobId === undefined ? undefined : { blobId }, { cause: error })
}
