import type { KeyOwner } from './kms-settings.ts'

/** How many master keys and aliases an account may have; what is absent is as by default. */
export interface KeyQuota {
  readonly keyCountMax?: number
  readonly aliasCountMax?: number
}

/** What an account has, and may have: the operator's quota, or the one by default. */
export interface KeyUsage extends Required<KeyQuota> {
  /** Made here and not erased yet, whatever their state; what others made in a KMS of their own is not counted. */
  readonly keyCount: number
  readonly aliasCount: number
}

/**
 * Counted in the write that makes or erases a key or alias: a quota holds exactly, whatever number of processes make them at once
 * (KMS_QUOTA_EXCEEDED). One below what is there takes nothing away.
 */
export interface KeyQuotas {
  getKeyUsage(owner: KeyOwner): Promise<KeyUsage>
  /** In place of the one before. */
  setKeyQuota(owner: KeyOwner, quota: KeyQuota): Promise<void>
}
