import { Secret, wrapSecret } from '@coffer/crypto-core'
import { CofferError } from '@coffer/errors'
import { describe, expect, it, vi } from 'vitest'
import type { KmsConnector, KmsRecords } from '../../kms-connector.ts'
import { MemoryRecords } from '../../testing/memory-records.ts'
import { openLocalConnector } from '../local.ts'
import { DomainKey } from './domain-key.ts'
import { HANDOVER_MS } from './watch-domain-key.ts'

const OLD = () => Secret.copyOf(new Uint8Array(32).fill(1))
const NEW = () => Secret.copyOf(new Uint8Array(32).fill(2))
const NEWER = () => Secret.copyOf(new Uint8Array(32).fill(3))
const CONTEXT = { bucket: 'b1' }

async function connect(records: KmsRecords, rootKey: Secret): Promise<KmsConnector> {
  return openLocalConnector({ domainKey: await DomainKey.open(rootKey, records) }, { name: 'local', records })
}

async function storeWithKeys(): Promise<{ records: MemoryRecords; connector: KmsConnector }> {
  const records = new MemoryRecords()
  const connector = await connect(records, OLD())
  for (const keyId of ['k1', 'k2', 'k3']) await connector.createKey(keyId)
  await connector.rotateKey('k2')
  await connector.disableKey('k3')
  return { records, connector }
}

async function replace(records: KmsRecords, from: Secret, to: Secret): Promise<void> {
  const domainKey = await DomainKey.open(from, records)
  await domainKey.finishReplacement(0)
  await domainKey.replaceRootKey(to)
  await domainKey.finishReplacement(0)
}

function recordOf(records: MemoryRecords, id: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(records.rows.get(id)?.value ?? []).toString())
}

describe('a root key that is replaced', () => {
  it('opens nothing any more, and the new one opens everything', async () => {
    const { records, connector } = await storeWithKeys()
    const { plaintext, wrapped } = await connector.generateDataKey('k2', CONTEXT)
    const keys = await connector.listKeys({ afterKeyId: '', limit: 9 })
    expect(keys).toHaveLength(3)
    await replace(records, OLD(), NEW())
    const before = new Map(records.rows)
    await expect(connect(records, OLD())).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_WRONG' })
    expect(records.rows).toEqual(before)
    const after = await connect(records, NEW())
    expect((await after.decrypt(wrapped, CONTEXT)).equals(plaintext)).toBe(true)
    expect(await after.listKeys({ afterKeyId: '', limit: 9 })).toEqual(keys)
  })

  it('together with an old copy of the domain key opens no master key', async () => {
    const { records } = await storeWithKeys()
    const copy = records.rows.get('root-check')
    await replace(records, OLD(), NEW())
    records.rows.set('root-check', copy ?? { value: new Uint8Array(0), revision: 0 })
    const thief = await connect(records, OLD())
    for (const keyId of ['k1', 'k2', 'k3']) {
      await expect(thief.describeKey(keyId)).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    }
  })

  it('is not undone below a process that runs: an older record of the domain key is refused', async () => {
    const { records } = await storeWithKeys()
    const older = records.rows.get('root-check')
    await replace(records, OLD(), NEW())
    const running = await DomainKey.open(NEW(), records)
    const { version } = running.newest
    records.rows.set('root-check', { value: older?.value ?? new Uint8Array(0), revision: 99 })
    await expect(running.refresh()).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    expect(running.newest.version).toBe(version)
  })

  it('leaves processes that run at work, with and without their having looked in time', async () => {
    const { records, connector } = await storeWithKeys()
    const { wrapped } = await connector.generateDataKey('k1', CONTEXT)
    const replacing = await DomainKey.open(OLD(), records)
    const asleep = await DomainKey.open(OLD(), records)
    await replacing.replaceRootKey(NEW())
    await connector.createKey('during')
    await connector.selfTest()
    await replacing.finishReplacement(0)
    await connector.createKey('after')
    await connector.rotateKey('k1')
    await connector.decrypt(wrapped, CONTEXT)
    expect(recordOf(records, 'key/during')).toMatchObject({ domainKeyVersion: 2 })
    const outdated = openLocalConnector({ domainKey: asleep }, { name: 'local', records })
    for (const act of [() => outdated.createKey('never'), () => outdated.enableKey('k1')]) {
      await expect(act()).rejects.toMatchObject({ code: 'KMS_DOMAIN_KEY_OUTDATED' })
    }
    expect(await (await connect(records, NEW())).describeKey('after')).toMatchObject({ state: 'enabled' })
  })

  it('hands the new domain key to a process that got the one before from its parent', async () => {
    const { records } = await storeWithKeys()
    const parent = await DomainKey.open(OLD(), records)
    const replacing = await DomainKey.open(OLD(), records)
    const exported = parent.insecureExport()
    await replacing.replaceRootKey(NEW())
    const child = await DomainKey.resume(exported, records)
    expect(child.newest.version).toBe(2)
    await replacing.finishReplacement(0)
    await expect(DomainKey.resume(parent.insecureExport(), records)).rejects.toMatchObject({
      code: 'KMS_DOMAIN_KEY_OUTDATED',
    })
    expect((await DomainKey.resume(replacing.insecureExport(), records)).newest.version).toBe(2)
  })

  it('by two at once is replaced by one of them', async () => {
    const { records } = await storeWithKeys()
    const [one, other] = [await DomainKey.open(OLD(), records), await DomainKey.open(OLD(), records)]
    const outcomes = await Promise.allSettled([one.replaceRootKey(NEW()), other.replaceRootKey(NEWER())])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'KMS_ROOT_KEY_REPLACED' },
    })
    await Promise.all([one.finishReplacement(0), other.finishReplacement(0)])
    const winner = outcomes[0]?.status === 'fulfilled' ? NEW() : NEWER()
    expect(await (await connect(records, winner)).describeKey('k2')).toMatchObject({ currentVersion: 2 })
  })
})

