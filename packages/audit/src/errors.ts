import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way the audit trail can refuse. Codes are API. */
export const AUDIT_ERRORS = {
  AUDIT_UNAVAILABLE: 'the audit trail takes no more records now, and is configured to refuse requests then',
  AUDIT_HEAD_REFUSED: 'the chain has been signed further than that, or it is no place in a chain',
  AUDIT_TARGET_UNAVAILABLE: 'an audit target does not take records',
  AUDIT_TARGET_OPTIONS_INVALID: 'an audit target cannot be configured so',
  AUDIT_TRAIL_UNREADABLE: 'the audit trail cannot be read',
} as const

export type AuditErrorCode = keyof typeof AUDIT_ERRORS

export function auditError(
  code: AuditErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: AUDIT_ERRORS[code], ...(details && { details }) }, options)
}
