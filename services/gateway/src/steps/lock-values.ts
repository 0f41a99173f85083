import { type LegalHold, parseObjectLockHeaders, type Retention } from '@coffer/s3-protocol'

const DAY_MS = 86_400_000

/** The lock that a request is to give an object. */
export interface LockAsked {
  readonly retention?: Retention | undefined
  readonly legalHold?: LegalHold | undefined
}

export function lockInHeaders(headers: Readonly<Record<string, string | undefined>>, nowMs: number): LockAsked {
  return parseObjectLockHeaders(headers, nowMs) ?? {}
}

/**
 * Service Authorization Reference, Amazon S3, "Condition keys"; S3 User Guide, "Object Lock considerations", "Setting limits on retention periods". A day that
 * has begun counts as one: who asks for ten days from now has ten when the request comes.
 */
export function lockValue({ retention, legalHold }: LockAsked, key: string, nowMs: number): string | undefined {
  switch (key) {
    case 's3:object-lock-legal-hold':
      return legalHold
    case 's3:object-lock-mode':
      return retention?.mode
    case 's3:object-lock-retain-until-date':
      return retention && new Date(retention.retainUntilAt).toISOString()
    case 's3:object-lock-remaining-retention-days':
      return retention && String(Math.ceil((retention.retainUntilAt - nowMs) / DAY_MS))
    default:
      return undefined
  }
}
