import type { KmsService, MetadataService } from '@coffer/contracts'
import { encodeFields, MetadataKey } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { SERVER_KEY_ID, type WrappedKey, type WrappingKey, wrappingKeyOf } from '@coffer/kms'
import type { Mesh } from '@coffer/mesh'
import { iamError } from './errors.ts'

const IAM_KEY_RECORD = 'iam-key'
const CONTEXT = { purpose: 'iam' }
const PAGE_RECORDS = 500
const REWRAP_ATTEMPTS_MAX = 16

/** A record to be sealed and written; without a value: to be deleted. */
export interface SealedChange {
  readonly id: string
  readonly value?: unknown
  readonly expectedRevision?: number
}

/** Identity records in the table `iam`, each sealed under a key that the KMS wraps, and bound to its id. */
export class IamRecords {
  readonly #mesh: Mesh
  readonly #metadata: MetadataService
  readonly #kms: KmsService
  #key: Promise<MetadataKey> | undefined

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    this.#metadata = mesh.use('metadata')
    this.#kms = mesh.use('kms')
  }

  async find<T>(id: string): Promise<T | undefined> {
    const record = await this.#metadata.findRecord('iam', id)
    return record && (await this.#open<T>(id, record.value))
  }

  async put(id: string, value: unknown): Promise<void> {
    await this.commit([{ id, value }])
  }

  /** All at once, or nothing. META_RECORD_CHANGED. */
  async commit(changes: readonly SealedChange[]): Promise<void> {
    const key = await this.#openKey()
    const sealed = changes.map(({ value, ...change }) => ({
      ...change,
      ...(value !== undefined && {
        value: key.sealRecord(Buffer.from(JSON.stringify(value)), encodeFields('iam', change.id)),
      }),
    }))
    await this.#metadata.changeRecords('iam', sealed)
  }

  /** 0: there is no such record. */
  async revisionOf(id: string): Promise<number> {
    return (await this.#metadata.findRecord('iam', id))?.revision ?? 0
  }

  /** By id. */
  async list<T>(prefix: string): Promise<[id: string, value: T][]> {
    const values: [string, T][] = []
    let afterId = ''
    for (;;) {
      const page = await this.#metadata.listRecords('iam', { prefix, afterId, limit: PAGE_RECORDS })
      for (const { id, value } of page) values.push([id, await this.#open<T>(id, value)])
      const last = page.at(-1)
      if (page.length < PAGE_RECORDS || last === undefined) return values
      afterId = last.id
    }
  }

  /** For what is handed out and comes back: sealed like a record, for one purpose and name. */
  async seal(purpose: string, name: string, plain: Uint8Array): Promise<Uint8Array> {
    return (await this.#openKey()).sealRecord(plain, encodeFields(purpose, name))
  }

  /** CRYPTO_RECORD_DAMAGED. */
  async unseal(purpose: string, name: string, sealed: Uint8Array): Promise<Buffer> {
    return (await this.#openKey()).openRecord(sealed, encodeFields(purpose, name))
  }

  async describeSealingKey(): Promise<WrappingKey | undefined> {
    const known = await this.#metadata.findRecord('iam', IAM_KEY_RECORD)
    return known && wrappingKeyOf(decodeWrapped(known.value))
  }

  /** Another process may do it at the same time: this one then comes on top. */
  async rewrapSealingKey(keyName: string): Promise<WrappingKey> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#rewrapSealingKey(keyName)
      } catch (error) {
        if (!isCofferError(error, 'META_RECORD_CHANGED') || attempt === REWRAP_ATTEMPTS_MAX) throw error
      }
    }
  }

  async #rewrapSealingKey(keyName: string): Promise<WrappingKey> {
    const known = await this.#metadata.findRecord('iam', IAM_KEY_RECORD)
    if (known === undefined) throw iamError('IAM_RECORD_DAMAGED', { id: IAM_KEY_RECORD })
    const rewrapped = await this.#kms.rewrap(decodeWrapped(known.value), CONTEXT, keyName)
    await this.#metadata.putRecord('iam', IAM_KEY_RECORD, encodeWrapped(rewrapped), known.revision)
    return wrappingKeyOf(rewrapped)
  }

  async #open<T>(id: string, sealed: Uint8Array): Promise<T> {
    const key = await this.#openKey()
    try {
      return JSON.parse(key.openRecord(sealed, encodeFields('iam', id)).toString()) as T
    } catch (cause) {
      throw iamError('IAM_RECORD_DAMAGED', { id }, { cause })
    }
  }

  #openKey(): Promise<MetadataKey> {
    if (this.#key === undefined) {
      this.#key = this.#findOrMakeKey()
      this.#key.catch(() => {
        this.#key = undefined
      })
    }
    return this.#key
  }

  async #findOrMakeKey(): Promise<MetadataKey> {
    const known = await this.#metadata.findRecord('iam', IAM_KEY_RECORD)
    if (known !== undefined) return this.#unwrap(known.value)
    await this.#kms.createKey(SERVER_KEY_ID).catch((error: unknown) => {
      if (!isCofferError(error, 'KMS_KEY_EXISTS')) throw error
    })
    const made = await this.#kms.generateDataKey(SERVER_KEY_ID, CONTEXT, this.#mesh.recipient())
    this.#mesh.unparcel(made.plaintext, 'data-key', CONTEXT).wipe()
    const value = encodeWrapped(made.wrapped)
    await this.#metadata.putRecord('iam', IAM_KEY_RECORD, value, 0).catch((error: unknown) => {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    })
    const winner = await this.#metadata.findRecord('iam', IAM_KEY_RECORD)
    if (winner === undefined) throw iamError('IAM_RECORD_DAMAGED', { id: IAM_KEY_RECORD })
    return this.#unwrap(winner.value)
  }

  async #unwrap(value: Uint8Array): Promise<MetadataKey> {
    const parcel = await this.#kms.decrypt(decodeWrapped(value), CONTEXT, this.#mesh.recipient())
    return MetadataKey.take(this.#mesh.unparcel(parcel, 'data-key', CONTEXT))
  }
}

function encodeWrapped({ ciphertext, ...rest }: WrappedKey): Uint8Array {
  return Buffer.from(JSON.stringify({ ...rest, ciphertext: Buffer.from(ciphertext).toString('base64') }))
}

function decodeWrapped(value: Uint8Array): WrappedKey {
  const { ciphertext, ...rest } = JSON.parse(Buffer.from(value).toString())
  return { ...rest, ciphertext: Buffer.from(ciphertext, 'base64') }
}
