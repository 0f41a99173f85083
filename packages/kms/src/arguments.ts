import type { Secret } from '@coffer/crypto-core'
import { kmsError } from './errors.ts'

const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/
/** AWS KMS API Reference, Encrypt. */
const PLAINTEXT_BYTES_MAX = 4096

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text)
}

/** KMS_KEY_ID_INVALID. */
export function assertKeyId(keyId: string): void {
  if (!isKeyId(keyId)) throw kmsError('KMS_KEY_ID_INVALID', { keyId: keyId.slice(0, 100) })
}

/** Of what a caller gives to be encrypted: KMS_PLAINTEXT_SIZE_INVALID. */
export function assertPlaintextSize({ lengthBytes }: Secret): void {
  if (lengthBytes === 0 || lengthBytes > PLAINTEXT_BYTES_MAX) throw kmsError('KMS_PLAINTEXT_SIZE_INVALID')
}
