import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way iam can refuse. Codes are API. */
export const IAM_ERRORS = {
  IAM_ACCOUNT_EXISTS: 'an account of this name exists',
  IAM_ACCOUNT_NAME_INVALID: 'an account name is 1 to 64 of A-Z a-z 0-9 . _ @ + -',
  IAM_ACCOUNT_NOT_FOUND: 'no such account',
  IAM_ACCOUNT_OWNS_BUCKETS: 'the account owns buckets',
  IAM_ACCOUNT_OWNS_KEYS: 'the account owns master keys, which have to be deleted first',
  IAM_ACCOUNT_IS_ROOT: 'the first account cannot be removed',
  IAM_ACCESS_KEY_EXISTS: 'an access key of this id exists',
  IAM_ACCESS_KEY_INVALID: 'an access key id is 3 to 128 of A-Z a-z 0-9 . _ -, its secret 8 to 128 printable characters',
  IAM_ACCESS_DENIED: 'the principal may not do this',
  IAM_SESSION_EXPIRED: 'the temporary credentials have expired',
  IAM_SESSION_TOKEN_INVALID: 'the session token is not one of these credentials',
  IAM_PACKED_POLICY_TOO_LARGE: 'session policies and tags are too large together',
  IAM_INVALID_IDENTITY_TOKEN: 'the identity token is not believed',
  IAM_IDENTITY_TOKEN_EXPIRED: 'the identity token has expired',
  IAM_LOGIN_REFUSED: 'the user name or the password is not right',
  IAM_DIRECTORY_UNAVAILABLE: 'the directory of users cannot be asked',
  IAM_IDENTITY_PROVIDER_UNREACHABLE: 'the identity provider cannot be asked',
  IAM_DELETE_CONFLICT: 'something still depends on it',
  IAM_ENTITY_EXISTS: 'there is one of this name',
  IAM_INVALID_ACTION: 'no action of the IAM API that this server has',
  IAM_INVALID_INPUT: 'the input is not valid',
  IAM_LIMIT_EXCEEDED: 'a quota is exceeded',
  IAM_MALFORMED_POLICY: 'a policy document cannot be meant',
  IAM_NO_SUCH_ENTITY: 'there is none of this name',
  IAM_PASSWORD_POLICY: 'the password does not comply with the password policy',
  IAM_TEMPORARILY_UNMODIFIABLE: 'it is not to be changed for a while',
  IAM_UNMODIFIABLE_ENTITY: 'it is not to be changed here',
  IAM_VALIDATION_ERROR: 'a parameter is not valid',
  IAM_RECORD_DAMAGED: 'a stored identity record cannot be opened',
} as const

export function iamError(
  code: keyof typeof IAM_ERRORS,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: IAM_ERRORS[code], ...(details && { details }) }, options)
}

/** The same, in the words that a client of the IAM API is to read. */
export function refusal(
  code: keyof typeof IAM_ERRORS,
  message: string,
  details?: CofferErrorShape['details'],
): CofferError {
  return new CofferError({ code, message, ...(details && { details }) })
}
