import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto'
import type { DataAlgorithm } from './algorithms.ts'
import { expandKey, extractAndExpandKey } from './derive.ts'
import { cryptoError } from './errors.ts'
import { encodeContext, encodeFields } from './fields.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { Secret } from './secret.ts'

/** What a sealed object key is bound to: moved to any other object, version or context it does not open. */
export interface SealContext {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
  readonly algorithm: DataAlgorithm
  readonly encryptionContext?: Readonly<Record<string, string>>
}

/** Who holds the sealing key: it decides how the key-encryption key is derived, and stands in the record. */
const KIND_KMS = 1
const KIND_CUSTOMER = 2
type SealKind = typeof KIND_KMS | typeof KIND_CUSTOMER

const FORMAT = 1
const KEY_BYTES = 32
const SALT_BYTES = 32
const COMMITMENT_BYTES = 32
const TAG_BYTES = 16
const SALT_AT = 2
const COMMITMENT_AT = SALT_AT + SALT_BYTES
const CIPHERTEXT_AT = COMMITMENT_AT + COMMITMENT_BYTES
const TAG_AT = CIPHERTEXT_AT + KEY_BYTES
const SEALED_BYTES = TAG_AT + TAG_BYTES

/**
 * The nonce of a seal. Each key-encryption key is derived from a salt of 256 random bits and used once, so the nonce may be
 * fixed (NIST SP 800-38D, section 8: what must not repeat is the pair).
 */
const NONCE = Buffer.alloc(12)
const LABEL = 'coffer/v1 object key'

/** A fresh object key (OEK): 256 random bits, for one object version. */
export function generateObjectKey(): Secret {
  return Secret.random(KEY_BYTES)
}

/**
 * Seals an object key under a uniformly random 256-bit key (bucket key or KMS data key). FORMAT.md, section 3.
 *
 *     const sealed = sealObjectKey(objectKey, bucketKey, { bucketId, key, versionId, algorithm })
 *     openObjectKey(sealed, bucketKey, { bucketId, key, versionId, algorithm }).equals(objectKey)   // true
 */
export function sealObjectKey(objectKey: Secret, sealingKey: Secret, context: SealContext): Uint8Array {
  return seal(KIND_KMS, objectKey, sealingKey, context)
}

/** CRYPTO_WRONG_KEY: sealed under another key. CRYPTO_DAMAGED: changed, or of another object. */
export function openObjectKey(sealed: Uint8Array, sealingKey: Secret, context: SealContext): Secret {
  return open(KIND_KMS, sealed, sealingKey, context)
}

/** Seals an object key under a client's own key (SSE-C): like `sealObjectKey`, with HKDF-Extract before. */
export function sealObjectKeyForCustomer(objectKey: Secret, customerKey: Secret, context: SealContext): Uint8Array {
  return seal(KIND_CUSTOMER, objectKey, customerKey, context)
}

/** CRYPTO_WRONG_KEY: not the client's key that sealed it. CRYPTO_DAMAGED: changed, or of another object. */
export function openObjectKeyForCustomer(sealed: Uint8Array, customerKey: Secret, context: SealContext): Secret {
  return open(KIND_CUSTOMER, sealed, customerKey, context)
}

function seal(kind: SealKind, objectKey: Secret, sealingKey: Secret, context: SealContext): Uint8Array {
  assertKeyLength(objectKey)
  const sealed = Buffer.allocUnsafe(SEALED_BYTES)
  sealed.writeUInt8(FORMAT, 0)
  sealed.writeUInt8(kind, 1)
  const salt = randomBytes(SALT_BYTES)
  sealed.set(salt, SALT_AT)
  const { keyEncryptionKey, commitment } = deriveSealing(kind, sealingKey, salt)
  sealed.set(commitment, COMMITMENT_AT)
  const cipher = createCipheriv('aes-256-gcm', keyEncryptionKey, NONCE)
  cipher.setAAD(additionalData(sealed, context))
  sealed.set(cipher.update(insecureExportKeyBytes(objectKey)), CIPHERTEXT_AT)
  cipher.final()
  sealed.set(cipher.getAuthTag(), TAG_AT)
  keyEncryptionKey.fill(0)
  return sealed
}

function open(kind: SealKind, sealed: Uint8Array, sealingKey: Secret, context: SealContext): Secret {
  if (sealed.length !== SEALED_BYTES || sealed[0] !== FORMAT || sealed[1] !== kind) throw cryptoError('CRYPTO_DAMAGED')
  const salt = sealed.subarray(SALT_AT, COMMITMENT_AT)
  const { keyEncryptionKey, commitment } = deriveSealing(kind, sealingKey, salt)
  // GCM does not commit to its key: the commitment does, and tells a wrong key from damage.
  if (!timingSafeEqual(commitment, sealed.subarray(COMMITMENT_AT, CIPHERTEXT_AT))) throw cryptoError('CRYPTO_WRONG_KEY')
  const decipher = createDecipheriv('aes-256-gcm', keyEncryptionKey, NONCE, { authTagLength: TAG_BYTES })
  decipher.setAAD(additionalData(sealed, context))
  decipher.setAuthTag(sealed.subarray(TAG_AT))
  const objectKey = decipher.update(sealed.subarray(CIPHERTEXT_AT, TAG_AT))
  try {
    decipher.final()
  } catch (cause) {
    objectKey.fill(0)
    throw cryptoError('CRYPTO_DAMAGED', undefined, { cause })
  } finally {
    keyEncryptionKey.fill(0)
  }
  return Secret.take(objectKey)
}

function deriveSealing(
  kind: SealKind,
  sealingKey: Secret,
  salt: Uint8Array,
): { keyEncryptionKey: Buffer; commitment: Buffer } {
  assertKeyLength(sealingKey)
  const key = insecureExportKeyBytes(sealingKey)
  const info = encodeFields(LABEL, kind, salt)
  const derived =
    kind === KIND_CUSTOMER
      ? extractAndExpandKey(key, salt, info, KEY_BYTES + COMMITMENT_BYTES)
      : expandKey(key, info, 2)
  return { keyEncryptionKey: derived.subarray(0, KEY_BYTES), commitment: derived.subarray(KEY_BYTES) }
}

/** The clear bytes of the record, then the context. */
function additionalData(sealed: Uint8Array, context: SealContext): Uint8Array {
  return encodeFields(
    sealed.subarray(0, CIPHERTEXT_AT),
    context.bucketId,
    context.key,
    context.versionId,
    context.algorithm,
    encodeContext(context.encryptionContext ?? {}),
  )
}

function assertKeyLength(key: Secret): void {
  if (key.lengthBytes !== KEY_BYTES) throw cryptoError('CRYPTO_KEY_LENGTH')
}
