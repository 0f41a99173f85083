import { createCipheriv, createDecipheriv, timingSafeEqual } from 'node:crypto'
import { extractAndExpand } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeFields, type Field } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { fillPublicRandom } from './random.ts'
import { Secret } from './secret.ts'

/** What an envelope holds and who has its key. Stands in its second byte and in the derivation of its key. */
export const ENVELOPE_KIND = { objectKey: 1, customerObjectKey: 2, wrappedSecret: 3 } as const
export type EnvelopeKind = (typeof ENVELOPE_KIND)[keyof typeof ENVELOPE_KIND]

const FORMAT = 1
const KEY_BYTES = 32
const SALT_BYTES = 32
const COMMITMENT_BYTES = 32
const TAG_BYTES = 16
const SALT_AT = 2
const COMMITMENT_AT = SALT_AT + SALT_BYTES
const CIPHERTEXT_AT = COMMITMENT_AT + COMMITMENT_BYTES
const LABEL = 'coffer/v1 envelope'

/**
 * 96 bits of zero (NIST SP 800-38D, section 8.2). Each key-encryption key comes from a salt of 256 random bits and seals one
 * envelope; what must not repeat is the pair of key and nonce (section 8), and it doesn't.
 */
const NONCE = Buffer.alloc(12)

/** Purpose: goes into the key. Context: goes into the additional data. */
export interface EnvelopeBinding {
  readonly kind: EnvelopeKind
  readonly purpose: string
  readonly context: readonly Field[]
}

/**
 * Seals a secret under a 256-bit key: HKDF-SHA-256 of the key with a random salt gives a key for AES-256-GCM and a commitment
 * to the key, as GCM alone does not commit (Albertini, Duong, Gueron, Kölbl, Luykx, Schmieg: How to Abuse and Fix
 * Authenticated Encryption Without Key Commitment, 2022). FORMAT.md, section 3.
 */
export function sealEnvelope(secret: Secret, key: Secret, binding: EnvelopeBinding): Uint8Array {
  const clear = Buffer.allocUnsafe(CIPHERTEXT_AT)
  clear.writeUInt8(FORMAT, 0)
  clear.writeUInt8(binding.kind, 1)
  fillPublicRandom(clear, SALT_AT, SALT_BYTES)
  const derived = deriveEnvelope(key, clear, binding)
  derived.copy(clear, COMMITMENT_AT, KEY_BYTES)
  const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, KEY_BYTES), NONCE)
  derived.fill(0)
  cipher.setAAD(encodeFields(clear, ...binding.context))
  const ciphertext = cipher.update(insecureExportKeyBytes(secret))
  cipher.final()
  return Buffer.concat([clear, ciphertext, cipher.getAuthTag()])
}

/** CRYPTO_WRONG_KEY: another key or purpose. CRYPTO_DAMAGED: changed, of another kind or context. */
export function openEnvelope(sealed: Uint8Array, key: Secret, binding: EnvelopeBinding): Secret {
  const tagAt = sealed.length - TAG_BYTES
  if (tagAt < CIPHERTEXT_AT || sealed[0] !== FORMAT || sealed[1] !== binding.kind) throw cryptoError('CRYPTO_DAMAGED')
  const clear = sealed.subarray(0, CIPHERTEXT_AT)
  const derived = deriveEnvelope(key, clear, binding)
  const committed = timingSafeEqual(derived.subarray(KEY_BYTES), clear.subarray(COMMITMENT_AT))
  const decipher = createDecipheriv('aes-256-gcm', derived.subarray(0, KEY_BYTES), NONCE, { authTagLength: TAG_BYTES })
  derived.fill(0)
  if (!committed) throw cryptoError('CRYPTO_WRONG_KEY')
  decipher.setAAD(encodeFields(clear, ...binding.context))
  decipher.setAuthTag(sealed.subarray(tagAt))
  const secret = decipher.update(sealed.subarray(CIPHERTEXT_AT, tagAt))
  try {
    decipher.final()
  } catch (cause) {
    secret.fill(0)
    throw cryptoError('CRYPTO_DAMAGED', undefined, { cause })
  }
  return Secret.take(secret)
}

/** Key-encryption key (32 bytes), then commitment (32 bytes). The caller wipes it. */
function deriveEnvelope(key: Secret, clear: Uint8Array, binding: EnvelopeBinding): Buffer {
  if (key.lengthBytes !== KEY_BYTES) throw cryptoError('CRYPTO_KEY_LENGTH')
  const salt = clear.subarray(SALT_AT, COMMITMENT_AT)
  const info = encodeFields(LABEL, binding.kind, binding.purpose)
  return extractAndExpand(insecureExportKeyBytes(key), salt, info, KEY_BYTES + COMMITMENT_BYTES)
}
