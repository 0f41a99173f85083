import { kmsError } from './errors.ts'
import type { KeyLife, LifeChange } from './key-life.ts'
import type { KmsRecords } from './kms-connector.ts'
import { untilUnchanged } from './until-unchanged.ts'

const PREFIX = 'life/'
const FORMAT = 1
const ENABLED: KeyLife = { state: 'enabled' }

/**
 * Whether keys are enabled, for a KMS that has no such state of its own: kept in Coffer's records, so that it binds Coffer,
 * not others who use the same KMS. A key without a record is enabled.
 */
export class KeyLives {
  readonly #records: KmsRecords

  constructor(records: KmsRecords) {
    this.#records = records
  }

  async find(keyId: string): Promise<KeyLife> {
    return (await this.#read(keyId)).life
  }

  async change(keyId: string, change: LifeChange): Promise<KeyLife> {
    return untilUnchanged(keyId, async () => {
      const { life, revision } = await this.#read(keyId)
      const changed = change(life, keyId)
      const value = Buffer.from(JSON.stringify({ format: FORMAT, keyId, ...changed }))
      await this.#records.put(PREFIX + keyId, value, revision)
      return changed
    })
  }

  async #read(keyId: string): Promise<{ life: KeyLife; revision: number }> {
    const record = await this.#records.find(PREFIX + keyId)
    if (record === undefined) return { life: ENABLED, revision: 0 }
    try {
      const { format, keyId: storedId, ...life } = JSON.parse(Buffer.from(record.value).toString())
      if (format === FORMAT && storedId === keyId) return { life, revision: record.revision }
    } catch (cause) {
      throw kmsError('KMS_RECORD_DAMAGED', { keyId }, { cause })
    }
    throw kmsError('KMS_RECORD_DAMAGED', { keyId })
  }
}
