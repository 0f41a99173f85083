/**
 * The error catalogue of the IAM and STS APIs: code, HTTP status, message. Codes and statuses are AWS's (IAM and STS API References, the errors of
 * each action and "Common Errors").
 */
export const QUERY_API_ERRORS = {
  AccessDenied: [403, 'You do not have sufficient access to perform this action.'],
  DeleteConflict: [409, 'Something still depends on it.'],
  EntityAlreadyExists: [409, 'There is one of this name.'],
  EntityTemporarilyUnmodifiable: [409, 'It is not to be changed for a while.'],
  ExpiredToken: [403, 'The security token included in the request is expired'],
  ExpiredTokenException: [400, 'The identity token has expired.'],
  IDPCommunicationError: [400, 'The identity provider could not be reached.'],
  IncompleteSignature: [403, 'The request signature does not conform to AWS standards.'],
  InvalidAction: [400, 'The action or operation requested is invalid.'],
  InvalidClientTokenId: [403, 'The security token included in the request is invalid.'],
  InvalidIdentityToken: [400, 'The identity token could not be validated.'],
  InvalidInput: [400, 'The input is not valid.'],
  LimitExceeded: [409, 'A quota was exceeded.'],
  MalformedPolicyDocument: [400, 'The policy document is malformed.'],
  MalformedQueryString: [400, 'The form of the request is malformed.'],
  MissingAuthenticationToken: [403, 'Request is missing Authentication Token'],
  NoSuchEntity: [404, 'There is none of this name.'],
  PackedPolicyTooLarge: [400, 'Session policies and tags are too large together.'],
  PasswordPolicyViolation: [400, 'The password does not comply with the password policy.'],
  RequestAborted: [400, 'The request ended before it was whole.'],
  RequestEntityTooLarge: [413, 'The request is larger than the server is able to process.'],
  RequestExpired: [400, 'The request is too old, or from the future.'],
  ServiceFailure: [500, 'The request processing has failed because of an unknown error, exception or failure.'],
  ServiceUnavailable: [503, 'A service cannot be reached. Try again.'],
  SignatureDoesNotMatch: [
    403,
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  ],
  Throttling: [400, 'Rate exceeded'],
  UnmodifiableEntity: [400, 'It is not to be changed here.'],
  ValidationError: [400, 'A parameter is not valid.'],
} as const satisfies Readonly<Record<string, readonly [status: number, message: string]>>

export type QueryApiErrorCode = keyof typeof QUERY_API_ERRORS

/** What a client of these APIs is told. The cause stays here. */
export class QueryApiError extends Error {
  readonly code: QueryApiErrorCode
  readonly status: number

  constructor(
    code: QueryApiErrorCode,
    { message, cause }: { readonly message?: string; readonly cause?: unknown } = {},
  ) {
    super(message ?? QUERY_API_ERRORS[code][1], { cause })
    this.name = 'QueryApiError'
    this.code = code
    this.status = QUERY_API_ERRORS[code][0]
  }
}

export function queryApiError(
  code: QueryApiErrorCode,
  options?: { readonly message?: string; readonly cause?: unknown },
): QueryApiError {
  return new QueryApiError(code, options)
}
