import { algorithmNamed, type DataAlgorithm } from './algorithms.ts'
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
/** A key for the one layer does not open as the other's. */
const OUTER_PURPOSE = 'object key, outer layer'
const NO_CONTEXT = encodeContext({})

/** A fresh object key (OEK), for one object version: 256 random bits for each layer of the algorithm. */
export function generateObjectKey(algorithm: DataAlgorithm): Secret {
  return Secret.random(OBJECT_KEY_BYTES * algorithmNamed(algorithm).layers)
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

/** The key of the outer of two layers, sealed under a key that does not seal the inner one. FORMAT.md, section 3.1. */
export function sealOuterLayerKey(outerKey: Secret, sealingKey: Secret, context: SealContext): Uint8Array {
  assertOneKey(outerKey)
  return sealEnvelope(outerKey, sealingKey, bindingOf(ENVELOPE_KIND.objectKey, context, OUTER_PURPOSE))
}

/** CRYPTO_WRONG_KEY: sealed under another key, or the inner layer's. CRYPTO_DAMAGED: changed, or of another object. */
export function openOuterLayerKey(sealed: Uint8Array, sealingKey: Secret, context: SealContext): Secret {
  return openEnvelope(sealed, sealingKey, bindingOf(ENVELOPE_KIND.objectKey, context, OUTER_PURPOSE))
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
  assertOneKey(objectKey)
  return sealEnvelope(objectKey, sealingKey, bindingOf(kind, context))
}

/** Two layers are never sealed in one envelope: a key that opened it would open both. */
function assertOneKey(objectKey: Secret): void {
  if (objectKey.lengthBytes !== OBJECT_KEY_BYTES) throw cryptoError('CRYPTO_KEY_LENGTH')
}

function bindingOf(kind: EnvelopeKind, context: SealContext, purpose = PURPOSE): EnvelopeBinding {
  const { bucketId, key, versionId, algorithm, encryptionContext } = context
  const encoded = encryptionContext === undefined ? NO_CONTEXT : encodeContext(encryptionContext)
  return { kind, purpose, context: [bucketId, key, versionId, algorithm, encoded] }
}
