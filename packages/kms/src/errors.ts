import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way a KMS connector can refuse. Codes are API. */
export const KMS_ERRORS = {
  KMS_KEY_NOT_FOUND: 'no such master key',
  KMS_KEY_EXISTS: 'a master key of this id exists',
  KMS_KEY_ID_INVALID: 'a key id is 1 to 64 of A-Z a-z 0-9 . _ -',
  KMS_KEY_DISABLED: 'the master key is not enabled',
  KMS_KEY_PENDING_DELETION: 'the master key awaits its deletion',
  KMS_KEY_NOT_PENDING_DELETION: 'the master key does not await its deletion',
  KMS_KEY_IN_USE: 'the master key still seals something',
  KMS_ALIAS_NOT_FOUND: 'no such alias',
  KMS_ALIAS_EXISTS: 'an alias of this name exists',
  KMS_ALIAS_INVALID: 'an alias is alias/ and 1 to 250 of A-Z a-z 0-9 / _ -, and not one of alias/aws/',
  KMS_GRANT_NOT_FOUND: 'no such grant',
  KMS_GRANT_TOKEN_INVALID: 'no grant token, or one of a grant that is no more',
  KMS_LIMIT_EXCEEDED: 'a master key has no room for more of these',
  KMS_QUOTA_EXCEEDED: 'an account may have no more of these',
  KMS_PENDING_DAYS_INVALID: 'a deletion waits 7 to 30 days',
  KMS_PLAINTEXT_SIZE_INVALID: 'a KMS encrypts 1 to 4,096 bytes',
  KMS_KEY_MATERIAL_INVALID: 'an imported key is 32 bytes',
  KMS_NOT_SUPPORTED: 'this KMS cannot do that',
  KMS_ACCESS_DENIED: 'the KMS refuses these credentials',
  KMS_OPTIONS_INVALID: 'the options of a KMS connector are not valid',
  KMS_CONNECTOR_NOT_FOUND: 'no such KMS connector is configured',
  KMS_CIPHERTEXT_REFUSED: 'the wrapped key does not open under this key, version and context',
  KMS_ROOT_KEY_WRONG: 'the root key is not the one that sealed this store',
  KMS_ROOT_KEY_MISSING: 'the store is sealed, and no root key was given',
  KMS_ROOT_KEY_MALFORMED: 'a root key is 32 bytes in base64',
  KMS_ROOT_KEY_REPLACED: 'the root key was replaced by somebody else meanwhile; this command has changed nothing',
  KMS_DOMAIN_KEY_OUTDATED: 'the root key was replaced while this process did not run; start it again',
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
