import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'

/** A key as a KMS with a JSON interface sends it. The text itself cannot be wiped. */
export function secretOf(base64: string): Secret {
  return Secret.take(Buffer.from(base64, 'base64'))
}

/** A key as such a KMS is sent it. */
export function base64Of(secret: Secret): string {
  const { buffer, byteOffset } = insecureExportKeyBytes(secret)
  return Buffer.from(buffer, byteOffset, secret.lengthBytes).toString('base64')
}
