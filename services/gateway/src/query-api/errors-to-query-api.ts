import { isCofferError } from '@coffer/errors'
import type { Logger } from '@coffer/mesh'
import { S3Error, type S3ErrorCode } from '@coffer/s3-protocol'
import { QueryApiError, type QueryApiErrorCode, queryApiError } from './errors.ts'

/** How the refusals of the services look to a client of the IAM or STS API. What is not here is a ServiceFailure. */
const CODES: Readonly<Record<string, QueryApiErrorCode>> = {
  IAM_ACCESS_DENIED: 'AccessDenied',
  IAM_DIRECTORY_UNAVAILABLE: 'ServiceUnavailable',
  IAM_LOGIN_REFUSED: 'AccessDenied',
  IAM_DELETE_CONFLICT: 'DeleteConflict',
  IAM_ENTITY_EXISTS: 'EntityAlreadyExists',
  IAM_IDENTITY_PROVIDER_UNREACHABLE: 'IDPCommunicationError',
  IAM_IDENTITY_TOKEN_EXPIRED: 'ExpiredTokenException',
  IAM_INVALID_ACTION: 'InvalidAction',
  IAM_INVALID_IDENTITY_TOKEN: 'InvalidIdentityToken',
  IAM_INVALID_INPUT: 'InvalidInput',
  IAM_LIMIT_EXCEEDED: 'LimitExceeded',
  IAM_MALFORMED_POLICY: 'MalformedPolicyDocument',
  IAM_NO_SUCH_ENTITY: 'NoSuchEntity',
  IAM_PACKED_POLICY_TOO_LARGE: 'PackedPolicyTooLarge',
  IAM_PASSWORD_POLICY: 'PasswordPolicyViolation',
  IAM_SESSION_EXPIRED: 'ExpiredToken',
  IAM_SESSION_TOKEN_INVALID: 'InvalidClientTokenId',
  IAM_TEMPORARILY_UNMODIFIABLE: 'EntityTemporarilyUnmodifiable',
  IAM_UNMODIFIABLE_ENTITY: 'UnmodifiableEntity',
  IAM_VALIDATION_ERROR: 'ValidationError',
  KMS_UNAVAILABLE: 'ServiceUnavailable',
  AUDIT_UNAVAILABLE: 'ServiceUnavailable',
  MESH_SERVICE_UNAVAILABLE: 'ServiceUnavailable',
  META_STORE_CLOSED: 'ServiceUnavailable',
  META_UNAVAILABLE: 'ServiceUnavailable',
}

/** What the signature's parser and the reading of the body throw: they are shared with S3. */
const OF_S3: Readonly<Partial<Record<S3ErrorCode, QueryApiErrorCode>>> = {
  AccessDenied: 'SignatureDoesNotMatch',
  AuthorizationHeaderMalformed: 'IncompleteSignature',
  EntityTooLarge: 'RequestEntityTooLarge',
  IncompleteBody: 'RequestAborted',
  InvalidArgument: 'IncompleteSignature',
  InvalidRequest: 'IncompleteSignature',
  RequestTimeTooSkewed: 'RequestExpired',
  SignatureDoesNotMatch: 'SignatureDoesNotMatch',
  SlowDown: 'Throttling',
}

/** Whatever an action threw, as the error that the client is told. The cause is logged, never sent. */
export function toQueryApiError(error: unknown, logger: Logger): QueryApiError {
  if (error instanceof QueryApiError) return error
  if (error instanceof S3Error) {
    const code = OF_S3[error.code]
    if (code === 'IncompleteSignature') return queryApiError(code, { message: error.message, cause: error })
    if (code !== undefined) return queryApiError(code, { cause: error })
  }
  const code = isCofferError(error) ? CODES[error.code] : undefined
  if (isCofferError(error) && code !== undefined) {
    return queryApiError(code, { ...(error.code.startsWith('IAM_') && { message: error.message }), cause: error })
  }
  logger.error({ err: error, ...(isCofferError(error) && { code: error.code }) }, 'IAM or STS API request failed')
  return queryApiError('ServiceFailure', { cause: error })
}
