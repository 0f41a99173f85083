import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way an event target can fail. Codes are API. */
export const EVENT_TARGET_ERRORS = {
  EVENT_TARGET_UNAVAILABLE: 'the event target cannot be reached, or asks to be left alone for now',
  EVENT_TARGET_REFUSED: 'the event target does not take this event',
  EVENT_TARGET_SECRET_UNREADABLE: 'a file with a secret of an event target cannot be read',
} as const

export type EventTargetErrorCode = keyof typeof EVENT_TARGET_ERRORS

export function eventTargetError(
  code: EventTargetErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: EVENT_TARGET_ERRORS[code], ...(details && { details }) }, options)
}
