import { randomBytes } from 'node:crypto'
import type { Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { GcmObjects, GcmSealed } from '../gcm-objects/gcm-objects.ts'
import type { ObjectState } from '../key-objects/key-objects.ts'
import type { KmipClient } from './kmip-client.ts'
import { errorOf, errorOfDecryption, errorOfUse } from './refusals.ts'

const NAME_RANDOM_BYTES = 6

/** The objects of a KMIP server that are versions of master keys. */
export class KmipObjects implements GcmObjects {
  readonly #client: KmipClient
  readonly #keyPrefix: string

  constructor(client: KmipClient, keyPrefix: string) {
    this.#client = client
    this.#keyPrefix = keyPrefix
  }

  /** The unique identifier of an object that is ready for use. */
  async make(keyId: string, version: number): Promise<string> {
    let id: string | undefined
    try {
      id = await this.#client.createKey(await this.#freeName(keyId, version))
      await this.#client.activate(id)
      return id
    } catch (error) {
      // One that stays behind does no harm.
      if (id !== undefined) await this.destroy(id, keyId).catch(() => undefined)
      throw errorOf(error, keyId)
    }
  }

  /** One that the server no longer knows is destroyed. */
  async stateOf(id: string, keyId: string): Promise<ObjectState> {
    try {
      return await this.#client.stateOf(id)
    } catch (error) {
      const known = errorOf(error, keyId)
      if (isCofferError(known, 'KMS_KEY_NOT_FOUND')) return 'destroyed'
      throw known
    }
  }

  /** An active object has to be revoked first (KMIP Specification 1.4, section 4.21). Destroying it twice is harmless. */
  async destroy(id: string, keyId: string): Promise<void> {
    const state = await this.stateOf(id, keyId)
    if (state === 'destroyed') return
    try {
      if (state === 'active') await this.#client.revoke(id)
      await this.#client.destroy(id)
    } catch (error) {
      throw errorOf(error, keyId)
    }
  }

  async encrypt(id: string, keyId: string, plaintext: Uint8Array, additionalData: Uint8Array): Promise<GcmSealed> {
    try {
      return await this.#client.encrypt(id, plaintext, additionalData)
    } catch (error) {
      throw await errorOfUse(error, this.#client, id, keyId)
    }
  }

  async decrypt(id: string, keyId: string, sealed: GcmSealed, additionalData: Uint8Array): Promise<Secret> {
    try {
      return await this.#client.decrypt(id, sealed, additionalData)
    } catch (error) {
      throw await errorOfDecryption(error, this.#client, id, keyId)
    }
  }

  /** The server speaks this version of KMIP and has what is needed of it. */
  async assertSuitable(): Promise<void> {
    await this.#client.assertSuitable().catch((error: unknown) => {
      throw errorOf(error)
    })
  }

  async close(): Promise<void> {
    this.#client.close()
  }

  /** A name that a crash or another installation has left in use gets an end of its own. */
  async #freeName(keyId: string, version: number): Promise<string> {
    const name = `${this.#keyPrefix}${keyId}/${version}`
    const isTaken = await this.#client.isNameTaken(name)
    return isTaken ? `${name}-${randomBytes(NAME_RANDOM_BYTES).toString('hex')}` : name
  }
}
