import { isCofferError } from '@coffer/errors'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { KmsRecords } from '../../kms-connector.ts'

const PREFIX = 'versions/'
const ATTEMPTS_MAX = 16

const VersionsRecord = z.strictObject({
  format: z.literal(1),
  keyId: z.string(),
  /** Version 2 and those after it. */
  later: z.array(z.strictObject({ name: z.string(), createdAt: z.number() })),
})

/** A key of KES that is a later version of a master key. */
export interface LaterVersion {
  readonly name: string
  readonly createdAt: number
}

/**
 * Which keys of KES are the versions of a master key after its first: a key of KES has none. Kept in Coffer's records and
 * read before each use, so that a rotation by another process counts at once.
 */
export class LaterVersions {
  readonly #records: KmsRecords

  constructor(records: KmsRecords) {
    this.#records = records
  }

  async find(keyId: string): Promise<readonly LaterVersion[]> {
    return (await this.#read(keyId)).later
  }

  /** What another process appends meanwhile is not lost: this version comes after it. */
  async append(keyId: string, version: LaterVersion): Promise<void> {
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const { later, revision } = await this.#read(keyId)
      const value = Buffer.from(JSON.stringify({ format: 1, keyId, later: [...later, version] }))
      try {
        await this.#records.put(PREFIX + keyId, value, revision)
        return
      } catch (error) {
        if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
      }
    }
    throw kmsError('KMS_UNAVAILABLE', { keyId })
  }

  async #read(keyId: string): Promise<{ later: readonly LaterVersion[]; revision: number }> {
    const record = await this.#records.find(PREFIX + keyId)
    if (record === undefined) return { later: [], revision: 0 }
    const parsed = VersionsRecord.safeParse(jsonOf(record.value))
    // Also another key's record, put in the place of this one.
    if (!parsed.success || parsed.data.keyId !== keyId) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    return { later: parsed.data.later, revision: record.revision }
  }
}

function jsonOf(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString())
  } catch {
    return undefined
  }
}
