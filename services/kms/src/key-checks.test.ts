import { CofferError } from '@coffer/errors'
import type { KeyDescription, KmsConnector } from '@coffer/kms'
import { MemoryRecords } from '@coffer/kms/testing'
import type { Mesh } from '@coffer/mesh'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createKmsService } from './kms-service.ts'

const BLUE = { ownerAccountId: '111111111111' }
const DAY_MS = 24 * 3600 * 1000

/** A KMS that erases keys by itself, and may be away. */
function remoteKms() {
  const keys = new Map<string, KeyDescription>()
  const state = { isAway: false }
  const answer = () => {
    if (state.isAway) throw new CofferError({ code: 'KMS_UNAVAILABLE', message: 'away' })
  }
  const describeKey = async (keyId: string) => {
    answer()
    const found = keys.get(keyId)
    if (found === undefined) throw new CofferError({ code: 'KMS_KEY_NOT_FOUND', message: 'none' })
    return found
  }
  const put = (key: KeyDescription) => {
    keys.set(key.keyId, key)
    return key
  }
  const connector = {
    name: 'remote',
    describeKey,
    createKey: async (keyId: string) => {
      const made = { keyId, state: 'enabled', createdAt: 0, currentVersion: 1, versions: [] } as const
      if (keyId.startsWith('lost-')) throw new CofferError({ code: 'KMS_UNAVAILABLE', message: 'no answer' })
      answer()
      return put(made)
    },
    scheduleKeyDeletion: async (keyId: string, days: number) =>
      put({ ...(await describeKey(keyId)), state: 'pending-deletion', deletionAt: Date.now() + days * DAY_MS }),
    listKeys: async () => [...keys.values()],
  } as unknown as KmsConnector
  return { connector, keys, state }
}

describe('keys of which it is to be seen whether they are there', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const later = (ms: number) => vi.setSystemTime(Date.now() + ms)
  const start = () => {
    const remote = remoteKms()
    const records = new MemoryRecords()
    const mesh = { use: () => ({ keyUse: async () => ({ versions: [] }) }) } as unknown as Mesh
    const kms = createKmsService({ mesh, connectors: [remote.connector], defaultConnector: 'remote', records })
    const checks = () => [...records.rows.keys()].filter((id) => id.startsWith('key-check/'))
    return { ...remote, kms, records, checks }
  }
  const unavailable = { code: 'KMS_UNAVAILABLE' }

  it('count until then, and no longer where their KMS has not made them', async () => {
    const { kms, state, records, checks } = start()
    await kms.createKey('there', BLUE)
    expect(checks()).toEqual([])
    await expect(kms.createKey('lost-1', BLUE)).rejects.toMatchObject(unavailable)
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 2 })
    expect((await kms.listKeys({ ownedBy: BLUE, afterKeyId: '', limit: 9 })).map(({ keyId }) => keyId)).toEqual([
      'there',
    ])
    await kms.destroyDueKeys()
    expect(checks()).toHaveLength(1)
    later(2 * 3600 * 1000)
    state.isAway = true
    await kms.destroyDueKeys()
    expect(checks()).toHaveLength(1)
    state.isAway = false
    await kms.destroyDueKeys()
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 1 })
    expect([...records.rows.keys()].filter((id) => id.includes('lost-1'))).toEqual([])
  })

  it('stay their maker’s where their KMS has made them without saying so', async () => {
    const { kms, keys, checks } = start()
    await expect(kms.createKey('lost-2', BLUE)).rejects.toMatchObject(unavailable)
    keys.set('lost-2', { keyId: 'lost-2', state: 'enabled', createdAt: 0, currentVersion: 1, versions: [] })
    later(2 * 3600 * 1000)
    await kms.destroyDueKeys()
    expect(checks()).toEqual([])
    expect(await kms.describeKey('lost-2')).toMatchObject(BLUE)
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 1 })
  })

  it('are forgotten with their aliases when their KMS has erased them', async () => {
    const { kms, keys, records, checks } = start()
    await kms.createKey('old', BLUE)
    await kms.createAlias('111111111111:alias/old', 'old')
    await kms.scheduleKeyDeletion('old', 7)
    later(8 * DAY_MS)
    // It is late: the key waits still.
    await kms.destroyDueKeys()
    expect(checks()).toHaveLength(1)
    keys.delete('old')
    later(2 * DAY_MS)
    await kms.destroyDueKeys()
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 0, aliasCount: 0 })
    expect([...records.rows.keys()].filter((id) => !id.startsWith('account-count/'))).toEqual([])
  })
})
