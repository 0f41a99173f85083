import { isCofferError } from '@coffer/errors'
import { metadataError } from '../../errors.ts'

/** errno and LMDB result codes (lmdb.h, "Return Codes") that have a meaning for callers. */
const ENOSPC = 28
const EDQUOT = 122
const EFBIG = 27
const MDB_PAGE_NOTFOUND = -30797
const MDB_CORRUPTED = -30796
const MDB_INVALID = -30793
const MDB_MAP_FULL = -30792
const MDB_TXN_FULL = -30788
const MDB_BAD_VALSIZE = -30781

const FULL = new Set([ENOSPC, EDQUOT, EFBIG, MDB_MAP_FULL, MDB_TXN_FULL])
const DAMAGED = new Set([MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_INVALID, MDB_BAD_VALSIZE])

/** An error of LMDB as one of the catalogue, where it has a code there; the cause is kept. */
export function asMetadataError(error: unknown): unknown {
  if (isCofferError(error) || !(error instanceof Error)) return error
  const code = resultCode(error)
  if (code !== undefined && FULL.has(code)) return metadataError('META_STORE_FULL', {}, { cause: error })
  if (code !== undefined && DAMAGED.has(code)) {
    return metadataError('META_RECORD_DAMAGED', { row: 'tree', reason: error.message }, { cause: error })
  }
  return error
}

/** A failed commit of lmdb-js says why only in the promise `commitError`, which nobody else awaits. */
export async function commitFailure(error: unknown): Promise<unknown> {
  const commitError = error instanceof Error && 'commitError' in error ? error.commitError : undefined
  if (!(commitError instanceof Promise)) return error
  return commitError.then(
    () => error,
    (cause: unknown) => cause,
  )
}

/** Whether the write transaction as a whole failed to commit, rather than a change within it. */
export function isCommitFailure(error: unknown): boolean {
  return error instanceof Error && 'commitError' in error
}

function resultCode(error: Error): number | undefined {
  return 'code' in error && typeof error.code === 'number' ? error.code : undefined
}
