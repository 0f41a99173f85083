import { kmsError } from '../../errors.ts'
import type { KmsRecords } from '../../kms-connector.ts'
import { untilUnchanged } from '../../until-unchanged.ts'
import type { DomainKey } from './domain-key.ts'
import {
  decodeMasterKeyRecord,
  encodeReservation,
  type MasterKey,
  type OpenedMasterKey,
  openMasterKey,
  sealMasterKey,
} from './master-key-record.ts'
import { KEY_PREFIX } from './reseal-master-keys.ts'

interface CachedMasterKey extends OpenedMasterKey {
  readonly revision: number
}

/** Master keys in their records. Every read asks for the record, so that a change by another process counts at once. */
export class MasterKeyStore {
  readonly #records: KmsRecords
  readonly #domainKey: DomainKey
  /** Opened once for each revision. */
  readonly #opened = new Map<string, CachedMasterKey>()

  constructor(records: KmsRecords, domainKey: DomainKey) {
    this.#records = records
    this.#domainKey = domainKey
  }

  /** The secrets are the store's: to be used before anything is awaited. KMS_KEY_NOT_FOUND, KMS_RECORD_DAMAGED. */
  async read(keyId: string): Promise<CachedMasterKey> {
    for (let attempt = 1; ; attempt++) {
      const record = await this.#records.find(KEY_PREFIX + keyId)
      if (record === undefined) throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
      const known = this.#opened.get(keyId)
      if (known?.revision === record.revision) return known
      const opened = await this.#open(record.value, keyId)
      if (opened === 'reserved') throw kmsError('KMS_KEY_NOT_FOUND', { keyId })
      if (opened !== 'replaced') return this.#remember(keyId, { ...opened, revision: record.revision })
      // Under a domain key that is gone: sealed anew since it was read, or an old copy that somebody put back.
      if (attempt > 1) throw kmsError('KMS_RECORD_DAMAGED', { keyId })
    }
  }

  /** KMS_KEY_EXISTS. */
  async create(made: OpenedMasterKey): Promise<void> {
    const { keyId } = made.key
    await untilUnchanged(keyId, async () => {
      const revision = await this.#reserve(keyId)
      // After the id is taken: whoever replaces the domain key from now on counts on this record.
      await this.#domainKey.refresh()
      await this.#records.put(KEY_PREFIX + keyId, sealMasterKey(made, this.#domainKey.newest), revision)
    })
  }

  /** What another process changes meanwhile is not lost: this change is made on top of it. */
  async change(keyId: string, change: (opened: OpenedMasterKey) => OpenedMasterKey): Promise<MasterKey> {
    return untilUnchanged(keyId, async () => {
      const opened = await this.read(keyId)
      const changed = change(opened)
      await this.#records.put(KEY_PREFIX + keyId, sealMasterKey(changed, this.#domainKey.newest), opened.revision)
      return changed.key
    })
  }

  /** As many as `limit`, unless there are no more. KMS_RECORD_DAMAGED. */
  async list({ afterKeyId, limit }: { afterKeyId: string; limit: number }): Promise<readonly MasterKey[]> {
    const keys: MasterKey[] = []
    for (let after = afterKeyId; keys.length < limit; ) {
      const afterId = after === '' ? '' : KEY_PREFIX + after
      const page = await this.#records.list({ prefix: KEY_PREFIX, afterId, limit })
      for (const { id, value } of page) {
        after = id.slice(KEY_PREFIX.length)
        const found = await this.#describe(value, after)
        if (found !== undefined && keys.length < limit) keys.push(found)
      }
      if (page.length < limit) break
    }
    return keys
  }

  forgetAll(): void {
    for (const opened of this.#opened.values()) wipe(opened)
    this.#opened.clear()
  }

  /** Checks the whole record, and keeps nothing of it. */
  async #describe(value: Uint8Array, keyId: string): Promise<MasterKey | undefined> {
    const opened = await this.#open(value, keyId)
    if (opened === 'reserved') return undefined
    if (opened === 'replaced') return (await this.read(keyId)).key
    wipe(opened)
    return opened.key
  }

  /** The revision of a record that takes the id, and in which nothing is sealed yet. */
  async #reserve(keyId: string): Promise<number> {
    const record = await this.#records.find(KEY_PREFIX + keyId)
    if (record === undefined) {
      await this.#records.put(KEY_PREFIX + keyId, encodeReservation(keyId, this.#domainKey.newest.version), 0)
      return await this.#reserve(keyId)
    }
    if (decodeMasterKeyRecord(record.value, keyId).sealed !== undefined) throw kmsError('KMS_KEY_EXISTS', { keyId })
    return record.revision
  }

  async #open(value: Uint8Array, keyId: string): Promise<OpenedMasterKey | 'reserved' | 'replaced'> {
    const record = decodeMasterKeyRecord(value, keyId)
    if (record.sealed === undefined) return 'reserved'
    if (this.#domainKey.find(record.domainKeyVersion) === undefined) await this.#domainKey.refresh()
    const version = this.#domainKey.find(record.domainKeyVersion)
    return version === undefined ? 'replaced' : openMasterKey(record, version)
  }

  #remember(keyId: string, opened: CachedMasterKey): CachedMasterKey {
    const former = this.#opened.get(keyId)
    // Who has just read it uses it before the event loop turns.
    setImmediate(() => wipe(former))
    this.#opened.set(keyId, opened)
    return opened
  }
}

function wipe(opened: OpenedMasterKey | undefined): void {
  for (const secret of opened?.secrets ?? []) secret.wipe()
}
