import {
  type CipherChaCha20Poly1305,
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  type DecipherChaCha20Poly1305,
  type DecipherGCM,
} from 'node:crypto'
import type { DataAlgorithmRow } from './algorithms.ts'
import { cryptoError } from './errors.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import type { Secret } from './secret.ts'
import { segmentNonce, TAG_SIZE_BYTES } from './stream-format.ts'

const OPTIONS = { authTagLength: TAG_SIZE_BYTES }

/** A cipher for one segment. node:crypto types the two algorithms apart; they are called alike. */
export function segmentCipher(
  algorithm: DataAlgorithmRow,
  key: Secret,
  segmentIndex: number,
  isFinal: boolean,
): CipherGCM | CipherChaCha20Poly1305 {
  const keyBytes = insecureExportKeyBytes(key)
  const nonce = segmentNonce(segmentIndex, isFinal)
  return algorithm.nodeName === 'aes-256-gcm'
    ? createCipheriv(algorithm.nodeName, keyBytes, nonce, OPTIONS)
    : createCipheriv(algorithm.nodeName, keyBytes, nonce, OPTIONS)
}

/** Opens one segment (ciphertext and tag). The plaintext is returned only after its tag has been checked. */
export function openSegment(
  algorithm: DataAlgorithmRow,
  key: Secret,
  segmentIndex: number,
  isFinal: boolean,
  sealed: Uint8Array,
): Buffer {
  if (sealed.length < TAG_SIZE_BYTES) throw cryptoError('CRYPTO_SEGMENT_TRUNCATED', { segmentIndex })
  const keyBytes = insecureExportKeyBytes(key)
  const nonce = segmentNonce(segmentIndex, isFinal)
  const decipher: DecipherGCM | DecipherChaCha20Poly1305 =
    algorithm.nodeName === 'aes-256-gcm'
      ? createDecipheriv(algorithm.nodeName, keyBytes, nonce, OPTIONS)
      : createDecipheriv(algorithm.nodeName, keyBytes, nonce, OPTIONS)
  const tagAt = sealed.length - TAG_SIZE_BYTES
  decipher.setAuthTag(sealed.subarray(tagAt))
  const plain = decipher.update(sealed.subarray(0, tagAt))
  try {
    decipher.final()
  } catch (cause) {
    plain.fill(0)
    throw cryptoError('CRYPTO_SEGMENT_DAMAGED', { segmentIndex }, { cause })
  }
  return plain
}
