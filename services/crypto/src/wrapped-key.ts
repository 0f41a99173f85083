import type { WrappedKey } from '@coffer/kms'
import { engineError } from './errors.ts'

const FORMAT = 1

/** A wrapped key as it is stored. */
export function encodeWrappedKey(wrapped: WrappedKey): Uint8Array {
  const { connector, keyId, keyVersion } = wrapped
  const ciphertext = Buffer.from(wrapped.ciphertext).toString('base64')
  return Buffer.from(JSON.stringify({ format: FORMAT, connector, keyId, keyVersion, ciphertext }))
}

/** ENGINE_RECORD_DAMAGED. */
export function decodeWrappedKey(value: Uint8Array): WrappedKey {
  try {
    const { format, ciphertext, ...rest } = JSON.parse(Buffer.from(value).toString())
    if (format === FORMAT) return { ...rest, ciphertext: Buffer.from(ciphertext, 'base64') }
  } catch (cause) {
    throw engineError('ENGINE_RECORD_DAMAGED', undefined, { cause })
  }
  throw engineError('ENGINE_RECORD_DAMAGED')
}
