import type { Secret } from '@coffer/crypto-core'

export type ObjectState = 'active' | 'inactive' | 'destroyed'

/**
 * A KMS that holds keys as objects, each with an identifier: an object is one version of a master key. What it encrypts is
 * authenticated together with additional data. Failures are CofferErrors.
 */
export interface KeyObjects {
  /** The identifier of a new object that is ready for use. KMS_KEY_ID_INVALID for an id that can't be a name there. */
  make(keyId: string, version: number): Promise<string>
  /** One that the KMS does not know is destroyed. */
  stateOf(id: string, keyId: string): Promise<ObjectState>
  /** One that has just been made and is not needed. */
  discard(id: string, keyId: string): Promise<void>
  /** All versions of a key. Twice is harmless. */
  destroy(ids: readonly string[], keyId: string): Promise<void>
  encrypt(id: string, keyId: string, plaintext: Secret, additionalData: Uint8Array): Promise<Uint8Array>
  /** KMS_CIPHERTEXT_REFUSED. */
  decrypt(id: string, keyId: string, ciphertext: Uint8Array, additionalData: Uint8Array): Promise<Secret>
  /** The KMS lets us in, and has what is needed of it. */
  assertSuitable(): Promise<void>
  close(): Promise<void>
}
