import { randomBytes } from 'node:crypto'
import { isCofferError } from '@coffer/errors'
import type { KmipClient, KmipState } from './kmip-client.ts'
import { errorOf } from './refusals.ts'

const NAME_RANDOM_BYTES = 6

/** The objects of the server that are versions of master keys: made, looked at and destroyed. */
export class KeyObjects {
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
      if (id !== undefined) await this.discard(id, keyId)
      throw errorOf(error, keyId)
    }
  }

  /** One that the server no longer knows is destroyed. */
  async stateOf(id: string, keyId: string): Promise<KmipState> {
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

  /** For an object that never was a version. One that stays behind does no harm. */
  async discard(id: string, keyId: string): Promise<void> {
    await this.destroy(id, keyId).catch(() => undefined)
  }

  /** A name that a crash or another installation has left in use gets an end of its own. */
  async #freeName(keyId: string, version: number): Promise<string> {
    const name = `${this.#keyPrefix}${keyId}/${version}`
    const isTaken = await this.#client.isNameTaken(name)
    return isTaken ? `${name}-${randomBytes(NAME_RANDOM_BYTES).toString('hex')}` : name
  }
}
