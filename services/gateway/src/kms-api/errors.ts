/**
 * The error catalogue of the AWS KMS API: code, HTTP status, message. Codes are AWS's (AWS KMS API Reference, the errors of
 * each action and "Common Errors"), and so are the messages where AWS has one that does not name the resource.
 */
export const KMS_API_ERRORS = {
  AccessDeniedException: [400, 'You are not authorized to perform this action.'],
  AlreadyExistsException: [400, 'The resource exists already.'],
  DependencyTimeoutException: [
    503,
    'The system timed out while trying to fulfill the request. You can retry the request.',
  ],
  DisabledException: [400, 'The KMS key is disabled.'],
  DryRunOperationException: [400, 'The request would have succeeded, but the DryRun option is set.'],
  IncompleteSignatureException: [400, 'The request signature does not conform to AWS standards.'],
  IncorrectKeyException: [
    400,
    'The key ID in the request does not identify a CMK that can perform this operation: it is not the one that encrypted the ciphertext.',
  ],
  InvalidAliasNameException: [400, 'The alias name is not valid.'],
  InvalidArnException: [400, 'The ARN is not valid.'],
  InvalidCiphertextException: [
    400,
    'The ciphertext is not one of this service, was changed, or has another encryption context.',
  ],
  InvalidGrantIdException: [400, 'The grant id is not valid.'],
  InvalidGrantTokenException: [400, 'The grant token is not valid.'],
  InvalidMarkerException: [400, 'The marker that specifies where pagination should next begin is not valid.'],
  InvalidSignatureException: [
    400,
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  ],
  KMSInternalException: [500, 'The request was rejected because an internal exception occurred. You can retry it.'],
  KMSInvalidStateException: [400, 'The state of the KMS key is not valid for this request.'],
  LimitExceededException: [400, 'A length or other quota was exceeded.'],
  MalformedPolicyDocumentException: [400, 'The policy is not a JSON object.'],
  MissingAuthenticationTokenException: [400, 'Missing Authentication Token'],
  NotFoundException: [400, 'The KMS key or alias does not exist.'],
  RequestAbortedException: [400, 'The request ended before it was whole.'],
  RequestEntityTooLargeException: [413, 'The request is larger than the server is able to process.'],
  SerializationException: [400, 'The body of the request is not a JSON object.'],
  ThrottlingException: [400, 'Rate exceeded'],
  TagException: [400, 'A tag is not valid.'],
  UnknownOperationException: [400, 'The action is unknown, or not one that this server has.'],
  ExpiredTokenException: [400, 'The security token included in the request is expired'],
  UnrecognizedClientException: [400, 'The security token included in the request is invalid.'],
  UnsupportedOperationException: [400, 'A specified parameter is not supported.'],
  ValidationException: [400, 'The input does not satisfy the constraints of the API.'],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>

export type KmsApiErrorCode = keyof typeof KMS_API_ERRORS

/** What a client of the KMS API is told. The cause stays here. */
export class KmsApiError extends Error {
  readonly code: KmsApiErrorCode
  readonly status: number
  /** Seconds after which another attempt may succeed. */
  readonly retryAfterSeconds?: number

  constructor(code: KmsApiErrorCode, options: KmsApiErrorOptions = {}) {
    const [status, message] = KMS_API_ERRORS[code]
    super(options.message ?? message, { cause: options.cause })
    this.name = 'KmsApiError'
    this.code = code
    this.status = status
    if (status === 503) this.retryAfterSeconds = 1
  }
}

export interface KmsApiErrorOptions {
  readonly message?: string
  readonly cause?: unknown
}

export function kmsApiError(code: KmsApiErrorCode, options?: KmsApiErrorOptions): KmsApiError {
  return new KmsApiError(code, options)
}
