import { CofferError, type CofferErrorShape } from '@coffer/errors'

/** Every way the crypto core can refuse. Codes are API. */
export const CRYPTO_ERRORS = {
  CRYPTO_SECRET_WIPED: 'the secret has been wiped',
  CRYPTO_KEY_LENGTH: 'the key has not the length that its algorithm needs',
  CRYPTO_WRONG_KEY: 'this is not the key that sealed it',
  CRYPTO_DAMAGED: 'the sealed bytes are not the ones that were sealed, or belong to something else',
  CRYPTO_RECORD_DAMAGED: 'the sealed record is not the one that was written here',
  CRYPTO_HEADER_UNKNOWN: 'not a sealed stream of a known version',
  CRYPTO_HEADER_USED: 'a stream was sealed with this header before: its nonces would repeat',
  CRYPTO_STREAM_MISMATCH: 'a sealed stream, but not the one that belongs here',
  CRYPTO_SEGMENT_DAMAGED: 'a segment is not the one that was sealed at this place',
  CRYPTO_SEGMENT_TRUNCATED: 'a sealed stream of this length does not exist: its end is missing',
  CRYPTO_STREAM_ENDED: 'the stream has already been given its final bytes, or not the number that was announced',
  CRYPTO_SIZE_INVALID: 'no stream has this plaintext size, or no such range',
  CRYPTO_FIELD_INVALID: 'a number that is no integer, or text with a lone surrogate, which UTF-8 cannot carry',
  CRYPTO_NOT_APPROVED: 'the algorithm is not approved in FIPS mode',
  CRYPTO_PARCEL_REFUSED: 'the key parcel was not sealed for this process and purpose',
} as const

export type CryptoErrorCode = keyof typeof CRYPTO_ERRORS

export function cryptoError(
  code: CryptoErrorCode,
  details?: CofferErrorShape['details'],
  options?: { cause?: unknown },
): CofferError {
  return new CofferError({ code, message: CRYPTO_ERRORS[code], ...(details && { details }) }, options)
}
