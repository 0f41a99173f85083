import {
  type CipherChaCha20Poly1305,
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  type DecipherChaCha20Poly1305,
  type DecipherGCM,
} from 'node:crypto'
import { invariant } from '@coffer/errors'
import type { DataAlgorithmRow } from './algorithms.ts'
import { cryptoError } from './errors.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import type { Secret } from './secret.ts'
import { type StreamKeys, segmentNonce, TAG_SIZE_BYTES } from './stream-format.ts'

/** What seals one segment: `update` as often as needed, `final`, then the tags. */
export interface SegmentCipher {
  update(plain: Uint8Array): Buffer
  final(): Buffer
  /** After the ciphertext: one tag of 16 bytes, or the inner layer's, encrypted, and the outer's. */
  getAuthTag(): Buffer
}

const OPTIONS = { authTagLength: TAG_SIZE_BYTES }

/** A cipher for one segment. */
export function segmentCipher(
  algorithm: DataAlgorithmRow,
  { inner, outer }: StreamKeys,
  segmentIndex: number,
  isFinal: boolean,
): SegmentCipher {
  const innerCipher = layerCipher(algorithm, inner, segmentIndex, isFinal)
  if (outer === undefined) return innerCipher
  return new DualLayerCipher(innerCipher, layerCipher(algorithm, outer, segmentIndex, isFinal))
}

/** What the inner cipher puts out, its tag included, is the plaintext of the outer. FORMAT.md, section 4.1. */
class DualLayerCipher implements SegmentCipher {
  readonly #inner: SegmentCipher
  readonly #outer: SegmentCipher
  #innerTag: Buffer | undefined

  constructor(inner: SegmentCipher, outer: SegmentCipher) {
    this.#inner = inner
    this.#outer = outer
  }

  update(plain: Uint8Array): Buffer {
    return this.#outer.update(this.#inner.update(plain))
  }

  final(): Buffer {
    this.#inner.final()
    this.#innerTag = this.#outer.update(this.#inner.getAuthTag())
    return this.#outer.final()
  }

  getAuthTag(): Buffer {
    invariant(this.#innerTag !== undefined, 'tags come after the end')
    return Buffer.concat([this.#innerTag, this.#outer.getAuthTag()])
  }
}

/** node:crypto types the two algorithms apart; they are called alike. */
function layerCipher(
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

/** Opens one segment (ciphertext and tags). The plaintext is returned only after the tag of each layer has been checked. */
export function openSegment(
  algorithm: DataAlgorithmRow,
  { inner, outer }: StreamKeys,
  segmentIndex: number,
  isFinal: boolean,
  sealed: Uint8Array,
): Buffer {
  const innerSealed = outer === undefined ? sealed : openLayer(algorithm, outer, segmentIndex, isFinal, sealed)
  return openLayer(algorithm, inner, segmentIndex, isFinal, innerSealed)
}

function openLayer(
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
