import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way iam can refuse. Codes are API. */
export const IAM_ERRORS = {
  IAM_ACCOUNT_EXISTS: 'an account of this name exists',
  IAM_ACCOUNT_NAME_INVALID: 'an account name is 1 to 64 of A-Z a-z 0-9 . _ @ + -',
  IAM_ACCOUNT_NOT_FOUND: 'no such account',
  IAM_ACCOUNT_OWNS_BUCKETS: 'the account owns buckets',
  IAM_ACCOUNT_IS_ROOT: 'the first account cannot be removed',
  IAM_ACCESS_KEY_EXISTS: 'an access key of this id exists',
  IAM_ACCESS_KEY_INVALID: 'an access key id is 3 to 128 of A-Z a-z 0-9 . _ -, its secret 8 to 128 printable characters',
  IAM_RECORD_DAMAGED: 'a stored identity record cannot be opened',
} as const

export function iamError(
  code: keyof typeof IAM_ERRORS,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: IAM_ERRORS[code], ...(details && { details }) }, options)
}
