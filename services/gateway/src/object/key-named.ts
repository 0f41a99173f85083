import type { SealedObjectKey } from '@coffer/contracts'
import { isAliasName } from '@coffer/kms'
import type { KmsAttributes } from '@coffer/object-record'
import { masterKeyNameOf } from '@coffer/s3-protocol'

/**
 * What an object says of its master key: as the client wrote it, but for an alias the key that it stood for. An alias may name
 * another key tomorrow; what sealed the object does not change with it.
 */
export function withKeyNamed(kms: KmsAttributes, { keyName }: Pick<SealedObjectKey, 'keyName'>): KmsAttributes {
  return isAliasName(masterKeyNameOf(kms.keyId)) ? { ...kms, keyId: keyName } : kms
}
