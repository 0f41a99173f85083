import { CofferError } from '@coffer/errors'

/** Codes are API. */
export const TRACING_ERRORS = {
  TRACING_SETTINGS_INVALID: 'traces cannot be sent as configured',
} as const

export type TracingErrorCode = keyof typeof TRACING_ERRORS

/** `why` is added to the table's sentence: what exactly. */
export function tracingError(code: TracingErrorCode, why: string, options?: { cause?: unknown }): CofferError {
  return new CofferError({ code, message: `${TRACING_ERRORS[code]}: ${why}` }, options)
}
