import { type CofferError, isCofferError } from '@coffer/errors'
import { type KmsErrorCode, kmsError } from '../../errors.ts'

/**
 * What the names of AWS's errors mean (KMS API Reference, the errors of each action, and "Common Error Types"; AWS SDK for
 * JavaScript v3, credential providers). Whatever is not here is KMS_UNAVAILABLE: throttling, AWS's own failures, no answer.
 */
const CODES: Readonly<Record<string, KmsErrorCode>> = {
  NotFoundException: 'KMS_KEY_NOT_FOUND',
  AlreadyExistsException: 'KMS_KEY_EXISTS',
  DisabledException: 'KMS_KEY_DISABLED',
  InvalidCiphertextException: 'KMS_CIPHERTEXT_REFUSED',
  IncorrectKeyException: 'KMS_CIPHERTEXT_REFUSED',
  InvalidKeyUsageException: 'KMS_NOT_SUPPORTED',
  UnsupportedOperationException: 'KMS_NOT_SUPPORTED',
  LimitExceededException: 'KMS_NOT_SUPPORTED',
  // The caller's fault, not AWS's: a context that is too long.
  ValidationException: 'KMS_NOT_SUPPORTED',
  InvalidArnException: 'KMS_OPTIONS_INVALID',
  InvalidAliasNameException: 'KMS_OPTIONS_INVALID',
  AccessDeniedException: 'KMS_ACCESS_DENIED',
  AccessDenied: 'KMS_ACCESS_DENIED',
  NotAuthorized: 'KMS_ACCESS_DENIED',
  OptInRequired: 'KMS_ACCESS_DENIED',
  UnrecognizedClientException: 'KMS_ACCESS_DENIED',
  InvalidClientTokenId: 'KMS_ACCESS_DENIED',
  InvalidSignatureException: 'KMS_ACCESS_DENIED',
  SignatureDoesNotMatch: 'KMS_ACCESS_DENIED',
  IncompleteSignature: 'KMS_ACCESS_DENIED',
  MissingAuthenticationToken: 'KMS_ACCESS_DENIED',
  MissingAuthenticationTokenException: 'KMS_ACCESS_DENIED',
  ExpiredToken: 'KMS_ACCESS_DENIED',
  ExpiredTokenException: 'KMS_ACCESS_DENIED',
  InvalidIdentityToken: 'KMS_ACCESS_DENIED',
  InvalidIdentityTokenException: 'KMS_ACCESS_DENIED',
  IDPRejectedClaim: 'KMS_ACCESS_DENIED',
  IDPRejectedClaimException: 'KMS_ACCESS_DENIED',
  UnauthorizedException: 'KMS_ACCESS_DENIED',
  CredentialsProviderError: 'KMS_ACCESS_DENIED',
  TokenProviderError: 'KMS_ACCESS_DENIED',
}

/** Of the key's state something is in the way; only DescribeKey says what. */
const STATE_INVALID = 'KMSInvalidStateException'
/** A rotation is under way or about to begin (KMS API Reference, RotateKeyOnDemand). */
const CONFLICT = 'ConflictException'
/** Kept in a detail, as they say what to do: a quota, a limit, too many calls. */
const TOLD = new Set([
  'LimitExceededException',
  'UnsupportedOperationException',
  'ValidationException',
  'ThrottlingException',
  STATE_INVALID,
  CONFLICT,
])

/** Only names that are known here go on: a message, a field or a cause of the SDK may hold what was sent or answered. */
export function cofferErrorOf(error: unknown, details: Readonly<Record<string, string>>): CofferError {
  if (isCofferError(error)) return error
  const name = nameOf(error)
  const told = TOLD.has(name) ? { awsError: name } : {}
  return kmsError(Object.hasOwn(CODES, name) ? (CODES[name] ?? 'KMS_UNAVAILABLE') : 'KMS_UNAVAILABLE', {
    ...details,
    ...told,
  })
}

export function isStateInvalid(error: unknown): boolean {
  return isCofferError(error) && error.details.awsError === STATE_INVALID
}

export function isConflict(error: unknown): boolean {
  return isCofferError(error) && error.details.awsError === CONFLICT
}

function nameOf(error: unknown): string {
  try {
    const { name } = error as { name?: unknown }
    return typeof name === 'string' ? name : ''
  } catch {
    return ''
  }
}
