import type { Secret } from '@coffer/crypto-core'

export interface GcmSealed {
  readonly iv: Uint8Array
  readonly tag: Uint8Array
  readonly data: Uint8Array
}

export type ObjectState = 'active' | 'inactive' | 'destroyed'

/**
 * A KMS that holds AES-256 keys as objects, each with an identifier, and encrypts with them by AES-GCM: what a key manager by
 * KMIP and an HSM by PKCS#11 have in common. An object is one version of a master key. Failures are CofferErrors.
 */
export interface GcmObjects {
  /** The identifier of a new object that is ready for use. */
  make(keyId: string, version: number): Promise<string>
  /** One that the KMS does not know is destroyed. */
  stateOf(id: string, keyId: string): Promise<ObjectState>
  /** Twice is harmless. */
  destroy(id: string, keyId: string): Promise<void>
  encrypt(id: string, keyId: string, plaintext: Uint8Array, additionalData: Uint8Array): Promise<GcmSealed>
  /** KMS_CIPHERTEXT_REFUSED. */
  decrypt(id: string, keyId: string, sealed: GcmSealed, additionalData: Uint8Array): Promise<Secret>
  /** The KMS lets us in, and has what is needed of it. */
  assertSuitable(): Promise<void>
  close(): Promise<void>
}
