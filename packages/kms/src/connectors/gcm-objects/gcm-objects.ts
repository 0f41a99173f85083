import { insecureExportKeyBytes, type Secret } from '@coffer/crypto-core'
import type { KeyObjects, ObjectState } from '../key-objects/key-objects.ts'
import { decodeCiphertext, encodeCiphertext } from './ciphertext.ts'

export interface GcmSealed {
  readonly iv: Uint8Array
  readonly tag: Uint8Array
  readonly data: Uint8Array
}

/**
 * A KMS whose objects are AES-256 keys that encrypt by AES-GCM and leave the form of the ciphertext to us: what a key manager
 * by KMIP, an HSM by PKCS#11 and Azure's Managed HSM have in common.
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

/** Nonce, tag and encrypted bytes become one ciphertext. */
export function keyObjectsOf(objects: GcmObjects): KeyObjects {
  return {
    make: (keyId, version) => objects.make(keyId, version),
    stateOf: (id, keyId) => objects.stateOf(id, keyId),
    discard: (id, keyId) => objects.destroy(id, keyId),
    async destroy(ids, keyId) {
      for (const id of ids) await objects.destroy(id, keyId)
    },
    async encrypt(id, keyId, plaintext, additionalData) {
      const sealed = await objects.encrypt(id, keyId, insecureExportKeyBytes(plaintext), additionalData)
      return encodeCiphertext(sealed, plaintext.lengthBytes)
    },
    async decrypt(id, keyId, ciphertext, additionalData) {
      return await objects.decrypt(id, keyId, decodeCiphertext(ciphertext, keyId), additionalData)
    },
    assertSuitable: () => objects.assertSuitable(),
    close: () => objects.close(),
  }
}
