import type { Secret } from '@coffer/crypto-core'
import type { ZodType } from 'zod'
import type { WrappingKey } from './key-name.ts'

/** Authenticated with every wrapped key: what a data key is for. The same context must be given to unwrap it. */
export type EncryptionContext = Readonly<Record<string, string>>

/** A data key as the KMS wrapped it. Holds no secret; stored beside what it protects. */
export interface WrappedKey extends WrappingKey {
  readonly ciphertext: Uint8Array
}

/** A data key to be wrapped anew, and what it is for. */
export interface RewrapItem {
  readonly wrapped: WrappedKey
  readonly context: EncryptionContext
}

/** What became of one: wrapped anew, or refused with this code. */
export type RewrapOutcome = { readonly wrapped: WrappedKey } | { readonly refused: string }

export type KeyState = 'enabled' | 'disabled' | 'pending-deletion' | 'destroyed'

export interface KeyDescription {
  readonly keyId: string
  readonly state: KeyState
  readonly createdAt: number
  /** When it is destroyed, milliseconds since 1970; only while its deletion is pending. */
  readonly deletionAt?: number
  /** The version that new wraps use. */
  readonly currentVersion: number
  readonly versions: readonly { readonly version: number; readonly createdAt: number }[]
}

/**
 * Master keys, wherever they live. They never leave the connector; it wraps and unwraps data keys with them. Promises:
 *
 * 1. `generateDataKey` wraps under the newest version; `decrypt` opens every version that is not destroyed.
 * 2. The encryption context is authenticated: another context, key, version or a changed byte fails closed.
 * 3. After `rotateKey` resolves, every new wrap uses the new version, also those of other processes on the same store.
 * 4. No secret is in an error, a log or a description.
 * 5. A key that is disabled or awaits its deletion neither wraps nor unwraps, at once and in every process; enabling it or
 *    cancelling the deletion (after which it is disabled, as in AWS KMS) brings it back as it was.
 * 6. When the KMS does not answer, every call rejects with KMS_UNAVAILABLE within the connector's time-out.
 *
 * Failures are CofferErrors with the codes in `errors.ts`. The contract suite is `@coffer/kms/contract`.
 */
export interface KmsConnector {
  readonly name: string
  /** KMS_KEY_EXISTS. `keyId`: 1 to 64 of A-Z a-z 0-9 . _ - */
  createKey(keyId: string): Promise<KeyDescription>
  /**
   * A key whose version 1 is `material`, 32 bytes (KMS_KEY_MATERIAL_INVALID), which the caller keeps and wipes. KMS_KEY_EXISTS.
   * Absent where the KMS takes no keys from outside.
   */
  importKey?(keyId: string, material: Secret): Promise<KeyDescription>
  /** KMS_KEY_NOT_FOUND. */
  describeKey(keyId: string): Promise<KeyDescription>
  listKeys(query: { afterKeyId: string; limit: number }): Promise<readonly KeyDescription[]>
  /** A new version for new wraps. KMS_KEY_NOT_FOUND, KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION; KMS_NOT_SUPPORTED. */
  rotateKey(keyId: string): Promise<KeyDescription>
  /** Of an enabled or disabled key. KMS_KEY_NOT_FOUND, KMS_KEY_PENDING_DELETION. */
  enableKey(keyId: string): Promise<KeyDescription>
  disableKey(keyId: string): Promise<KeyDescription>
  /** 7 to 30 days (KMS_PENDING_DAYS_INVALID). KMS_KEY_NOT_FOUND, KMS_KEY_PENDING_DELETION. */
  scheduleKeyDeletion(keyId: string, pendingDays: number): Promise<KeyDescription>
  /** The key is disabled afterwards. KMS_KEY_NOT_FOUND, KMS_KEY_NOT_PENDING_DELETION. */
  cancelKeyDeletion(keyId: string): Promise<KeyDescription>
  /**
   * Erases a key whose deletion is due, so that nothing opens what it wrapped; KMS_KEY_NOT_PENDING_DELETION before. Absent where
   * the KMS does that by itself, or where its administrator does.
   */
  destroyKey?(keyId: string): Promise<KeyDescription>
  /** A fresh 256-bit key and its wrapped form. KMS_KEY_NOT_FOUND, KMS_KEY_DISABLED. The caller wipes the plaintext. */
  generateDataKey(keyId: string, context: EncryptionContext): Promise<{ plaintext: Secret; wrapped: WrappedKey }>
  /** Wraps 1 to 4,096 given bytes (KMS_PLAINTEXT_SIZE_INVALID) under the newest version. The caller keeps and wipes them. */
  encrypt(plaintext: Secret, keyId: string, context: EncryptionContext): Promise<WrappedKey>
  /** KMS_KEY_NOT_FOUND, KMS_KEY_DISABLED, KMS_KEY_PENDING_DELETION, KMS_CIPHERTEXT_REFUSED. */
  decrypt(wrapped: WrappedKey, context: EncryptionContext): Promise<Secret>
  /** The same data key wrapped under the newest version of `keyId`, without its leaving the connector. */
  rewrap(wrapped: WrappedKey, context: EncryptionContext, keyId: string): Promise<WrappedKey>
  /**
   * Many of these, each by itself: the outcomes in the order of the items. Absent where the KMS takes them one by one. Rejects
   * where nothing could be done at all, such as with KMS_UNAVAILABLE.
   */
  rewrapMany?(items: readonly RewrapItem[], keyId: string): Promise<readonly RewrapOutcome[]>
  /** Resolves if the connector can do its work; KMS_UNAVAILABLE, KMS_ROOT_KEY_WRONG... if not. */
  selfTest(): Promise<void>
  close(): Promise<void>
}

/** What a connector is given: a name, and a place for sealed records (the metadata store's table `keys`). */
export interface KmsContext {
  readonly name: string
  readonly records: KmsRecords
}

export interface KmsRecords {
  find(id: string): Promise<{ value: Uint8Array; revision: number } | undefined>
  /** `expectedRevision` 0: must not exist yet. Rejects with META_RECORD_CHANGED if it changed. */
  put(id: string, value: Uint8Array, expectedRevision: number): Promise<void>
  list(query: { prefix: string; afterId: string; limit: number }): Promise<readonly { id: string; value: Uint8Array }[]>
}

export interface KmsRecordChange {
  readonly id: string
  /** Absent: the record goes away, if it is there. */
  readonly value?: Uint8Array
  /** As in `put`; absent: whatever it is. */
  readonly expectedRevision?: number
}

/** Records that can also go away, or change together. */
export interface RemovableRecords extends KmsRecords {
  /** Also of one that is not there. */
  remove(id: string): Promise<void>
  /** All of these, each another record, in one atomic write, or none of them: META_RECORD_CHANGED. */
  change(changes: readonly KmsRecordChange[]): Promise<void>
}

/**
 * A kind of connector, `vault` for example: what a configuration names as its `type`. Built-in ones are loaded when they are
 * first used; a third party's is the default export of an npm package.
 */
export interface KmsConnectorPlugin<Options = unknown> {
  readonly type: string
  /** The options as a configuration file writes them, checked; the messages of a refusal name the option, never its value. */
  readonly options: ZodType<Options>
  /** Opens lazily: it resolves without the KMS being there; `selfTest` and the first use say whether it is. */
  open(options: Options, context: KmsContext): Promise<KmsConnector>
}
