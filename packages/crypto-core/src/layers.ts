import { cryptoError } from './errors.ts'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { Secret } from './secret.ts'

const LAYER_KEY_BYTES = 32

/** How many layers an object key is for: it has a key of 32 bytes for each. CRYPTO_KEY_LENGTH. */
export function layerCountOf(objectKey: Secret): 1 | 2 {
  const { lengthBytes } = objectKey
  if (lengthBytes === LAYER_KEY_BYTES) return 1
  if (lengthBytes === 2 * LAYER_KEY_BYTES) return 2
  throw cryptoError('CRYPTO_KEY_LENGTH')
}

/** The two keys of a dual-layer object key, each to be sealed by itself. The caller wipes them. CRYPTO_KEY_LENGTH. */
export function splitLayers(objectKey: Secret): { inner: Secret; outer: Secret } {
  if (layerCountOf(objectKey) !== 2) throw cryptoError('CRYPTO_KEY_LENGTH')
  const bytes = insecureExportKeyBytes(objectKey)
  return {
    inner: Secret.copyOf(bytes.subarray(0, LAYER_KEY_BYTES)),
    outer: Secret.copyOf(bytes.subarray(LAYER_KEY_BYTES)),
  }
}

/** The inverse of `splitLayers`. */
export function joinLayers({ inner, outer }: { readonly inner: Secret; readonly outer: Secret }): Secret {
  if (layerCountOf(inner) !== 1 || layerCountOf(outer) !== 1) throw cryptoError('CRYPTO_KEY_LENGTH')
  const joined = Buffer.allocUnsafeSlow(2 * LAYER_KEY_BYTES)
  joined.set(insecureExportKeyBytes(inner))
  joined.set(insecureExportKeyBytes(outer), LAYER_KEY_BYTES)
  return Secret.take(joined)
}
