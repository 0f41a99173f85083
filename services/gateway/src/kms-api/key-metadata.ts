import type { LocatedKey } from '@coffer/contracts'
import { type KeyState, SERVER_KEY_ID } from '@coffer/kms'
import { kmsApiError } from './errors.ts'
import { keyArnOf, keyIdOf } from './key-names.ts'
import type { KmsApiCall } from './operation.ts'

const KEY_STATES: Readonly<Record<KeyState, string>> = {
  enabled: 'Enabled',
  disabled: 'Disabled',
  'pending-deletion': 'PendingDeletion',
  destroyed: 'PendingDeletion',
}

/** AWS KMS API Reference, KeyMetadata. Of every connector alike: where a key lives shows in its id. */
export function keyMetadata(key: LocatedKey, description: string, call: KmsApiCall): object {
  return {
    AWSAccountId: key.ownerAccountId ?? call.firstAccountId,
    KeyId: keyIdOf(key, call),
    Arn: keyArnOf(key, call),
    CreationDate: secondsOf(key.createdAt),
    Enabled: key.state === 'enabled',
    Description: description,
    KeyUsage: 'ENCRYPT_DECRYPT',
    KeyState: KEY_STATES[key.state],
    ...(key.deletionAt !== undefined && { DeletionDate: secondsOf(key.deletionAt) }),
    Origin: 'AWS_KMS',
    KeyManager: isServerKey(key, call) ? 'AWS' : 'CUSTOMER',
    CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT',
    KeySpec: 'SYMMETRIC_DEFAULT',
    EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    MultiRegion: false,
  }
}

/** Times in JSON are seconds since 1970 (Smithy, "epoch-seconds"). */
export function secondsOf(milliseconds: number): number {
  return milliseconds / 1000
}

/**
 * Without its own key the server reads no bucket and no account, and so could not even take the request that enables it
 * again: as AWS managed keys, it is not a client's to put out of use. UnsupportedOperationException.
 */
export function assertNotServerKey(key: LocatedKey, call: KmsApiCall): void {
  if (!isServerKey(key, call)) return
  throw kmsApiError('UnsupportedOperationException', {
    message: `${keyArnOf(key, call)} is the server's own key, which only its operator can disable or delete.`,
  })
}

function isServerKey({ connector, keyId }: LocatedKey, { defaultConnector }: KmsApiCall): boolean {
  return connector === defaultConnector && keyId === SERVER_KEY_ID
}
