import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto'
import { expandKey } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeContext, encodeFields } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { Secret } from './secret.ts'

const FORMAT = 1
const SALT_BYTES = 32
const COMMITMENT_BYTES = 32
const TAG_BYTES = 16
const COMMITMENT_AT = 1 + SALT_BYTES
const CIPHERTEXT_AT = COMMITMENT_AT + COMMITMENT_BYTES
const NONCE = Buffer.alloc(12)
const LABEL = 'coffer/v1 wrapped secret'

/**
 * Wraps any secret under a uniformly random 256-bit key, bound to a purpose and a context: the root key over master keys, a
 * master key over data keys, the IAM key over access keys. A fresh key-encryption key for each wrap, as in `object-key.ts`.
 * FORMAT.md, section 6.
 */
export function wrapSecret(
  secret: Secret,
  wrappingKey: Secret,
  purpose: string,
  context: Readonly<Record<string, string>>,
): Uint8Array {
  const clear = Buffer.allocUnsafe(CIPHERTEXT_AT)
  clear.writeUInt8(FORMAT, 0)
  const salt = randomBytes(SALT_BYTES)
  clear.set(salt, 1)
  const { key, commitment } = deriveWrapping(wrappingKey, purpose, salt)
  clear.set(commitment, COMMITMENT_AT)
  const cipher = createCipheriv('aes-256-gcm', key, NONCE)
  cipher.setAAD(encodeFields(clear, encodeContext(context)))
  const ciphertext = cipher.update(insecureExportKeyBytes(secret))
  cipher.final()
  key.fill(0)
  return Buffer.concat([clear, ciphertext, cipher.getAuthTag()])
}

/** CRYPTO_WRONG_KEY: wrapped under another key or for another purpose. CRYPTO_DAMAGED: changed, or of another context. */
export function unwrapSecret(
  wrapped: Uint8Array,
  wrappingKey: Secret,
  purpose: string,
  context: Readonly<Record<string, string>>,
): Secret {
  if (wrapped.length < CIPHERTEXT_AT + TAG_BYTES || wrapped[0] !== FORMAT) throw cryptoError('CRYPTO_DAMAGED')
  const clear = wrapped.subarray(0, CIPHERTEXT_AT)
  const { key, commitment } = deriveWrapping(wrappingKey, purpose, clear.subarray(1, COMMITMENT_AT))
  if (!timingSafeEqual(commitment, clear.subarray(COMMITMENT_AT))) throw cryptoError('CRYPTO_WRONG_KEY')
  const tagAt = wrapped.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAAD(encodeFields(clear, encodeContext(context)))
  decipher.setAuthTag(wrapped.subarray(tagAt))
  const secret = decipher.update(wrapped.subarray(CIPHERTEXT_AT, tagAt))
  try {
    decipher.final()
  } catch (cause) {
    secret.fill(0)
    throw cryptoError('CRYPTO_DAMAGED', undefined, { cause })
  } finally {
    key.fill(0)
  }
  return Secret.take(secret)
}

function deriveWrapping(wrappingKey: Secret, purpose: string, salt: Uint8Array): { key: Buffer; commitment: Buffer } {
  if (wrappingKey.lengthBytes !== 32) throw cryptoError('CRYPTO_KEY_LENGTH')
  const derived = expandKey(insecureExportKeyBytes(wrappingKey), encodeFields(LABEL, purpose, salt), 2)
  return { key: derived.subarray(0, 32), commitment: derived.subarray(32) }
}
