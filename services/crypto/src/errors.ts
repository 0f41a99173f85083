import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** What the crypto engine can refuse beside the codes of the crypto core and the KMS. Codes are API. */
export const ENGINE_ERRORS = {
  ENGINE_BUCKET_KEY_NOT_FOUND: 'the bucket key that seals this object is not there',
  ENGINE_RECORD_DAMAGED: 'a stored bucket key cannot be decoded',
} as const

export function engineError(
  code: keyof typeof ENGINE_ERRORS,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: ENGINE_ERRORS[code], ...(details && { details }) }, options)
}
