import type { StoredObjectKey } from '@coffer/contracts'
import type { MetadataKey, SealContext } from '@coffer/crypto-core'
import type { VersionRecord } from '@coffer/metadata-store'
import { type ObjectAttributes, openAttributes, sealAttributes } from './object-attributes.ts'

/** What the object key of a version is sealed for. */
export function sealContextOf(bucketId: string, key: string, attributes: ObjectAttributes): SealContext {
  const { keyContextId, algorithm, kms } = attributes
  const context = { bucketId, key, versionId: keyContextId, algorithm }
  return kms?.encryptionContext ? { ...context, encryptionContext: kms.encryptionContext } : context
}

/**
 * A version's `sealed` field with the same object key sealed in another way; everything else that it says stays, but for
 * `change`. The record is opened and sealed again, as it is bound to the name of the key that seals the object key.
 */
export function replaceObjectKey(
  metadataKey: MetadataKey,
  bucketId: string,
  version: VersionRecord,
  stored: StoredObjectKey,
  change: (attributes: ObjectAttributes) => ObjectAttributes = (attributes) => attributes,
): Uint8Array {
  const { attributes } = openAttributes(metadataKey, bucketId, version)
  const fields = { ...version, keyRef: stored.keyRef }
  return sealAttributes(metadataKey, bucketId, fields, change(attributes), stored.sealed)
}
