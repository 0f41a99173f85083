import { setTimeout as sleep } from 'node:timers/promises'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { kmsError } from '../../errors.ts'
import type { KmsRecords } from '../../kms-connector.ts'
import { untilUnchanged } from '../../until-unchanged.ts'
import {
  checkRootKey,
  type DomainKeyVersion,
  decodeDomainKeyRecord,
  encodeDomainKeyRecord,
  newDomainKey,
  openDomainKeyRecord,
  openHandover,
  openPrevious,
  recordOfDomainKey,
  recordOfSuccession,
} from './domain-key-record.ts'
import { openFormat1 } from './master-key-format-1.ts'
import { KEY_PREFIX, resealMasterKeys } from './reseal-master-keys.ts'
import { resealRecords } from './sealed-records.ts'

const ROOT_KEY_BYTES = 32
/** Of the record that is sealed under the root key. Stores before the domain key had only a check of the root key in it. */
export const DOMAIN_KEY_ID = 'root-check'
/** The first byte of an envelope (FORMAT.md, section 3); records are JSON. */
const ENVELOPE_FORMAT = 1

/** A domain key for another process of the same server: plain bytes, for a channel that nobody else reads. */
export interface DomainKeyExport {
  readonly version: number
  readonly key: Uint8Array
}

/**
 * The key that seals the master keys of the built-in KMS (a term of AWS KMS, Cryptographic Details, "Domain keys"). Its record
 * alone is sealed under the root key, so that the root key is replaced by one compare-and-set, and whoever holds the domain key
 * needs the root key no more. See docs/decisions/0008.
 */
export class DomainKey {
  readonly #records: KmsRecords
  #revision: number
  #newest: DomainKeyVersion
  #previous: DomainKeyVersion | undefined
  #transitionSeenAt: number | undefined

  private constructor(records: KmsRecords, revision: number, newest: DomainKeyVersion, previous?: DomainKeyVersion) {
    this.#records = records
    this.#revision = revision
    this.#newest = newest
    this.#previous = previous
    this.#transitionSeenAt = previous && Date.now()
  }

  /**
   * With the root key, which the caller keeps and wipes; made where nothing has been sealed yet. Stores without a domain key
   * are migrated. KMS_ROOT_KEY_WRONG, KMS_ROOT_KEY_MALFORMED, KMS_RECORD_DAMAGED: then nothing has been changed.
   */
  static async open(rootKey: Secret, records: KmsRecords): Promise<DomainKey> {
    assertRootKeySize(rootKey)
    return untilUnchanged(DOMAIN_KEY_ID, async () => {
      await ensureDomainKeyRecord(rootKey, records)
      const { record, revision } = await readRecord(records)
      const newest = openDomainKeyRecord(record, rootKey)
      const domainKey = new DomainKey(records, revision, newest, openPrevious(record, newest))
      if (record.migrating && (await hasMigrated(newest, rootKey, records))) {
        const migrated = recordOfDomainKey(newest, rootKey, false)
        await records.put(DOMAIN_KEY_ID, encodeDomainKeyRecord(migrated), revision)
        await domainKey.refresh()
      }
      return domainKey
    })
  }

  /** With what {@link insecureExport} gave to this process. KMS_DOMAIN_KEY_OUTDATED, KMS_RECORD_DAMAGED. */
  static async resume({ version, key }: DomainKeyExport, records: KmsRecords): Promise<DomainKey> {
    const domainKey = new DomainKey(records, 0, { version, key: Secret.take(key) })
    await domainKey.refresh()
    return domainKey
  }

  get newest(): DomainKeyVersion {
    return this.#newest
  }

  /** Since when this process knows of a version that is being replaced, milliseconds since 1970. */
  get transitionSeenAt(): number | undefined {
    return this.#transitionSeenAt
  }

