import { statfsSync } from 'node:fs'
import { isCofferError } from '@coffer/errors'
import { metadataError } from '../../errors.ts'

/** What one write transaction may bring; other processes wait for it. */
export const BATCH_BYTES_MAX = 32 * 1024 * 1024

/** errno and LMDB result codes (lmdb.h, "Return Codes") that have a meaning for callers. */
const EIO = 5
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

/**
 * An error of a commit. LMDB (mdb.c, mdb_page_flush) reports a write that a full disk cut short as EIO: where there is no
 * room left for a batch, that is what it was.
 */
export function asCommitError(error: unknown, directory: string): unknown {
  if (error instanceof Error && resultCode(error) === EIO) {
    const { bavail, bsize } = statfsSync(directory)
    if (bavail * bsize < BATCH_BYTES_MAX) return metadataError('META_STORE_FULL', {}, { cause: error })
  }
  return asMetadataError(error)
}

function resultCode(error: Error): number | undefined {
  return 'code' in error && typeof error.code === 'number' ? error.code : undefined
}
