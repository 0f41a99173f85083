import type { StoredObjectKey } from '@coffer/contracts'
import type { MetadataKey, SealContext } from '@coffer/crypto-core'
import type { VersionRecord } from '@coffer/metadata-store'
import { type ObjectAttributes, sealAttributes } from './object-attributes.ts'

/** What an object key is sealed for. */
export function sealContextOf(
  bucketId: string,
  key: string,
  attributes: Pick<ObjectAttributes, 'keyContextId' | 'algorithm' | 'kms'>,
): SealContext {
  const { keyContextId, algorithm, kms } = attributes
  const context = { bucketId, key, versionId: keyContextId, algorithm }
  return kms?.encryptionContext ? { ...context, encryptionContext: kms.encryptionContext } : context
}

/**
 * A version's `sealed` field with the same object key sealed in another way. The record is sealed again, as it is bound to the
 * name of the key that seals the object key. `attributes`: what it says, as it was opened or changed since.
 */
export function replaceObjectKey(
  metadataKey: MetadataKey,
  bucketId: string,
  version: VersionRecord,
  attributes: ObjectAttributes,
  stored: StoredObjectKey,
): Uint8Array {
  return sealAttributes(metadataKey, bucketId, { ...version, keyRef: stored.keyRef }, attributes, stored.sealed)
}
