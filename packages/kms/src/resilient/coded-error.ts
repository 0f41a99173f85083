import { type CofferError, isCofferError } from '@coffer/errors'
import { KMS_ERRORS, type KmsErrorCode, kmsError } from '../errors.ts'

/**
 * A CofferError as it is. Of anything else nothing is kept but a code of ours, as a plugin with its own copy of
 * `@coffer/errors` throws: a client library's message, fields and cause may hold the request, and the request a secret.
 * Undefined if there is no code.
 */
export function codedError(error: unknown): CofferError | undefined {
  if (isCofferError(error)) return error
  const code = kmsCodeOf(error)
  return code && kmsError(code)
}

function kmsCodeOf(error: unknown): KmsErrorCode | undefined {
  try {
    const { code } = error as { code?: unknown }
    return typeof code === 'string' && Object.hasOwn(KMS_ERRORS, code) ? (code as KmsErrorCode) : undefined
  } catch {
    return undefined // Of null, of undefined, or by a getter that throws.
  }
}
