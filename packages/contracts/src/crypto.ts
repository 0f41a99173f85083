import type { SealContext } from '@coffer/crypto-core'
import type { WrappingKey } from '@coffer/kms'
import type { KeyParcel, KeyRecipient } from './key-parcel.ts'

/** An object key sealed for storage: what the version record keeps. */
export interface StoredObjectKey {
  /**
   * Names the key that seals it: `bk:<bucket key id>` for a bucket key, `kms:<connector>/<key>/<version>` for a master key's
   * own data key. Counted by the metadata store.
   */
  readonly keyRef: string
  readonly sealed: Uint8Array
  /** This very object is handed over again, as long as its record does not change: what it takes to open it is worth keeping. */
  readonly isKept?: boolean
}

/** An object key as it was sealed just now. */
export interface SealedObjectKey extends StoredObjectKey {
  /** The master key that seals it, `connector/key`: what an alias named in that moment. */
  readonly keyName: string
}

/** The master key that seals an object key (SSE-KMS): `key` of the default connector, `connector/key`, or an alias. */
export interface MasterKeyUse {
  readonly keyName: string
  /** Through a bucket key, which costs no KMS call for an object; else the KMS wraps a key for each object. */
  readonly bucketKeyEnabled: boolean
}

export interface BucketKeyDescription extends WrappingKey {
  /** Begins with the bucket's id and a slash. */
  readonly id: string
  /** How many object keys it seals. */
  readonly objectCount: number
}

/** An object key whose data key is to be wrapped anew, and what it is sealed for. */
export interface ObjectKeyRewrap {
  readonly stored: StoredObjectKey
  readonly context: SealContext
}

export type ObjectKeyRewrapOutcome = { readonly stored: StoredObjectKey } | { readonly refused: string }

/** The crypto engine: issues, seals and opens object keys and bucket metadata keys; keeps bucket keys. */
export interface CryptoService {
  /**
   * A fresh object key for one version, sealed under a bucket key of the server's own master key (SSE-S3) or as `masterKey`
   * says. With two layers (DSSE-KMS, by the context's algorithm) it has two keys: that of the inner layer is sealed without a
   * bucket key, that of the outer under a bucket key of the server's own master key. KMS_KEY_NOT_FOUND, KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION, KMS_UNAVAILABLE.
   */
  issueObjectKey(
    context: SealContext,
    recipient: KeyRecipient,
    masterKey?: MasterKeyUse,
  ): Promise<{ objectKey: KeyParcel; stored: SealedObjectKey }>
  /** CRYPTO_WRONG_KEY, CRYPTO_DAMAGED, ENGINE_BUCKET_KEY_NOT_FOUND; KMS_KEY_DISABLED and the KMS' other refusals. */
  openObjectKey(stored: StoredObjectKey, context: SealContext, recipient: KeyRecipient): Promise<KeyParcel>
  /** The same object key, sealed for another context or under another or newer key; no object data moves. */
  resealObjectKey(
    stored: StoredObjectKey,
    from: SealContext,
    to: SealContext,
    masterKey?: MasterKeyUse,
  ): Promise<SealedObjectKey>
  /**
   * The data keys that a master key wraps for each of these objects alone, wrapped under the newest version of a master key. No
   * object key is opened. Each by itself, the outcomes in the order of the items: refused with the KMS' code, or
   * ENGINE_RECORD_DAMAGED for an object key that is sealed otherwise. Rejects where nothing could be done at all.
   */
  rewrapObjectKeys(items: readonly ObjectKeyRewrap[], keyName: string): Promise<readonly ObjectKeyRewrapOutcome[]>
  /** A fresh metadata key for a bucket, wrapped by the KMS. */
  issueMetadataKey(bucketId: string, recipient: KeyRecipient): Promise<{ metadataKey: KeyParcel; wrapped: Uint8Array }>
  openMetadataKey(bucketId: string, wrapped: Uint8Array, recipient: KeyRecipient): Promise<KeyParcel>
  /** Which master key wraps a metadata key. */
  describeMetadataKey(wrapped: Uint8Array): Promise<WrappingKey>
  /** The same metadata key under the newest version of a master key. */
  rewrapMetadataKey(bucketId: string, wrapped: Uint8Array, keyName: string): Promise<Uint8Array>
  /** All bucket keys in the order of their ids, strictly after `afterId`: names and wrapping keys, no key material. */
  listBucketKeys(query: { afterId: string; limit: number }): Promise<readonly BucketKeyDescription[]>
  /** Which master key wraps a bucket key now. ENGINE_BUCKET_KEY_NOT_FOUND. */
  describeBucketKey(id: string): Promise<WrappingKey>
  /**
   * Wraps a bucket key under the newest version of a master key; what it seals stays as it is. Done twice, or by two at once,
   * it is done once. ENGINE_BUCKET_KEY_NOT_FOUND.
   */
  rewrapBucketKey(id: string, keyName: string): Promise<WrappingKey>
  /** Erases the bucket keys of a bucket that is gone, and tells how many; none as long as it is there. */
  removeBucketKeys(bucketId: string): Promise<number>
  /** The same of `limit` buckets that have any, strictly after `afterId`. `next`: where to go on; absent: these were the last. */
  removeLeftBucketKeys(query: { afterId: string; limit: number }): Promise<{ removedCount: number; next?: string }>
}
