import type { EncryptionContext, KmsConnector, WrappedKey } from '../kms-connector.ts'

/** For a KMS that has no rewrap of its own, or none to this key: the data key is in the clear here, for a moment. */
export async function rewrapInTheClear(
  connector: Pick<KmsConnector, 'decrypt' | 'encrypt'>,
  wrapped: WrappedKey,
  context: EncryptionContext,
  keyId: string,
): Promise<WrappedKey> {
  const plaintext = await connector.decrypt(wrapped, context)
  try {
    return await connector.encrypt(plaintext, keyId, context)
  } finally {
    plaintext.wipe()
  }
}
