import { kmsError } from './errors.ts'
import type { KeyState } from './kms-connector.ts'

/** What a key may do, and until when. */
export interface KeyLife {
  readonly state: KeyState
  /** Milliseconds since 1970; with `pending-deletion` only. */
  readonly deletionAt?: number
}

/** As AWS KMS has it (API reference, ScheduleKeyDeletion). */
const PENDING_DAYS_MIN = 7
const PENDING_DAYS_MAX = 30
const DAY_MS = 24 * 3600 * 1000

/** A change of a key's life: throws where it is not allowed. */
export type LifeChange = (life: KeyLife, keyId: string) => KeyLife

export const enabled: LifeChange = (life, keyId) => {
  assertNotPending(life, keyId)
  return { state: 'enabled' }
}

export const disabled: LifeChange = (life, keyId) => {
  assertNotPending(life, keyId)
  return { state: 'disabled' }
}

export function pendingDeletion(pendingDays: number, nowMs: number): LifeChange {
  if (!Number.isInteger(pendingDays) || pendingDays < PENDING_DAYS_MIN || pendingDays > PENDING_DAYS_MAX) {
    throw kmsError('KMS_PENDING_DAYS_INVALID', { pendingDays })
  }
  return (life, keyId) => {
    assertNotPending(life, keyId)
    return { state: 'pending-deletion', deletionAt: nowMs + pendingDays * DAY_MS }
  }
}

export const deletionCancelled: LifeChange = (life, keyId) => {
  if (life.state !== 'pending-deletion') throw kmsError('KMS_KEY_NOT_PENDING_DELETION', { keyId })
  return { state: 'disabled' }
}

/** Once the deletion is due; the key is never used again. */
export function destroyed(nowMs: number): LifeChange {
  return ({ state, deletionAt }, keyId) => {
    const isDue = state === 'pending-deletion' && deletionAt !== undefined && deletionAt <= nowMs
    if (!isDue) throw kmsError('KMS_KEY_NOT_PENDING_DELETION', { keyId })
    return { state: 'destroyed' }
  }
}

/** KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION; KMS_KEY_NOT_FOUND for one that is destroyed. */
export function assertUsable({ state }: KeyLife, keyId: string): void {
  if (state === 'destroyed') throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
  if (state === 'disabled') throw kmsError('KMS_KEY_DISABLED', { keyId })
  if (state !== 'enabled') throw kmsError('KMS_KEY_PENDING_DELETION', { keyId })
}

/** KMS_KEY_PENDING_DELETION; KMS_KEY_NOT_FOUND for one that is destroyed. */
export function assertNotPending({ state }: KeyLife, keyId: string): void {
  if (state === 'destroyed') throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
  if (state !== 'enabled' && state !== 'disabled') throw kmsError('KMS_KEY_PENDING_DELETION', { keyId })
}
