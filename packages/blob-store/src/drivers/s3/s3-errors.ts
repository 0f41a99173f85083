import { isCofferError } from '@coffer/errors'
import type { BlobId } from '../../blob-store.ts'
import { blobError } from '../../errors.ts'

/** How providers say that there is no room: S3's own, MinIO's, Ceph's and Coffer's names. */
const FULL = /^(StorageFull|XMinioStorageFull|QuotaExceeded|StorageQuotaExceeded|InsufficientCapacity)$/
const INSUFFICIENT_STORAGE = 507
/** What the provider took for a mistake of ours: to try again is of no use. */
const MISTAKES: ReadonlySet<number> = new Set([400, 405, 409, 411, 412, 413, 414, 416, 501])

/** What the SDK threw, as ours; what is ours already stays. The details hold the provider's code, never its text or a header. */
export function asBlobError(error: unknown, blobId?: BlobId): unknown {
  if (isCofferError(error)) return error
  const status = statusOf(error)
  const details = {
    reason: nameOf(error),
    ...(status !== undefined && { status }),
    ...(blobId !== undefined && { blobId }),
  }
  if (status === INSUFFICIENT_STORAGE || FULL.test(details.reason)) {
    return blobError('BLOB_STORE_FULL', details, { cause: error })
  }
  if (isNotFound(error)) return blobError('BLOB_NOT_FOUND', details, { cause: error })
  const isMistake = status !== undefined && MISTAKES.has(status) && !isThrottling(details.reason)
  return blobError(isMistake ? 'BLOB_IO_FAILED' : 'BLOB_UNAVAILABLE', details, { cause: error })
}

/** The object, not its bucket. HEAD has no body to tell the two apart: see `S3BlobStore.open`. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && ['NoSuchKey', 'NotFound', 'UnknownError', '404'].includes(nameOf(error))
}

export function isNoSuchUpload(error: unknown): boolean {
  return nameOf(error) === 'NoSuchUpload'
}

/** 412: the object is there. 409: somebody else is making it (ConditionalRequestConflict). */
export function isRefusedPrecondition(error: unknown): boolean {
  const status = statusOf(error)
  return status === 412 || (status === 409 && nameOf(error) === 'ConditionalRequestConflict')
}

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error.$metadata as { httpStatusCode?: number } | undefined)?.httpStatusCode
}

function isThrottling(name: string): boolean {
  return /^(SlowDown|Throttl|RequestTimeout|RequestLimitExceeded|OperationAborted)/.test(name)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown'
}
