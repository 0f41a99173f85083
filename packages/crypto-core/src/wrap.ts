import { ENVELOPE_KIND, type EnvelopeBinding, openEnvelope, sealEnvelope } from './envelope.ts'
import { encodeContext } from './fields.ts'
import type { Secret } from './secret.ts'

/**
 * Wraps any secret under a 256-bit key, bound to a purpose and a context: the root key over master keys, a master key over
 * data keys, the IAM key over access keys. FORMAT.md, section 3.2.
 *
 *     const wrapped = wrapSecret(masterKey, rootKey, 'kms/master-key', { keyId: 'invoices', version: '3' })
 */
export function wrapSecret(
  secret: Secret,
  wrappingKey: Secret,
  purpose: string,
  context: Readonly<Record<string, string>>,
): Uint8Array {
  return sealEnvelope(secret, wrappingKey, bindingOf(purpose, context))
}

/** CRYPTO_WRONG_KEY: wrapped under another key or for another purpose. CRYPTO_DAMAGED: changed, or of another context. */
export function unwrapSecret(
  wrapped: Uint8Array,
  wrappingKey: Secret,
  purpose: string,
  context: Readonly<Record<string, string>>,
): Secret {
  return openEnvelope(wrapped, wrappingKey, bindingOf(purpose, context))
}

function bindingOf(purpose: string, context: Readonly<Record<string, string>>): EnvelopeBinding {
  return { kind: ENVELOPE_KIND.wrappedSecret, purpose, context: [encodeContext(context)] }
}
