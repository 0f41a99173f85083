import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { describe, expect, it, vi } from 'vitest'
import { kmsConnectorContract } from '../contract.ts'
import { MemoryRecords } from '../testing/memory-records.ts'
import { openLocalConnector } from './local.ts'

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

  it('refuses to begin anew where master keys are, but not the record that checks the root key', async () => {
    const records = new MemoryRecords()
    const connector = await openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
    await connector.createKey('k1')
    records.rows.delete('root-check')
    const before = new Map(records.rows)
    const wrong = openLocalConnector({ rootKey: Secret.random(32) }, { name: 'local', records })
    await expect(wrong).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    expect(records.rows).toEqual(before)
  })

  it('finds out the record of another key, and versions of one key in another order', async () => {
    const records = new MemoryRecords()
    const connector = await openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
    await connector.createKey('k1')
    await connector.createKey('k2')
    await connector.rotateKey('k2')
    const row = records.rows.get('key/k2') ?? { value: new Uint8Array(0), revision: 1 }
    records.rows.set('key/k1', row)
    await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    const key = JSON.parse(Buffer.from(row.value).toString())
    const reordered = Buffer.from(JSON.stringify({ ...key, versions: key.versions.toReversed() }))
    records.rows.set('key/k2', { ...row, value: reordered })
    await expect(connector.generateDataKey('k2', {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  })

  it('erases a key when its deletion is due, not before, and for good', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const records = new MemoryRecords()
      const connector = await openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
      await connector.createKey('k1')
      const { wrapped } = await connector.generateDataKey('k1', {})
      const stored = JSON.parse(Buffer.from(records.rows.get('key/k1')?.value ?? []).toString()).versions[0].sealed
      await expect(connector.destroyKey?.('k1')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_PENDING_DELETION' })
      await connector.scheduleKeyDeletion('k1', 7)
      vi.setSystemTime(Date.now() + 7 * 24 * 3600 * 1000 - 1000)
      await expect(connector.destroyKey?.('k1')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_PENDING_DELETION' })
      vi.setSystemTime(Date.now() + 2000)
      expect(await connector.destroyKey?.('k1')).toMatchObject({ keyId: 'k1', state: 'destroyed' })
      expect(Buffer.from(records.rows.get('key/k1')?.value ?? []).toString()).not.toContain(stored)
      for (const act of [
        () => connector.decrypt(wrapped, {}),
        () => connector.generateDataKey('k1', {}),
        () => connector.enableKey('k1'),
        () => connector.cancelKeyDeletion('k1'),
      ]) {
        await expect(act()).rejects.toMatchObject({
          code: expect.stringMatching(/^KMS_KEY_(NOT_FOUND|NOT_PENDING_DELETION)$/),
        })
      }
      await expect(connector.createKey('k1')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    } finally {
      vi.useRealTimers()
    }
  })

  it('keeps no master key and no data key in the clear', async () => {
    const records = new MemoryRecords()
    const connector = await openLocalConnector({ rootKey: Secret.copyOf(ROOT_BYTES) }, { name: 'local', records })
    await connector.createKey('k1')
    const { plaintext, wrapped } = await connector.generateDataKey('k1', {})
    const stored = Buffer.concat([...[...records.rows.values()].map(({ value }) => value), wrapped.ciphertext])
    for (const key of [ROOT_BYTES, insecureExportKeyBytes(plaintext)]) {
      expect(stored.includes(key)).toBe(false)
      expect(stored.includes(Buffer.from(key).toString('base64'))).toBe(false)
    }
  })
})
