import type { ObjectLock, Retention } from '@coffer/s3-protocol'

/** Whether a version may not be removed, by anybody: legal hold, or retention that is not over. */
export function isLocked(
  lock: ObjectLock | undefined,
  nowMs: number,
  { bypassGovernance }: { readonly bypassGovernance: boolean },
): boolean {
  if (lock === undefined) return false
  if (lock.legalHold === 'ON') return true
  const { retention } = lock
  if (retention === undefined || retention.retainUntilAt <= nowMs) return false
  return retention.mode !== 'GOVERNANCE' || !bypassGovernance
}

/**
 * Whether retention may be replaced (S3 User Guide, "Retention modes"): it may always be prolonged; shortened, taken away or given
 * another mode only in governance mode by who may bypass that, or when it is over. `wanted` undefined: taken away.
 */
export function mayReplaceRetention(
  current: Retention | undefined,
  wanted: Retention | undefined,
  nowMs: number,
  { bypassGovernance }: { readonly bypassGovernance: boolean },
): boolean {
  if (current === undefined || current.retainUntilAt <= nowMs) return true
  if (wanted?.mode === current.mode && wanted.retainUntilAt >= current.retainUntilAt) return true
  return current.mode === 'GOVERNANCE' && bypassGovernance
}
