import { bytesOf, type Secret } from './secret.ts'

/**
 * The bytes of a secret: a view, not a copy, for a cipher call or a key file. Whoever calls this answers for where they go;
 * a search for its name finds every such place. CRYPTO_SECRET_WIPED.
 */
export function insecureExportKeyBytes(secret: Secret): Uint8Array {
  return bytesOf(secret)
}
