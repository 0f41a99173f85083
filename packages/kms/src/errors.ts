import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a KMS connector can refuse. Codes are API. */
export const KMS_ERRORS = {
  KMS_KEY_NOT_FOUND: 'no such master key',
  KMS_KEY_EXISTS: 'a master key of this id exists',
  KMS_KEY_ID_INVALID: 'a key id is 1 to 64 of A-Z a-z 0-9 . _ -',
  KMS_KEY_DISABLED: 'the master key is not enabled',
  KMS_CIPHERTEXT_REFUSED: 'the wrapped key does not open under this key, version and context',
  KMS_ROOT_KEY_WRONG: 'the root key is not the one that sealed this store',
  KMS_ROOT_KEY_MISSING: 'the store is sealed, and no root key was given',
  KMS_ROOT_KEY_MALFORMED: 'a root key is 32 bytes in base64',
  KMS_RECORD_DAMAGED: 'a stored master key cannot be decoded',
  KMS_UNAVAILABLE: 'the KMS cannot be reached',
} as const

export type KmsErrorCode = keyof typeof KMS_ERRORS

export function kmsError(
  code: KmsErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: KMS_ERRORS[code], ...(details && { details }) }, options)
}
