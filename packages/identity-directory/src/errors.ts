import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Failures of this package. Codes are API. */
export const DIRECTORY_ERRORS = {
  DIRECTORY_UNAVAILABLE: 'the directory of users cannot be asked now',
  DIRECTORY_OPTIONS_INVALID: 'the directory of users cannot be used as configured',
} as const

export type DirectoryErrorCode = keyof typeof DIRECTORY_ERRORS

export function directoryError(
  code: DirectoryErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: DIRECTORY_ERRORS[code], ...(details && { details }) }, options)
}
