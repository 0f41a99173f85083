import type { DataAlgorithm } from './algorithms.ts'
import { ENVELOPE_KIND, type EnvelopeBinding, type EnvelopeKind, openEnvelope, sealEnvelope } from './envelope.ts'
import { cryptoError } from './errors.ts'
import { encodeContext } from './fields.ts'
import { Secret } from './secret.ts'

/** What a sealed object key is bound to: moved to any other object, version or context it does not open. */
export interface SealContext {
  readonly bucketId: string
  readonly key: string
  readonly versionId: string
  readonly algorithm: DataAlgorithm
  readonly encryptionContext?: Readonly<Record<string, string>>
}

const OBJECT_KEY_BYTES = 32
const PURPOSE = 'object key'
const NO_CONTEXT = encodeContext({})

/** A fresh object key (OEK): 256 random bits, for one object version. */
export function generateObjectKey(): Secret {
  return Secret.random(OBJECT_KEY_BYTES)
}

/**
 * Seals an object key under a uniformly random 256-bit key (bucket key or KMS data key). FORMAT.md, section 3.1.
 *
 *     const sealed = sealObjectKey(objectKey, bucketKey, { bucketId, key, versionId, algorithm })
 *     openObjectKey(sealed, bucketKey, { bucketId, key, versionId, algorithm }).equals(objectKey)   // true
 */
export function sealObjectKey(objectKey: Secret, sealingKey: Secret, context: SealContext): Uint8Array {
  return seal(ENVELOPE_KIND.objectKey, objectKey, sealingKey, context)
}

/** CRYPTO_WRONG_KEY: sealed under another key. CRYPTO_DAMAGED: changed, or of another object. */
export function openObjectKey(sealed: Uint8Array, sealingKey: Secret, context: SealContext): Secret {
  return openEnvelope(sealed, sealingKey, bindingOf(ENVELOPE_KIND.objectKey, context))
}

/** Seals an object key under a client's own key (SSE-C), which need not be uniformly random. FORMAT.md, section 3.1. */
export function sealObjectKeyForCustomer(objectKey: Secret, customerKey: Secret, context: SealContext): Uint8Array {
  return seal(ENVELOPE_KIND.customerObjectKey, objectKey, customerKey, context)
}

/** CRYPTO_WRONG_KEY: not the client's key that sealed it. CRYPTO_DAMAGED: changed, or of another object. */
export function openObjectKeyForCustomer(sealed: Uint8Array, customerKey: Secret, context: SealContext): Secret {
  return openEnvelope(sealed, customerKey, bindingOf(ENVELOPE_KIND.customerObjectKey, context))
}

function seal(kind: EnvelopeKind, objectKey: Secret, sealingKey: Secret, context: SealContext): Uint8Array {
  if (objectKey.lengthBytes !== OBJECT_KEY_BYTES) throw cryptoError('CRYPTO_KEY_LENGTH')
  return sealEnvelope(objectKey, sealingKey, bindingOf(kind, context))
}

function bindingOf(kind: EnvelopeKind, context: SealContext): EnvelopeBinding {
  const { bucketId, key, versionId, algorithm, encryptionContext } = context
  const encoded = encryptionContext === undefined ? NO_CONTEXT : encodeContext(encryptionContext)
  return { kind, purpose: PURPOSE, context: [bucketId, key, versionId, algorithm, encoded] }
}
