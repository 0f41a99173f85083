import { insecureExportKeyBytes, Secret, unwrapSecret, wrapSecret } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import { kmsError } from '../../errors.ts'
import type { KmsRecords, RemovableRecords } from '../../kms-connector.ts'
import { untilUnchanged } from '../../until-unchanged.ts'
import type { DomainKey } from './domain-key.ts'
import type { DomainKeyVersion } from './domain-key-record.ts'

/** Ids of records that are sealed so begin with one of these. */
const PREFIXES = [
  'alias/',
  'account-alias/',
  'account-count/',
  'account-key/',
  'audit/',
  'grant/',
  'key-alias/',
  'key-check/',
  'settings/',
] as const
const PURPOSE = 'kms service record'
/** The domain key's version, unsigned and big-endian, stands before the envelope. */
const VERSION_BYTES = 4
const PAGE = 100

/**
 * Records whose values are sealed under the domain key and bound to their ids: who has the disk can neither read them nor put
 * one in another's place. Each call that meets a record that does not open rejects with KMS_RECORD_DAMAGED.
 */
export function sealedRecords(records: RemovableRecords, domainKey: DomainKey): RemovableRecords {
  const open = async (id: string, value: Uint8Array): Promise<Uint8Array> => {
    const version = versionOf(id, value)
    // Sealed by a process that learned of a new domain key before this one.
    if (domainKey.find(version) === undefined) await domainKey.refresh()
    return openRecord(id, value, domainKey.find(version))
  }
  const put = async (id: string, value: Uint8Array, expectedRevision: number): Promise<void> => {
    const { version } = domainKey.newest
    await records.put(id, sealRecord(id, value, domainKey.newest), expectedRevision)
    await domainKey.refresh()
    // The domain key was replaced meanwhile, and whoever did that may have been here before.
    if (domainKey.newest.version !== version) await put(id, value, expectedRevision + 1)
  }
  /** What `change` has sealed under a domain key that was replaced meanwhile; whoever wrote the record since has seen to it. */
  const sealAnew = async (id: string, value: Uint8Array): Promise<void> => {
    const record = await records.find(id)
    if (record === undefined || versionOf(id, record.value) === domainKey.newest.version) return
    await put(id, value, record.revision).catch((error: unknown) => {
      if (!isCofferError(error, 'META_RECORD_CHANGED')) throw error
    })
  }
  return {
    async find(id) {
      const record = await records.find(id)
      return record && { value: await open(id, record.value), revision: record.revision }
    },
    put,
    async list(query) {
      const found = await records.list(query)
      return await Promise.all(found.map(async ({ id, value }) => ({ id, value: await open(id, value) })))
    },
    remove: (id) => records.remove(id),
    async change(changes) {
      const { version } = domainKey.newest
      const sealed = changes.map(({ value, ...change }) => ({
        ...change,
        ...(value !== undefined && { value: sealRecord(change.id, value, domainKey.newest) }),
      }))
      await records.change(sealed)
      await domainKey.refresh()
      if (domainKey.newest.version === version) return
      for (const { id, value } of changes) if (value !== undefined) await sealAnew(id, value)
    },
  }
}

/** Seals what is under `previous` under `newest`. Returns the ids of records that do not open: these are left as they are. */
export async function resealRecords(
  records: KmsRecords,
  newest: DomainKeyVersion,
  previous: DomainKeyVersion,
): Promise<readonly string[]> {
  const damaged: string[] = []
  for await (const id of sealedIds(records)) {
    try {
      await untilUnchanged(id, async () => {
        const record = await records.find(id)
        if (record === undefined || versionOf(id, record.value) === newest.version) return
        const value = openRecord(id, record.value, previous)
        await records.put(id, sealRecord(id, value, newest), record.revision)
      })
    } catch (error) {
      if (!isCofferError(error, 'KMS_RECORD_DAMAGED')) throw error
      damaged.push(id)
    }
  }
  return damaged
}

async function* sealedIds(records: KmsRecords): AsyncGenerator<string> {
  for (const prefix of PREFIXES) {
    for (let afterId = ''; ; ) {
      const page = await records.list({ prefix, afterId, limit: PAGE })
      for (const { id } of page) yield id
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE) break
      afterId = last.id
    }
  }
}

function sealRecord(id: string, value: Uint8Array, { version, key }: DomainKeyVersion): Uint8Array {
  const plain = Secret.copyOf(value)
  try {
    const envelope = wrapSecret(plain, key, PURPOSE, { id, version: String(version) })
    const sealed = Buffer.alloc(VERSION_BYTES + envelope.length)
    sealed.writeUInt32BE(version)
    sealed.set(envelope, VERSION_BYTES)
    return sealed
  } finally {
    plain.wipe()
  }
}

function openRecord(id: string, value: Uint8Array, domainKey: DomainKeyVersion | undefined): Uint8Array {
  const version = versionOf(id, value)
  if (domainKey?.version !== version) throw kmsError('KMS_RECORD_DAMAGED', { id })
  try {
    const context = { id, version: String(version) }
    return insecureExportKeyBytes(unwrapSecret(value.subarray(VERSION_BYTES), domainKey.key, PURPOSE, context))
  } catch (cause) {
    throw kmsError('KMS_RECORD_DAMAGED', { id }, { cause })
  }
}

function versionOf(id: string, value: Uint8Array): number {
  if (value.length <= VERSION_BYTES) throw kmsError('KMS_RECORD_DAMAGED', { id })
  return new DataView(value.buffer, value.byteOffset).getUint32(0)
}
