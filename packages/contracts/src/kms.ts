import type { EncryptionContext, KeyDescription, WrappedKey } from '@coffer/kms'
import type { KeyParcel, KeyRecipient } from './key-parcel.ts'

/** The KMS service: all configured connectors behind one door. A `keyId` may be `connector/key`; alone: the default one. */
export interface KmsService {
  generateDataKey(
    keyId: string,
    context: EncryptionContext,
    recipient: KeyRecipient,
  ): Promise<{ plaintext: KeyParcel; wrapped: WrappedKey }>
  decrypt(wrapped: WrappedKey, context: EncryptionContext, recipient: KeyRecipient): Promise<KeyParcel>
  rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey>
  createKey(keyId: string): Promise<KeyDescription>
  describeKey(keyId: string): Promise<KeyDescription>
  listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]>
  rotateKey(keyId: string): Promise<KeyDescription>
  selfTest(): Promise<void>
}
