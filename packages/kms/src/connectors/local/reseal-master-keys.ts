import { isCofferError } from '@coffer/errors'
import type { KmsRecords } from '../../kms-connector.ts'
import { untilUnchanged } from '../../until-unchanged.ts'
import type { DomainKeyVersion } from './domain-key-record.ts'
import {
  decodeMasterKeyRecord,
  encodeReservation,
  type OpenedMasterKey,
  openMasterKey,
  sealMasterKey,
} from './master-key-record.ts'

export const KEY_PREFIX = 'key/'
const PAGE = 100

/** A record that is sealed in a form that is given up. Undefined: not in that form. */
export type OpenFormer = (value: Uint8Array, keyId: string) => OpenedMasterKey | undefined

/**
 * Seals every master key anew under `newest`. Every record is counted on, also that of a key which is being made: whoever
 * goes by the version before fails at its compare-and-set, so that nothing is under that version when this resolves.
 * Returns the ids of records that do not open: these are left as they are.
 */
export async function resealMasterKeys(
  records: KmsRecords,
  newest: DomainKeyVersion,
  from: { readonly previous?: DomainKeyVersion | undefined; readonly openFormer?: OpenFormer },
): Promise<readonly string[]> {
  const damaged: string[] = []
  for await (const keyId of keyIds(records)) {
    try {
      await untilUnchanged(keyId, async () => {
        const record = await records.find(KEY_PREFIX + keyId)
        const resealed = record && resealedValue(record.value, keyId)
        if (resealed) await records.put(KEY_PREFIX + keyId, resealed, record.revision)
      })
    } catch (error) {
      if (!isCofferError(error, 'KMS_RECORD_DAMAGED')) throw error
      damaged.push(keyId)
    }
  }
  return damaged

  function resealedValue(value: Uint8Array, keyId: string): Uint8Array | undefined {
    const former = from.openFormer?.(value, keyId)
    if (former) return resealedKey(former, newest)
    const record = decodeMasterKeyRecord(value, keyId)
    if (record.domainKeyVersion === newest.version) return undefined
    if (record.sealed === undefined) return encodeReservation(keyId, newest.version)
    const { previous } = from
    // Of a version that is neither: openMasterKey refuses it.
    return resealedKey(openMasterKey(record, previous ?? newest), newest)
  }
}

function resealedKey(opened: OpenedMasterKey, newest: DomainKeyVersion): Uint8Array {
  try {
    return sealMasterKey(opened, newest)
  } finally {
    for (const secret of opened.secrets) secret.wipe()
  }
}

async function* keyIds(records: KmsRecords): AsyncGenerator<string> {
  for (let afterId = ''; ; ) {
    const page = await records.list({ prefix: KEY_PREFIX, afterId, limit: PAGE })
    for (const { id } of page) yield id.slice(KEY_PREFIX.length)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return
    afterId = last.id
  }
}
