import type { CofferError } from '@coffer/errors'
import { type KmsErrorCode, kmsError } from '../../errors.ts'
import { type HsmAnswer, OBJECT_MISSING } from './hsm-calls.ts'

type Failed = Extract<HsmAnswer, { kind: 'failed' }>

/** PKCS #11 v2.40 (OASIS), section 5.1, "Function return values". Those that are not here mean that the HSM is not well. */
const CODES = new Map<number, KmsErrorCode>([
  [0x040, 'KMS_CIPHERTEXT_REFUSED'], // CKR_ENCRYPTED_DATA_INVALID
  [0x041, 'KMS_CIPHERTEXT_REFUSED'], // CKR_ENCRYPTED_DATA_LEN_RANGE
  [0x042, 'KMS_CIPHERTEXT_REFUSED'], // CKR_AEAD_DECRYPT_FAILED (v3.0)
  [0x068, 'KMS_KEY_DISABLED'], // CKR_KEY_FUNCTION_NOT_PERMITTED
  [0x01b, 'KMS_ACCESS_DENIED'], // CKR_ACTION_PROHIBITED
  [0x0a0, 'KMS_ACCESS_DENIED'], // CKR_PIN_INCORRECT
  [0x0a1, 'KMS_ACCESS_DENIED'], // CKR_PIN_INVALID
  [0x0a2, 'KMS_ACCESS_DENIED'], // CKR_PIN_LEN_RANGE
  [0x0a3, 'KMS_ACCESS_DENIED'], // CKR_PIN_EXPIRED
  [0x0a4, 'KMS_ACCESS_DENIED'], // CKR_PIN_LOCKED
  [0x102, 'KMS_ACCESS_DENIED'], // CKR_USER_PIN_NOT_INITIALIZED
  [0x070, 'KMS_NOT_SUPPORTED'], // CKR_MECHANISM_INVALID
  [0x071, 'KMS_NOT_SUPPORTED'], // CKR_MECHANISM_PARAM_INVALID
  [0x054, 'KMS_NOT_SUPPORTED'], // CKR_FUNCTION_NOT_SUPPORTED
])
const PIN_REFUSALS: ReadonlySet<number> = new Set([0x0a0, 0x0a1, 0x0a2, 0x0a3, 0x0a4])
/** Said by some of a wrong tag, and by all of much else. */
const VAGUE: ReadonlySet<number> = new Set([
  0x005, // CKR_GENERAL_ERROR
  0x006, // CKR_FUNCTION_FAILED
])

export function isPinRefusal({ returnValue = -1 }: Failed): boolean {
  return PIN_REFUSALS.has(returnValue)
}

export function isVague({ returnValue = -1 }: Failed): boolean {
  return VAGUE.has(returnValue)
}

/** The error that a failed call is to Coffer. `what` is a word of ours, never of the library's. */
export function errorOfAnswer({ returnValue, what }: Failed, keyId?: string): CofferError {
  const code = (what === OBJECT_MISSING ? 'KMS_KEY_NOT_FOUND' : CODES.get(returnValue ?? -1)) ?? 'KMS_UNAVAILABLE'
  return kmsError(code, {
    ...(keyId !== undefined && { keyId }),
    ...(returnValue !== undefined && { returnValue }),
    what,
  })
}
