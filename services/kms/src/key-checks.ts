import { isCofferError } from '@coffer/errors'
import {
  type KeyDescription,
  type KmsConnector,
  type KmsRecordChange,
  keyNameOf,
  kmsError,
  type RemovableRecords,
  type WrappingKey,
} from '@coffer/kms'
import type { Forgetting } from './destroy-due-keys.ts'
import { readableRecords, unlessDamaged } from './readable-pages.ts'

const PREFIX = 'key-check/'
const FORMAT = 1
const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS

type KeyPlace = Pick<WrappingKey, 'connector' | 'keyId'>

interface KeyCheckMeans {
  readonly connectors: readonly KmsConnector[]
  readonly forget: Forgetting
}

/** Part of the write that comes before a key is made: when to see whether its KMS has made it. No KMS is asked for so long. */
export function checkOfNewKey(key: KeyPlace): KmsRecordChange {
  return checkAt(key, Date.now() + HOUR_MS)
}

export function checkId(key: KeyPlace): string {
  return PREFIX + keyNameOf(key)
}

/**
 * Keys of which it is to be seen whether they are there: whose KMS did not answer when they were made, or which it erases by itself. What is kept of
 * one that is not there is forgotten, so that it counts against nobody's quota. A record for each, `key-check/<connector>/<key>`.
 */
export class KeyChecks {
  readonly #records: RemovableRecords
  readonly #means: KeyCheckMeans

  constructor(records: RemovableRecords, means: KeyCheckMeans) {
    this.#records = records
    this.#means = means
  }

  /** `at`: milliseconds since 1970. */
  async plan(key: KeyPlace, at: number): Promise<void> {
    await this.#records.change([checkAt(key, at)])
  }

  /** A key whose KMS erases it, not Coffer. */
  async planAfterDeletion({ name, destroyKey }: KmsConnector, { keyId, deletionAt }: KeyDescription): Promise<void> {
    if (destroyKey !== undefined || deletionAt === undefined) return
    await this.plan({ connector: name, keyId }, deletionAt + HOUR_MS)
  }

  /** Those that are due. One whose KMS does not answer stays due. */
  async makeDue(): Promise<void> {
    const nowMs = Date.now()
    for await (const { id, value } of readableRecords(this.#records, PREFIX)) {
      if (dueAtOf(value) <= nowMs) await unlessDamaged(() => this.#check(keyIn(id), nowMs))
    }
  }

  async #check(key: KeyPlace, nowMs: number): Promise<void> {
    const connector = this.#means.connectors.find(({ name }) => name === key.connector)
    try {
      const found = connector && (await connector.describeKey(key.keyId))
      if (found?.state === 'pending-deletion') return await this.plan(key, nowMs + DAY_MS)
      if (found?.state !== 'destroyed') return await this.#records.remove(checkId(key))
    } catch (error) {
      if (!isCofferError(error)) throw error
      if (error.code !== 'KMS_KEY_NOT_FOUND') return
    }
    await this.#means.forget.names(key)
    await this.#means.forget.settings(key)
  }
}

function checkAt(key: KeyPlace, at: number): KmsRecordChange {
  return { id: checkId(key), value: Buffer.from(JSON.stringify({ format: FORMAT, at })) }
}

function dueAtOf(value: Uint8Array): number {
  const { format, at } = JSON.parse(Buffer.from(value).toString())
  if (format !== FORMAT) throw kmsError('KMS_RECORD_DAMAGED', { format })
  return at
}

function keyIn(id: string): KeyPlace {
  const [connector = '', keyId = ''] = id.slice(PREFIX.length).split('/', 2)
  return { connector, keyId }
}
