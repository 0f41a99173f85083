import { createHash } from 'node:crypto'
import { Secret } from '@coffer/crypto-core'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import { type GcmObjects, type GcmSealed, keyObjectsOf } from '../gcm-objects/gcm-objects.ts'
import type { KeyObjects, ObjectState } from '../key-objects/key-objects.ts'
import type { KeyVault } from './key-vault.ts'

const base64url = z.string().regex(/^[A-Za-z0-9_-]*={0,2}$/)
const Encrypted = z.object({ kid: z.string(), value: base64url, iv: base64url, tag: base64url })
const Decrypted = z.object({ kid: z.string(), value: base64url })
const PARAMETERS = { kty: 'oct-HSM', key_size: 256, key_ops: ['encrypt', 'decrypt'] }
const ALGORITHM = 'A256GCM'
const USE = 'aes'

/** AES-256 keys of an Azure Managed HSM. A key is deleted with all its versions, which the HSM keeps for a while. */
export function managedHsmObjects(vault: KeyVault): KeyObjects {
  return {
    ...keyObjectsOf(new ManagedHsmObjects(vault)),
    destroy: (_ids, keyId) => vault.delete(vault.nameOf(USE, keyId), keyId),
  }
}

/** The HSM encrypts by AES-GCM with additional data. An identifier is `<name>/<version>`. */
class ManagedHsmObjects implements GcmObjects {
  readonly #vault: KeyVault

  constructor(vault: KeyVault) {
    this.#vault = vault
  }

  async make(keyId: string): Promise<string> {
    const name = this.#vault.nameOf(USE, keyId)
    return `${name}/${await this.#vault.create(name, keyId, PARAMETERS)}`
  }

  stateOf(id: string, keyId: string): Promise<ObjectState> {
    const { name, version } = partsOf(id)
    return this.#vault.stateOf(name, version, keyId)
  }

  destroy(id: string, keyId: string): Promise<void> {
    const { name, version } = partsOf(id)
    return this.#vault.disable(name, version, keyId)
  }

  async encrypt(id: string, keyId: string, plaintext: Uint8Array, additionalData: Uint8Array): Promise<GcmSealed> {
    const value = Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength).toString('base64url')
    const parameters = { alg: ALGORITHM, value, aad: digestOf(additionalData) }
    const sealed = await this.#vault.use(Encrypted, partsOf(id), 'encrypt', keyId, parameters)
    if (sealed === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId })
    return { iv: bytesOf(sealed.iv), tag: bytesOf(sealed.tag), data: bytesOf(sealed.value) }
  }

  async decrypt(id: string, keyId: string, { iv, tag, data }: GcmSealed, additionalData: Uint8Array): Promise<Secret> {
    const opened = await this.#vault.use(Decrypted, partsOf(id), 'decrypt', keyId, {
      alg: ALGORITHM,
      value: textOf(data),
      iv: textOf(iv),
      tag: textOf(tag),
      aad: digestOf(additionalData),
    })
    if (opened === undefined) throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    return Secret.take(bytesOf(opened.value))
  }

  assertSuitable(): Promise<void> {
    return this.#vault.assertLetIn()
  }

  close(): Promise<void> {
    return this.#vault.close()
  }
}

function partsOf(id: string): { name: string; version: string } {
  const [name = '', version = ''] = id.split('/')
  return { name, version }
}

/** Short, however long the context is. */
function digestOf(additionalData: Uint8Array): string {
  return createHash('sha256').update(additionalData).digest('base64url')
}

function bytesOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64url')
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
