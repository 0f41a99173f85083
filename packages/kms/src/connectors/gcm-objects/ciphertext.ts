import { kmsError } from '../../errors.ts'
import type { GcmSealed } from './gcm-objects.ts'

/** The first byte of a ciphertext; then the length of the nonce, the nonce, the tag of 16 bytes and the encrypted bytes. */
const FORMAT = 1
const HEAD_BYTES = 2
const TAG_BYTES = 16
/** 96 bits are what GCM is made for (NIST SP 800-38D, section 5.2.1.1); some choose 128. */
const IV_BYTES_MIN = 12
const IV_BYTES_MAX = 16

/** KMS_UNAVAILABLE if the KMS made something that is not AES-GCM of the plaintext. */
export function encodeCiphertext({ iv, tag, data }: GcmSealed, plaintextBytes: number): Uint8Array {
  const isGcm = isIvLength(iv.length) && tag.length === TAG_BYTES && data.length === plaintextBytes
  if (!isGcm) throw kmsError('KMS_UNAVAILABLE')
  return Buffer.concat([Uint8Array.of(FORMAT, iv.length), iv, tag, data])
}

/** KMS_CIPHERTEXT_REFUSED. */
export function decodeCiphertext(ciphertext: Uint8Array, keyId: string): GcmSealed {
  const [format, ivBytes = 0] = ciphertext
  const tagAt = HEAD_BYTES + ivBytes
  const dataAt = tagAt + TAG_BYTES
  if (format !== FORMAT || !isIvLength(ivBytes) || ciphertext.length <= dataAt) {
    throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
  }
  return {
    iv: ciphertext.subarray(HEAD_BYTES, tagAt),
    tag: ciphertext.subarray(tagAt, dataAt),
    data: ciphertext.subarray(dataAt),
  }
}

function isIvLength(lengthBytes: number): boolean {
  return lengthBytes >= IV_BYTES_MIN && lengthBytes <= IV_BYTES_MAX
}
