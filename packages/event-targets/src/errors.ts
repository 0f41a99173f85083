import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way an event target can fail. Codes are API. */
export const EVENT_TARGET_ERRORS = {
  EVENT_TARGET_UNAVAILABLE: 'the event target cannot be reached, or asks to be left alone for now',
  EVENT_TARGET_REFUSED: 'the event target does not take this event',
  EVENT_TARGET_SECRET_UNREADABLE: 'a file with a secret of an event target cannot be read',
} as const

export type EventTargetErrorCode = keyof typeof EVENT_TARGET_ERRORS

/** What a target has failed with: by its code alone, so that a third party's needs no class of ours. */
export function failureOf(
  error: unknown,
): { readonly code: EventTargetErrorCode; readonly reason?: string } | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const code = Object.keys(EVENT_TARGET_ERRORS).find((known) => known === error.code) as
    | EventTargetErrorCode
    | undefined
  const details = 'details' in error ? (error.details as { readonly reason?: unknown } | undefined) : undefined
  return code && { code, ...(typeof details?.reason === 'string' && { reason: details.reason }) }
}

export function eventTargetError(
  code: EventTargetErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: EVENT_TARGET_ERRORS[code], ...(details && { details }) }, options)
}
