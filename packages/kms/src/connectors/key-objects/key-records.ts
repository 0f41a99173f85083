import { isCofferError } from '@coffer/errors'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { KmsRecords } from '../../kms-connector.ts'

const PREFIX = 'key/'

const KeyRecord = z.strictObject({
  format: z.literal(1),
  keyId: z.string(),
  /** From version 1: the identifier of the object in the KMS. */
  versions: z.array(z.strictObject({ id: z.string().min(1), createdAt: z.number() })).min(1),
})

export interface ObjectVersion {
  readonly id: string
  readonly createdAt: number
}

export interface ObjectKey {
  readonly keyId: string
  readonly versions: readonly ObjectVersion[]
  /** Of the record, 0 for one that is not there yet. */
  readonly revision: number
}

/**
 * Which objects of a KMS are the versions of a master key. Names of objects need not be unique in every KMS, and none
 * can add a version in one step: the records can, and are read before each use.
 */
export class KeyRecords {
  readonly #records: KmsRecords

  constructor(records: KmsRecords) {
    this.#records = records
  }

  async find(keyId: string): Promise<ObjectKey | undefined> {
    const record = await this.#records.find(PREFIX + keyId)
    if (record === undefined) return undefined
    const key = keyOf(record.value, record.revision)
    // Another key's record, put in the place of this one.
    if (key.keyId !== keyId) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    return key
  }

  /** KMS_KEY_NOT_FOUND. */
  async get(keyId: string): Promise<ObjectKey> {
    const key = await this.find(keyId)
    if (key === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
    return key
  }

  async list(query: { afterKeyId: string; limit: number }): Promise<readonly ObjectKey[]> {
    const afterId = query.afterKeyId && PREFIX + query.afterKeyId
    const records = await this.#records.list({ prefix: PREFIX, afterId, limit: query.limit })
    // Not for writing back: a list gives no revisions.
    return records.map(({ value }) => keyOf(value, 0))
  }

  /** False if the record has changed meanwhile, and nothing is written then. */
  async append({ keyId, versions, revision }: ObjectKey, version: ObjectVersion): Promise<boolean> {
    const value = Buffer.from(JSON.stringify({ format: 1, keyId, versions: [...versions, version] }))
    try {
      await this.#records.put(PREFIX + keyId, value, revision)
      return true
    } catch (error) {
      if (isCofferError(error, 'META_RECORD_CHANGED')) return false
      throw error
    }
  }
}

function keyOf(value: Uint8Array, revision: number): ObjectKey {
  const parsed = KeyRecord.safeParse(jsonOf(value))
  if (!parsed.success) throw kmsError('KMS_RECORD_DAMAGED')
  const { keyId, versions } = parsed.data
  return { keyId, versions, revision }
}

function jsonOf(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString())
  } catch {
    return undefined
  }
}
