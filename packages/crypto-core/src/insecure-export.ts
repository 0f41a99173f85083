import { cryptoError } from './errors.ts'
import { KEY_BYTES } from './key-bytes.ts'
import type { Secret } from './secret.ts'

/**
 * The bytes of a secret: a view, not a copy, for a cipher call or a key file. Whoever calls this answers for where they go;
 * a search for its name finds every such place.
 */
export function insecureExportKeyBytes(secret: Secret): Uint8Array {
  const bytes = KEY_BYTES.get(secret)
  if (bytes === undefined) throw cryptoError('CRYPTO_SECRET_WIPED')
  return bytes
}