  find(version: number): DomainKeyVersion | undefined {
    return [this.#newest, this.#previous].find((known) => known?.version === version)
  }

  /** Learns of a new version. KMS_DOMAIN_KEY_OUTDATED: it came and went while this process did not look. */
  async refresh(): Promise<void> {
    const { record, revision } = await readRecord(this.#records)
    // An older answer, come late.
    if (revision <= this.#revision) return
    if (record.version < this.#newest.version) throw kmsError('KMS_RECORD_DAMAGED', { id: DOMAIN_KEY_ID })
    if (record.version > this.#newest.version) {
      const successor = openHandover(record, this.#newest)
      if (successor === undefined) throw kmsError('KMS_DOMAIN_KEY_OUTDATED')
      this.#setPrevious(this.#newest)
      this.#newest = successor
    } else if (record.previous === undefined) {
      this.#setPrevious(undefined)
    } else if (this.#previous === undefined) {
      this.#setPrevious(openPrevious(record, this.#newest))
    }
    this.#revision = revision
  }

  /**
   * From here on only the new root key opens the store: a new domain key is sealed under it, in one compare-and-set.
   * {@link finishReplacement} must follow. KMS_ROOT_KEY_MALFORMED; KMS_ROOT_KEY_REPLACED if somebody else was first.
   */
  async replaceRootKey(newRootKey: Secret): Promise<void> {
    assertRootKeySize(newRootKey)
    const { version } = this.#newest
    const successor = newDomainKey(version + 1)
    try {
      await untilUnchanged(DOMAIN_KEY_ID, async () => {
        const { record, revision } = await readRecord(this.#records)
        // Ours, where the answer to the write was lost.
        if (record.version !== version && isSealedUnder(newRootKey, record)) return
        if (record.version !== version || record.previous) throw kmsError('KMS_ROOT_KEY_REPLACED')
        const succession = recordOfSuccession(this.#newest, successor, newRootKey)
        await this.#records.put(DOMAIN_KEY_ID, encodeDomainKeyRecord(succession), revision)
      })
    } finally {
      successor.key.wipe()
    }
    await this.refresh()
  }

  /**
   * Seals all master keys and sealed records under the newest version, waits until every process must have learned of it, and
   * forgets the version before. Does nothing where nothing is being replaced; may be repeated. Returns the ids of master keys and records that do not
   * open: they did not before, and are left as they are.
   */
  async finishReplacement(handoverMs: number): Promise<readonly string[]> {
    await this.refresh()
    const [newest, previous] = [this.#newest, this.#previous]
    if (previous === undefined) return []
    const damaged = await resealMasterKeys(this.#records, newest, { previous })
    await sleep(handoverMs)
    // After the time in which a process that has not heard of it may seal under the version before.
    const damagedRecords = await resealRecords(this.#records, newest, previous)
    await untilUnchanged(DOMAIN_KEY_ID, async () => {
      const { record, revision } = await readRecord(this.#records)
      if (record.version !== newest.version || record.previous === undefined) return
      const { previous: _, ...settled } = record
      await this.#records.put(DOMAIN_KEY_ID, encodeDomainKeyRecord(settled), revision)
    })
    await this.refresh()
    return [...damaged, ...damagedRecords]
  }

  insecureExport(): DomainKeyExport {
    const { version, key } = this.#newest
    return { version, key: Uint8Array.from(insecureExportKeyBytes(key)) }
  }

  wipe(): void {
    this.#newest.key.wipe()
    this.#previous?.key.wipe()
  }

  #setPrevious(previous: DomainKeyVersion | undefined): void {
    if (this.#previous !== previous) this.#previous?.key.wipe()
    this.#previous = previous
    this.#transitionSeenAt = previous && Date.now()
  }
}

async function readRecord(records: KmsRecords) {
  const stored = await records.find(DOMAIN_KEY_ID)
  if (stored === undefined) throw kmsError('KMS_RECORD_DAMAGED', { id: DOMAIN_KEY_ID })
  return { record: decodeDomainKeyRecord(stored.value), revision: stored.revision }
}

/** Makes the record at the first start, and in place of what stores had before. Rejects with META_RECORD_CHANGED. */
async function ensureDomainKeyRecord(rootKey: Secret, records: KmsRecords): Promise<void> {
  const stored = await records.find(DOMAIN_KEY_ID)
  if (stored !== undefined && stored.value[0] !== ENVELOPE_FORMAT) return
  if (stored !== undefined) checkRootKey(stored.value, rootKey)
  // Master keys without it: somebody removed the record, and a wrong root key would pass for the first one.
  else if ((await records.list({ prefix: KEY_PREFIX, afterId: '', limit: 1 })).length > 0) {
    throw kmsError('KMS_RECORD_DAMAGED', { id: DOMAIN_KEY_ID })
  }
  const first = newDomainKey(1)
  const record = recordOfDomainKey(first, rootKey, stored !== undefined)
  first.key.wipe()
  await records.put(DOMAIN_KEY_ID, encodeDomainKeyRecord(record), stored?.revision ?? 0)
}

/** False where a record does not open: it is tried again at the next start, and refused until then. */
async function hasMigrated(newest: DomainKeyVersion, rootKey: Secret, records: KmsRecords): Promise<boolean> {
  const openFormer = (value: Uint8Array, keyId: string) => openFormat1(value, keyId, rootKey)
  return (await resealMasterKeys(records, newest, { openFormer })).length === 0
}

function isSealedUnder(rootKey: Secret, record: Parameters<typeof openDomainKeyRecord>[0]): boolean {
  try {
    openDomainKeyRecord(record, rootKey).key.wipe()
    return true
  } catch (error) {
    if (isCofferError(error, 'KMS_ROOT_KEY_WRONG')) return false
    throw error
  }
}

function assertRootKeySize(rootKey: Secret): void {
  if (rootKey.lengthBytes !== ROOT_KEY_BYTES) throw kmsError('KMS_ROOT_KEY_MALFORMED')
}
