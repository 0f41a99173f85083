import { CofferError, isCofferError } from '@coffer/errors'
import { ROTATION_ERRORS } from '../errors.ts'

/** It gets better by itself. */
const PASSING = /^(SlowDown|Throttl|TooManyRequests|RequestTimeout|RequestLimitExceeded|OperationAborted)/
/** A certificate that is not trusted does not come to be so by waiting (codes of OpenSSL and Node). */
const DISTRUST = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL|EPROTO/
const PLAIN = /^[A-Za-z0-9._-]{1,64}$/
const NOT_IMPLEMENTED = 501
const PRECONDITION_FAILED = 412

type SourceErrorCode = Extract<keyof typeof ROTATION_ERRORS, `ROTATION_SOURCE_${string}`>

/** `reason`: a short word, the provider's own code mostly. */
export function sourceError(code: SourceErrorCode, reason: string, cause?: unknown): CofferError {
  return new CofferError({ code, message: `${ROTATION_ERRORS[code]}: ${reason}`, details: { reason } }, { cause })
}

/** What the SDK threw, as ours: the provider's code and status, never its text or a header. */
export function asSourceError(error: unknown): CofferError {
  if (isCofferError(error)) return error
  const status = statusOf(error)
  const reason = [reasonOf(error), status].filter((part) => part !== undefined).join(' ')
  if (status === PRECONDITION_FAILED) return sourceError('ROTATION_SOURCE_CHANGED', reason, error)
  return sourceError(
    isPassing(error, status) ? 'ROTATION_SOURCE_UNAVAILABLE' : 'ROTATION_SOURCE_REFUSED',
    reason,
    error,
  )
}

export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error.$metadata as { httpStatusCode?: number } | undefined)?.httpStatusCode
}

function isPassing(error: unknown, status: number | undefined): boolean {
  if (status === undefined) return !DISTRUST.test(reasonOf(error))
  return (status >= 500 && status !== NOT_IMPLEMENTED) || status === 429 || PASSING.test(reasonOf(error))
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return PLAIN.test(code) ? code : 'unknown'
}
