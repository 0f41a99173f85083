import { kmsError } from '../../errors.ts'

/** The first byte; then the length of the wrapped key (u16 BE), the wrapped key, the signature, the envelope. */
const FORMAT = 1
const HEAD_BYTES = 3
/** ES256: r and s of 32 bytes each (RFC 7518, section 3.4). */
const SIGNATURE_BYTES = 64

export interface SignedEnvelope {
  /** A key of 32 bytes, by RSA-OAEP with SHA-256. */
  readonly wrapped: Uint8Array
  /** The secret under that key: a wrapped secret (FORMAT.md, section 3.2). */
  readonly envelope: Uint8Array
  /** Over both and the context. */
  readonly signature: Uint8Array
}

/** KMS_UNAVAILABLE for a signature that is none. */
export function encodeSigned({ wrapped, envelope, signature }: SignedEnvelope): Uint8Array {
  if (signature.length !== SIGNATURE_BYTES) throw kmsError('KMS_UNAVAILABLE')
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  head.writeUInt8(FORMAT, 0)
  head.writeUInt16BE(wrapped.length, 1)
  return Buffer.concat([head, wrapped, signature, envelope])
}

/** KMS_CIPHERTEXT_REFUSED. */
export function decodeSigned(ciphertext: Uint8Array, keyId: string): SignedEnvelope {
  const [format, high = 0, low = 0] = ciphertext
  const signatureAt = HEAD_BYTES + high * 256 + low
  const envelopeAt = signatureAt + SIGNATURE_BYTES
  if (format !== FORMAT || ciphertext.length <= envelopeAt) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
  return {
    wrapped: ciphertext.subarray(HEAD_BYTES, signatureAt),
    signature: ciphertext.subarray(signatureAt, envelopeAt),
    envelope: ciphertext.subarray(envelopeAt),
  }
}
