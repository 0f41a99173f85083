import { type CofferError, isCofferError } from '@coffer/errors'
import type { Logger } from '@coffer/mesh'
import { S3Error, type S3ErrorCode } from '@coffer/s3-protocol'
import { KmsApiError, type KmsApiErrorCode, kmsApiError } from './errors.ts'

/** How the refusals of the services look to a client of the KMS API. What is not here is a KMSInternalException. */
const KMS_API_CODES: Readonly<Record<string, KmsApiErrorCode>> = {
  IAM_SESSION_EXPIRED: 'ExpiredTokenException',
  IAM_SESSION_TOKEN_INVALID: 'UnrecognizedClientException',
  KMS_KEY_NOT_FOUND: 'NotFoundException',
  KMS_KEY_ID_INVALID: 'NotFoundException',
  KMS_ALIAS_NOT_FOUND: 'NotFoundException',
  KMS_CONNECTOR_NOT_FOUND: 'NotFoundException',
  KMS_KEY_EXISTS: 'AlreadyExistsException',
  KMS_ALIAS_EXISTS: 'AlreadyExistsException',
  KMS_ALIAS_INVALID: 'InvalidAliasNameException',
  KMS_GRANT_NOT_FOUND: 'NotFoundException',
  KMS_GRANT_TOKEN_INVALID: 'InvalidGrantTokenException',
  KMS_LIMIT_EXCEEDED: 'LimitExceededException',
  KMS_QUOTA_EXCEEDED: 'LimitExceededException',
  KMS_KEY_DISABLED: 'DisabledException',
  KMS_KEY_PENDING_DELETION: 'KMSInvalidStateException',
  KMS_KEY_NOT_PENDING_DELETION: 'KMSInvalidStateException',
  KMS_KEY_IN_USE: 'KMSInvalidStateException',
  KMS_NOT_SUPPORTED: 'UnsupportedOperationException',
  KMS_CIPHERTEXT_REFUSED: 'InvalidCiphertextException',
  KMS_UNAVAILABLE: 'DependencyTimeoutException',
  KMS_ACCESS_DENIED: 'AccessDeniedException',
  AUDIT_UNAVAILABLE: 'DependencyTimeoutException',
  MESH_SERVICE_UNAVAILABLE: 'DependencyTimeoutException',
  META_STORE_CLOSED: 'DependencyTimeoutException',
  META_UNAVAILABLE: 'DependencyTimeoutException',
}

/** What the signature's parser and the reading of the body throw: they are shared with S3. */
const OF_S3: Readonly<Partial<Record<S3ErrorCode, KmsApiErrorCode>>> = {
  AccessDenied: 'InvalidSignatureException',
  AuthorizationHeaderMalformed: 'IncompleteSignatureException',
  EntityTooLarge: 'RequestEntityTooLargeException',
  IncompleteBody: 'RequestAbortedException',
  InvalidArgument: 'IncompleteSignatureException',
  InvalidRequest: 'IncompleteSignatureException',
  RequestTimeTooSkewed: 'InvalidSignatureException',
  SignatureDoesNotMatch: 'InvalidSignatureException',
  SlowDown: 'ThrottlingException',
}

/** Whatever an operation threw, as the error that the client is told. The cause is logged, never sent. */
export function toKmsApiError(error: unknown, logger: Logger): KmsApiError {
  if (error instanceof KmsApiError) return error
  if (error instanceof S3Error && OF_S3[error.code] !== undefined) return ofS3(error, OF_S3[error.code])
  const code = isCofferError(error) ? KMS_API_CODES[error.code] : undefined
  if (isCofferError(error, 'KMS_ACCESS_DENIED')) {
    logger.error({ audit: 'keys', details: error.details }, 'a KMS refuses the use of a key')
  }
  if (isCofferError(error) && code !== undefined) return kmsApiError(code, { ...messageOf(error), cause: error })
  if (isCofferError(error, 'KMS_RECORD_DAMAGED')) {
    logger.error({ audit: 'integrity', code: error.code, details: error.details }, 'stored data is damaged')
  } else {
    logger.error({ err: error, ...(isCofferError(error) && { code: error.code }) }, 'KMS API request failed')
  }
  return kmsApiError('KMSInternalException', { cause: error })
}

function ofS3(error: S3Error, code: KmsApiErrorCode = 'KMSInternalException'): KmsApiError {
  // S3's words fit where they say what of the signature is wrong; a wrong one is told in the words of KMS.
  const saysMore = code === 'IncompleteSignatureException' || error.code === 'RequestTimeTooSkewed'
  return kmsApiError(code, { ...(saysMore && { message: error.message }), cause: error })
}

function messageOf({ code, message, details }: CofferError): { readonly message?: string } {
  if (code === 'KMS_KEY_IN_USE') {
    return {
      message: `${details.keyId} is still needed by this server (${details.objectCount} objects): rewrap what it seals under another key first.`,
    }
  }
  if (code === 'KMS_QUOTA_EXCEEDED') {
    return { message: `The account has reached its quota of ${details.quota}: it may have ${details.max}.` }
  }
  const named = details.keyId ?? details.alias ?? details.grantId
  return KMS_API_CODES[code] === 'DependencyTimeoutException' || named === undefined
    ? {}
    : { message: `${String(named)}: ${message}.` }
}
