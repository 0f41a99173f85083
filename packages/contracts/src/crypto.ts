import type { SealContext } from '@coffer/crypto-core'
import type { KeyParcel, KeyRecipient } from './key-parcel.ts'

/** An object key sealed for storage: what the version record keeps. */
export interface StoredObjectKey {
  /** Names the key that seals it: `bk:<bucket key id>` for a bucket key. Counted by the metadata store. */
  readonly keyRef: string
  readonly sealed: Uint8Array
}

/** The crypto engine: issues, seals and opens object keys and bucket metadata keys; keeps bucket keys. */
export interface CryptoService {
  /** A fresh object key for one version, sealed under the bucket's current bucket key (SSE-S3). */
  issueObjectKey(
    context: SealContext,
    recipient: KeyRecipient,
  ): Promise<{ objectKey: KeyParcel; stored: StoredObjectKey }>
  /** CRYPTO_WRONG_KEY, CRYPTO_DAMAGED, CRYPTO_BUCKET_KEY_NOT_FOUND. */
  openObjectKey(stored: StoredObjectKey, context: SealContext, recipient: KeyRecipient): Promise<KeyParcel>
  /** The same object key, sealed for another context (a multipart upload that becomes a version) or a newer key. */
  resealObjectKey(stored: StoredObjectKey, from: SealContext, to: SealContext): Promise<StoredObjectKey>
  /** A fresh metadata key for a bucket, wrapped by the KMS. */
  issueMetadataKey(bucketId: string, recipient: KeyRecipient): Promise<{ metadataKey: KeyParcel; wrapped: Uint8Array }>
  openMetadataKey(bucketId: string, wrapped: Uint8Array, recipient: KeyRecipient): Promise<KeyParcel>
}
