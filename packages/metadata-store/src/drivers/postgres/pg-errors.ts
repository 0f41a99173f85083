import { isCofferError } from '@coffer/errors'
import { metadataError } from '../../errors.ts'

/** SQLSTATE codes (PostgreSQL manual, appendix A). */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01', '23505'])
const COMPLETION_UNKNOWN = '40003'
const DISK_FULL = '53100'
const READ_ONLY = '25006'
const REFUSED: ReadonlySet<string> = new Set(['28000', '28P01', '3D000', '42501'])
/** query_canceled (a statement's time-out), lock_not_available, in_failed_sql_transaction (what follows either). */
const TIMEOUTS: ReadonlySet<string> = new Set(['57014', '55P03', '25P02'])
/** Connection exceptions, out of resources, operator intervention, system error. */
const UNAVAILABLE_CLASSES: ReadonlySet<string> = new Set(['08', '53', '57', '58'])

/** A connection that ended, or never began. Whatever was on its way may have happened or not. */
export class ConnectionLost extends Error {
  constructor(cause: unknown) {
    super('the connection to the PostgreSQL server was lost', { cause })
    this.name = 'ConnectionLost'
  }
}

/** SQLSTATE of an error that the server sent. */
export function sqlStateOf(error: unknown): string | undefined {
  const isFromServer = error instanceof Error && 'severity' in error && 'code' in error
  return isFromServer && typeof error.code === 'string' ? error.code : undefined
}

/** Another transaction came first: this one is to be run again from its beginning. */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.has(sqlStateOf(error) ?? '')
}

/**
 * Nothing is known of what was on its way. A server that is told to stop may say so (57P01) after a commit that it has made
 * and before its answer.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  const code = sqlStateOf(error)
  if (code === undefined) return error instanceof ConnectionLost
  return code === COMPLETION_UNKNOWN || code.startsWith('08') || code.startsWith('57P')
}

/** A moment later it may work: another server has taken over, or this one has room again. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionLost) return true
  const code = sqlStateOf(error)
  if (code === undefined || code === DISK_FULL) return false
  return code === READ_ONLY || TIMEOUTS.has(code) || UNAVAILABLE_CLASSES.has(code.slice(0, 2)) || isConflict(error)
}

/** An error of the server as one of the catalogue, where it has a code there; the cause is kept. */
export function asMetadataError(error: unknown): unknown {
  if (isCofferError(error)) return error
  const code = sqlStateOf(error)
  if (code === DISK_FULL) return metadataError('META_STORE_FULL', {}, { cause: error })
  if (code !== undefined && REFUSED.has(code)) {
    return metadataError('META_STORE_REFUSED', { sqlState: code }, { cause: error })
  }
  if (isTransient(error)) {
    return metadataError('META_UNAVAILABLE', code === undefined ? {} : { sqlState: code }, { cause: error })
  }
  return error
}
