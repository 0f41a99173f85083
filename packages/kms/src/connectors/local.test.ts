import { Secret } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import { describe, expect, it } from 'vitest'
import { kmsConnectorContract } from '../contract.ts'
import type { KmsRecords } from '../kms-connector.ts'
import { openLocalConnector } from './local.ts'

/** A table of records in memory, with the compare-and-set of the metadata store. */
class MemoryRecords implements KmsRecords {
  readonly rows = new Map<string, { value: Uint8Array; revision: number }>()

  async find(id: string) {
    return this.rows.get(id)
  }

  async put(id: string, value: Uint8Array, expectedRevision: number) {
    const revision = this.rows.get(id)?.revision ?? 0
    if (revision !== expectedRevision) throw new CofferError({ code: 'META_RECORD_CHANGED', message: 'changed' })
    this.rows.set(id, { value, revision: revision + 1 })
  }

  async list({ prefix, afterId, limit }: { prefix: string; afterId: string; limit: number }) {
    const ids = [...this.rows.keys()].filter((id) => id.startsWith(prefix) && id > afterId).sort()
    return ids.slice(0, limit).map((id) => ({ id, value: this.rows.get(id)?.value ?? new Uint8Array(0) }))
  }
}

const ROOT_BYTES = new Uint8Array(32).fill(7)

kmsConnectorContract('the local connector', async () => {
  const records = new MemoryRecords()
  const open = () => openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
  return { connector: await open(), another: await open(), dispose: async () => undefined }
})

describe('the local connector and its root key', () => {
  it('refuses a wrong root key and changes nothing', async () => {
    const records = new MemoryRecords()
    await openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
    const before = new Map(records.rows)
    const wrong = openLocalConnector({ rootKey: Secret.random(32) }, { name: 'local', records })
    await expect(wrong).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_WRONG' })
    expect(records.rows).toEqual(before)
  })

  it('refuses a root key that is not 32 bytes', async () => {
    const short = openLocalConnector({ rootKey: Secret.random(16) }, { name: 'local', records: new MemoryRecords() })
    await expect(short).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_MALFORMED' })
  })

  it('tells a damaged record from a wrong key', async () => {
    const records = new MemoryRecords()
    const connector = await openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
    await connector.createKey('k1')
    const row = records.rows.get('key/k1')
    records.rows.set('key/k1', { value: (row?.value ?? new Uint8Array(9)).subarray(3), revision: 1 })
    await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  })
})