describe('a process that runs', () => {
  it('learns of a new domain key by itself, and finishes a replacement that was abandoned', async () => {
    const { records } = await storeWithKeys()
    const replacing = await DomainKey.open(OLD(), records)
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })
    try {
      const domainKey = await DomainKey.open(OLD(), records)
      const connector = openLocalConnector({ domainKey }, { name: 'local', records })
      await replacing.replaceRootKey(NEW())
      await vi.advanceTimersByTimeAsync(HANDOVER_MS)
      expect(domainKey.newest.version).toBe(2)
      expect(recordOf(records, 'root-check').previous).toBeDefined()
      await vi.advanceTimersByTimeAsync(2 * HANDOVER_MS)
      await connector.close()
      expect(recordOf(records, 'root-check').previous).toBeUndefined()
      expect(recordOf(records, 'key/k1')).toMatchObject({ domainKeyVersion: 2 })
    } finally {
      vi.useRealTimers()
    }
  })
})

/** Records of a process that is killed at its n-th write: before it, or after it and before its answer. */
class KilledAtWrite extends MemoryRecords {
  #writesLeft: number
  readonly #isWritten: boolean

  constructor(source: MemoryRecords, writesLeft: number, isWritten: boolean) {
    super()
    for (const [id, row] of source.rows) this.rows.set(id, row)
    this.#writesLeft = writesLeft
    this.#isWritten = isWritten
  }

