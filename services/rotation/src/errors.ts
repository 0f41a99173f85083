import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a job can end early. Codes are API. */
export const ROTATION_ERRORS = {
  ROTATION_TOO_MANY_FAILURES: 'the job was ended, as too much of it failed; what is done stays done',
  ROTATION_REQUEST_INVALID: 'that is not a job that can be done',
  ROTATION_BUCKET_NOT_FOUND: 'the bucket that the job is about is not there',
  ROTATION_DESTINATION_REFUSED: 'the destination of a replication does not take the version',
  ROTATION_SOURCE_CONFIGURATION_INVALID: 'the source of objects to be adopted cannot be used as configured',
  ROTATION_SOURCE_UNAVAILABLE: 'the source does not answer',
  ROTATION_SOURCE_REFUSED: 'the source does not give this',
  ROTATION_SOURCE_NEEDS_KEY: "it is under a customer's key (SSE-C), which the source does not open without that key",
  ROTATION_SOURCE_CHANGED: 'it was changed at the source meanwhile; another run takes it',
  ROTATION_SOURCE_DAMAGED: 'what arrived is not what the source says',
  ROTATION_SOURCE_LOCKED: 'it is locked at the source, and the bucket here has no Object Lock',
  ROTATION_SOURCE_OUT_OF_ORDER: 'the version can not be put below a newer one',
  ROTATION_DESTINATION_UNAVAILABLE: 'the destination of a replication does not answer',
} as const

export function rotationError(
  code: keyof typeof ROTATION_ERRORS,
  details: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: ROTATION_ERRORS[code], ...(details && { details }) }, options)
}

/** Found out when the job is run: who looks at it is told what to do. */
export function impossibleRequest(kind: string, at: string, why: string): CofferError {
  const code = 'ROTATION_REQUEST_INVALID'
  return new CofferError({ code, message: `${ROTATION_ERRORS[code]}: ${at}: ${why}`, details: { kind, at, why } })
}
