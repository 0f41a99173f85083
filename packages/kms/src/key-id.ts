import { kmsError } from './errors.ts'

const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/

/** KMS_KEY_ID_INVALID. */
export function assertKeyId(keyId: string): void {
  if (!KEY_ID.test(keyId)) throw kmsError('KMS_KEY_ID_INVALID', { keyId: keyId.slice(0, 100) })
}