  override async put(id: string, value: Uint8Array, expectedRevision: number) {
    const isLast = this.#writesLeft-- <= 0
    if (!isLast || this.#isWritten) await super.put(id, value, expectedRevision)
    if (isLast) throw new CofferError({ code: 'KILLED', message: 'killed' })
  }
}

function survivorsOf(killed: MemoryRecords): MemoryRecords {
  const records = new MemoryRecords()
  for (const [id, row] of killed.rows) records.rows.set(id, row)
  return records
}

describe('a replacement that is killed', () => {
  const moments = [0, 1, 2, 3, 4, 5].flatMap((write) => [false, true].map((isWritten) => ({ write, isWritten })))
  it.each(moments)(
    'at write $write (written: $isWritten) leaves one key that opens all, and is finished',
    async ({ write, isWritten }) => {
      const { records, connector } = await storeWithKeys()
      const { plaintext, wrapped } = await connector.generateDataKey('k2', CONTEXT)
      const killed = new KilledAtWrite(records, write, isWritten)
      await replace(killed, OLD(), NEW()).catch((error: unknown) => expect(error).toMatchObject({ code: 'KILLED' }))
      const left = survivorsOf(killed)
      const opening = [OLD(), NEW()].map(async (rootKey) => await connect(left, rootKey).catch(() => undefined))
      const opened = (await Promise.all(opening)).filter((one) => one !== undefined)
      expect(opened).toHaveLength(1)
      expect((await opened[0]?.decrypt(wrapped, CONTEXT))?.equals(plaintext)).toBe(true)
      expect(await opened[0]?.describeKey('k3')).toMatchObject({ state: 'disabled' })
      const isReplaced = (await connect(left, NEW()).catch(() => undefined)) !== undefined
      await replace(left, isReplaced ? NEW() : OLD(), NEWER())
      const last = await connect(left, NEWER())
      expect((await last.decrypt(wrapped, CONTEXT)).equals(plaintext)).toBe(true)
      for (const keyId of ['k1', 'k2', 'k3']) {
        expect(recordOf(left, `key/${keyId}`)).toMatchObject({ domainKeyVersion: isReplaced ? 3 : 2 })
      }
      expect(recordOf(left, 'root-check').previous).toBeUndefined()
    },
  )
})

describe('a master key that is made while the root key is replaced', () => {
  it('is under the new domain key, or is not made; its id can be used then', async () => {
    const { records, connector } = await storeWithKeys()
    const replacing = await DomainKey.open(OLD(), records)
    const put = records.put.bind(records)
    // Stops the maker after it has read the domain key, until the replacement has passed.
    let isHeld = true
    records.put = async (id, value, revision) => {
      if (isHeld && id === 'key/slow' && revision > 0) {
        isHeld = false
        await replacing.replaceRootKey(NEW())
        await replacing.finishReplacement(0)
      }
      await put(id, value, revision)
    }
    await expect(connector.createKey('slow')).rejects.toMatchObject({ code: 'KMS_DOMAIN_KEY_OUTDATED' })
    const after = await connect(records, NEW())
    await expect(after.describeKey('slow')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    expect((await after.listKeys({ afterKeyId: '', limit: 2 })).map(({ keyId }) => keyId)).toEqual(['k1', 'k2'])
    expect((await after.listKeys({ afterKeyId: 'k2', limit: 2 })).map(({ keyId }) => keyId)).toEqual(['k3'])
    await after.createKey('slow')
    await expect(after.createKey('slow')).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
  })
})

describe('a store of before the domain key', () => {
  async function format1Store(): Promise<{ records: MemoryRecords; master: Secret }> {
    const records = new MemoryRecords()
    await records.put('root-check', wrapSecret(Secret.random(32), OLD(), 'kms root check', {}), 0)
    const master = Secret.random(32)
    const versions = [Secret.random(32), master].map((version, index) => {
      const context = { keyId: 'k1', version: String(index + 1) }
      const sealed = Buffer.from(wrapSecret(version, OLD(), 'kms master key', context)).toString('base64')
      return { createdAt: 7 + index, sealed }
    })
    const key = { format: 1, keyId: 'k1', state: 'enabled', createdAt: 7, versions }
    await records.put('key/k1', Buffer.from(JSON.stringify(key)), 0)
    const gone = { ...key, keyId: 'gone', state: 'destroyed', versions: [{ createdAt: 7, sealed: '' }] }
    await records.put('key/gone', Buffer.from(JSON.stringify(gone)), 0)
    return { records, master }
  }

  it('is migrated when it is opened, by several processes at once too', async () => {
    const { records, master } = await format1Store()
    const wrapped = {
      connector: 'local',
      keyId: 'k1',
      keyVersion: 2,
      ciphertext: wrapSecret(Secret.copyOf(Buffer.from('data')), master, 'kms data key', CONTEXT),
    }
    await expect(connect(records, NEW())).rejects.toMatchObject({ code: 'KMS_ROOT_KEY_WRONG' })
    const connectors = await Promise.all([connect(records, OLD()), connect(records, OLD()), connect(records, OLD())])
    for (const connector of connectors) {
      expect((await connector.decrypt(wrapped, CONTEXT)).equals(Secret.copyOf(Buffer.from('data')))).toBe(true)
      const versions = [7, 8].map((createdAt, index) => ({ version: index + 1, createdAt }))
      expect(await connector.describeKey('k1')).toMatchObject({ createdAt: 7, currentVersion: 2, versions })
      expect(await connector.describeKey('gone')).toMatchObject({ state: 'destroyed' })
    }
    expect(recordOf(records, 'root-check')).toMatchObject({ migrating: false })
  })

  it.each([0, 1, 2, 3])('goes on where a migration was killed at write %i', async (write) => {
    const { records } = await format1Store()
    const killed = new KilledAtWrite(records, write, false)
    await expect(connect(killed, OLD())).rejects.toMatchObject({ code: 'KILLED' })
    const left = survivorsOf(killed)
    expect(await (await connect(left, OLD())).describeKey('k1')).toMatchObject({ currentVersion: 2 })
    expect(recordOf(left, 'root-check')).toMatchObject({ migrating: false })
  })

  it('once migrated, takes no record of the old format any more', async () => {
    const { records } = await format1Store()
    const old = records.rows.get('key/k1')
    await connect(records, OLD())
    records.rows.set('key/k1', { value: old?.value ?? new Uint8Array(0), revision: 9 })
    const connector = await connect(records, OLD())
    await expect(connector.describeKey('k1')).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    // Nor when the record that says so is changed.
    const row = records.rows.get('root-check')
    const migrating = { ...recordOf(records, 'root-check'), migrating: true }
    records.rows.set('root-check', {
      value: Buffer.from(JSON.stringify(migrating)),
      revision: (row?.revision ?? 0) + 1,
    })
    await expect(connect(records, OLD())).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
  })
})
