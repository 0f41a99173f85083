import { insecureExportKeyBytes, Secret, wrapSecret } from '@coffer/crypto-core'
import { describe, expect, it, vi } from 'vitest'
import { kmsConnectorContract } from '../contract.ts'
import { MemoryRecords } from '../testing/memory-records.ts'
import { DomainKey, openLocalConnector } from './local.ts'

const ROOT_BYTES = new Uint8Array(32).fill(7)

async function openLocal(records: MemoryRecords, rootKey = Secret.copyOf(ROOT_BYTES)) {
  return openLocalConnector({ domainKey: await DomainKey.open(rootKey, records) }, { name: 'local', records })
}

kmsConnectorContract('the local connector', async () => {
  const records = new MemoryRecords()
  const [connector, another] = [await openLocal(records), await openLocal(records)]
  return { connector, another, dispose: async () => void (await Promise.all([connector.close(), another.close()])) }
})

describe('the local connector and its root key', () => {
  it('refuses a wrong root key and changes nothing', async () => {
    const records = new MemoryRecords()
    await openLocal(records)
    const before = new Map(records.rows)
    const wrong = openLocal(records, Secret.random(32))
    await expect(wrong).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_WRONG' })
    expect(records.rows).toEqual(before)
  })

  it('refuses a root key that is not 32 bytes', async () => {
    const short = openLocal(new MemoryRecords(), Secret.random(16))
    await expect(short).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_MALFORMED' })
  })

  it('tells a damaged record from a wrong key', async () => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    await connector.createKey('k1')
    const row = records.rows.get('key/k1')
    records.rows.set('key/k1', { value: (row?.value ?? new Uint8Array(9)).subarray(3), revision: 1 })
    await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  })

  it('refuses to begin anew where master keys are, but not the record that checks the root key', async () => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    await connector.createKey('k1')
    records.rows.delete('root-check')
    const before = new Map(records.rows)
    const wrong = openLocal(records, Secret.random(32))
    await expect(wrong).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    expect(records.rows).toEqual(before)
  })

  it('finds out the record of another key', async () => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    await connector.createKey('k1')
    await connector.createKey('k2')
    await connector.rotateKey('k2')
    const row = records.rows.get('key/k2') ?? { value: new Uint8Array(0), revision: 1 }
    records.rows.set('key/k1', { ...row, revision: 9 })
    await expect(connector.generateDataKey('k1', {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  })

  it('erases a key when its deletion is due, not before, and for good', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    try {
      const records = new MemoryRecords()
      const connector = await openLocal(records)
      await connector.createKey('k1')
      const { wrapped } = await connector.generateDataKey('k1', {})
      const stored = JSON.parse(Buffer.from(records.rows.get('key/k1')?.value ?? []).toString()).sealed
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

  it('gives a key that is disabled, or waits for its deletion, no new version', async () => {
    const connector = await openLocal(new MemoryRecords())
    await connector.createKey('k1')
    await connector.disableKey('k1')
    await expect(connector.rotateKey('k1')).rejects.toMatchObject({ code: 'KMS_KEY_DISABLED' })
    await connector.scheduleKeyDeletion('k1', 7)
    await expect(connector.rotateKey('k1')).rejects.toMatchObject({ code: 'KMS_KEY_PENDING_DELETION' })
    expect(await connector.describeKey('k1')).toMatchObject({ currentVersion: 1 })
  })

  it('takes a key from outside as version 1, and keeps it like its own', async () => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    const material = Secret.random(32)
    expect(await connector.importKey?.('k1', material)).toMatchObject({ keyId: 'k1', currentVersion: 1 })
    const ciphertext = wrapSecret(Secret.copyOf(Buffer.from('data')), material, 'kms data key', { a: 'b' })
    const wrapped = { connector: 'local', keyId: 'k1', keyVersion: 1, ciphertext }
    await connector.rotateKey('k1')
    const another = await openLocal(records)
    expect((await another.decrypt(wrapped, { a: 'b' })).equals(Secret.copyOf(Buffer.from('data')))).toBe(true)
    expect((await another.generateDataKey('k1', {})).wrapped.keyVersion).toBe(2)
    const stored = Buffer.concat([...records.rows.values()].map(({ value }) => value)).toString()
    expect(stored).not.toContain(Buffer.from(insecureExportKeyBytes(material)).toString('base64'))
    await expect(connector.importKey?.('k1', material)).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    await expect(connector.importKey?.('no/slash', material)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    for (const size of [16, 31, 33]) {
      const refused = connector.importKey?.('k2', Secret.random(size))
      await expect(refused).rejects.toMatchObject({ code: 'KMS_KEY_MATERIAL_INVALID' })
    }
    await expect(connector.describeKey('k2')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
  })

  it('keeps no master key and no data key in the clear', async () => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    await connector.createKey('k1')
    const { plaintext, wrapped } = await connector.generateDataKey('k1', {})
    const stored = Buffer.concat([...[...records.rows.values()].map(({ value }) => value), wrapped.ciphertext])
    for (const key of [ROOT_BYTES, insecureExportKeyBytes(plaintext)]) {
      expect(stored.includes(key)).toBe(false)
      expect(stored.includes(Buffer.from(key).toString('base64'))).toBe(false)
    }
  })
})

/** Whoever writes the disk, without the root key. */
describe('a key record that somebody has changed', () => {
  const attacks: Record<string, (row: Record<string, unknown>) => Record<string, unknown>> = {
    'a disabled key made enabled': (key) => ({ ...key, state: 'enabled' }),
    'a key made destroyed': (key) => ({ ...key, state: 'destroyed' }),
    'a deletion scheduled': (key) => ({ ...key, state: 'pending-deletion', deletionAt: 1 }),
    'another date of its making': (key) => ({ ...key, createdAt: 1 }),
    'its newest version removed': (key) => ({ ...key, versions: (key.versions as unknown[]).slice(0, -1) }),
    'a version added': (key) => ({ ...key, versions: [...(key.versions as unknown[]), { createdAt: 1 }] }),
    'the date of a version': (key) => ({ ...key, versions: (key.versions as unknown[]).map(() => ({ createdAt: 1 })) }),
    'another domain key': (key) => ({ ...key, domainKeyVersion: 2 }),
    'its id': (key) => ({ ...key, keyId: 'k2' }),
    'a field more': (key) => ({ ...key, more: true }),
    'the old format': (key) => ({ ...key, format: 1 }),
    'a byte of its sealed versions': (key) => ({
      ...key,
      sealed: String(key.sealed).replace(/^(.{150})(.)/, (_, before, one) => before + (one === 'A' ? 'B' : 'A')),
    }),
  }

  it.each(Object.keys(attacks))('is refused: %s', async (name) => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    await connector.createKey('k1')
    await connector.rotateKey('k1')
    const { wrapped } = await connector.generateDataKey('k1', {})
    await connector.disableKey('k1')
    const row = records.rows.get('key/k1') ?? { value: new Uint8Array(0), revision: 1 }
    const changed = attacks[name]?.(JSON.parse(Buffer.from(row.value).toString())) ?? {}
    // A new process has opened nothing yet; one that runs looks again when the revision differs.
    records.rows.set('key/k1', { value: Buffer.from(JSON.stringify(changed)), revision: row.revision + 1 })
    for (const one of [connector, await openLocal(records)]) {
      for (const act of [
        () => one.describeKey('k1'),
        () => one.listKeys({ afterKeyId: '', limit: 9 }),
        () => one.decrypt(wrapped, {}),
        () => one.generateDataKey('k1', {}),
        () => one.rotateKey('k1'),
        () => one.enableKey('k1'),
      ]) {
        await expect(act()).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
      }
    }
  })

  it.each([1, 9_999_999_999_999, undefined])(
    'is refused: a deletion that is due at another time (%s), which would erase the key too early, or never',
    async (deletionAt) => {
      const records = new MemoryRecords()
      const connector = await openLocal(records)
      await connector.createKey('k1')
      await connector.scheduleKeyDeletion('k1', 7)
      const row = records.rows.get('key/k1') ?? { value: new Uint8Array(0), revision: 1 }
      const changed = { ...JSON.parse(Buffer.from(row.value).toString()), deletionAt }
      records.rows.set('key/k1', { value: Buffer.from(JSON.stringify(changed)), revision: row.revision + 1 })
      for (const act of [
        () => connector.describeKey('k1'),
        () => connector.destroyKey?.('k1'),
        () => connector.cancelKeyDeletion('k1'),
      ]) {
        await expect(act()).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
      }
    },
  )

  it('is refused: two keys in the place of each other', async () => {
    const records = new MemoryRecords()
    const connector = await openLocal(records)
    await connector.createKey('k1')
    await connector.createKey('k2')
    await connector.disableKey('k2')
    const [one, two] = [records.rows.get('key/k1'), records.rows.get('key/k2')]
    if (!one || !two) throw new Error('no records')
    const renamed = (row: typeof one, keyId: string) => {
      const value = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(row.value).toString()), keyId }))
      return { value, revision: 9 }
    }
    for (const [first, second] of [
      [two, one],
      [renamed(two, 'k1'), renamed(one, 'k2')],
    ] as const) {
      records.rows.set('key/k1', first)
      records.rows.set('key/k2', second)
      const opened = await openLocal(records)
      for (const keyId of ['k1', 'k2']) {
        await expect(opened.generateDataKey(keyId, {})).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
      }
    }
  })
})
