import { randomBytes } from 'node:crypto'
import { Secret } from '@coffer/crypto-core'
import { kmsError } from '../../errors.ts'
import type { GcmObjects, GcmSealed } from '../gcm-objects/gcm-objects.ts'
import type { ObjectState } from '../key-objects/key-objects.ts'
import type { Hsm } from './hsm.ts'
import type { HsmValue } from './hsm-calls.ts'
import { errorOfAnswer, isVague } from './return-values.ts'

/** CKA_ID: random, so that it is never that of another's object. */
const ID_BYTES = 16
const TAG_BYTES = 16
const PROBE = Buffer.from('Is this key in working order?')
/** The id of no object. */
const NO_ID = '00'.repeat(ID_BYTES)

/** Secret keys in a token that are versions of master keys: sensitive, never extractable. */
export class HsmObjects implements GcmObjects {
  readonly #hsm: Hsm
  readonly #keyPrefix: string

  constructor(hsm: Hsm, keyPrefix: string) {
    this.#hsm = hsm
    this.#keyPrefix = keyPrefix
  }

  async make(keyId: string, version: number): Promise<string> {
    const id = randomBytes(ID_BYTES).toString('hex')
    await this.#run({ kind: 'generate', id, label: `${this.#keyPrefix}${keyId}/${version}` }, keyId)
    return id
  }

  async stateOf(id: string, keyId: string): Promise<ObjectState> {
    const { exists } = await this.#run({ kind: 'exists', id }, keyId)
    return exists ? 'active' : 'destroyed'
  }

  async destroy(id: string, keyId: string): Promise<void> {
    await this.#run({ kind: 'destroy', id }, keyId)
  }

  async encrypt(id: string, keyId: string, plaintext: Uint8Array, additionalData: Uint8Array): Promise<GcmSealed> {
    const { iv, bytes } = await this.#run({ kind: 'encrypt', id, plaintext, additionalData }, keyId)
    if (iv === undefined || bytes === undefined) throw kmsError('KMS_UNAVAILABLE', { keyId })
    const tagAt = bytes.length - TAG_BYTES
    return { iv, data: bytes.subarray(0, tagAt), tag: bytes.subarray(tagAt) }
  }

  async decrypt(id: string, keyId: string, { iv, tag, data }: GcmSealed, additionalData: Uint8Array): Promise<Secret> {
    const ciphertext = Buffer.concat([data, tag])
    const answer = await this.#hsm.run({ kind: 'decrypt', id, iv, ciphertext, additionalData })
    if (answer.kind === 'done') return Secret.take(answer.value.bytes ?? new Uint8Array(0))
    // If the same key encrypts and decrypts something else, it was the ciphertext.
    if (isVague(answer)) {
      const probe = await this.encrypt(id, keyId, PROBE, PROBE)
      const sealed = Buffer.concat([probe.data, probe.tag])
      await this.#run({ kind: 'decrypt', id, iv: probe.iv, ciphertext: sealed, additionalData: PROBE }, keyId)
      throw kmsError('KMS_CIPHERTEXT_REFUSED', { keyId })
    }
    throw errorOfAnswer(answer, keyId)
  }

  /** There is such a token, it lets us in, and it knows AES-GCM. */
  async assertSuitable(): Promise<void> {
    await this.#run({ kind: 'exists', id: NO_ID })
  }

  close(): Promise<void> {
    return this.#hsm.close()
  }

  async #run(call: Parameters<Hsm['run']>[0], keyId?: string): Promise<HsmValue> {
    const answer = await this.#hsm.run(call)
    if (answer.kind === 'done') return answer.value
    throw errorOfAnswer(answer, keyId)
  }
}
