import { describe, expect, it } from 'vitest'
import { type ServiceProcess, startServices, twoProcessesForEach } from './one-process.ts'

const [BLUE, RED] = [{ ownerAccountId: '111111111111' }, { ownerAccountId: '222222222222' }]
const FULL = { code: 'KMS_QUOTA_EXCEEDED' }
const fulfilled = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
  outcomes.filter(({ status }) => status === 'fulfilled').length
const refusals = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
  outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))

describe('what an account has of keys', () => {
  let services: ServiceProcess
  let other: ServiceProcess
  let directory: string
  twoProcessesForEach((...started) => {
    ;[services, other, directory] = started
  })
  const kmsOf = (index: number) => (index % 2 === 0 ? services : other).mesh.use('kms')

  it('never is more than its quota, however many make them at once, and whoever else has what', async () => {
    const kms = services.mesh.use('kms')
    await kms.setKeyQuota(BLUE, { keyCountMax: 5, aliasCountMax: 3 })
    const keys = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => kmsOf(i).createKey(`blue-${i}`, BLUE)))
    expect(fulfilled(keys)).toBe(5)
    expect(new Set(refusals(keys))).toEqual(new Set(['KMS_QUOTA_EXCEEDED']))
    const [key] = await kms.listKeys({ ownedBy: BLUE, afterKeyId: '', limit: 1 })
    const aliases = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => kmsOf(i).createAlias(`111111111111:alias/${i}`, `local/${key?.keyId}`)),
    )
    expect(fulfilled(aliases)).toBe(3)
    expect(new Set(refusals(aliases))).toEqual(new Set(['KMS_QUOTA_EXCEEDED']))
    const expected = { keyCount: 5, aliasCount: 3, keyCountMax: 5, aliasCountMax: 3 }
    expect(await other.mesh.use('kms').getKeyUsage(BLUE)).toEqual(expected)
    expect((await kms.listKeys({ ownedBy: BLUE, afterKeyId: '', limit: 99 })).length).toBe(5)
    // Others are not stopped by it.
    await kms.createKey('red', RED)
    await kms.createKey('of-first', {})
    expect(await kms.getKeyUsage(RED)).toMatchObject({ keyCount: 1, aliasCount: 0, keyCountMax: 10_000 })
  })

  it('counts imported keys, and not what was refused', async () => {
    const kms = services.mesh.use('kms')
    await kms.setKeyQuota(BLUE, { keyCountMax: 1 })
    await kms.createKey('blue', BLUE)
    await expect(kms.createKey('local/not possible', RED)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    await expect(kms.createKey('blue', RED)).rejects.toMatchObject({ code: 'KMS_KEY_EXISTS' })
    await expect(kms.createAlias('222222222222:alias/x', 'blue')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    expect(await kms.getKeyUsage(RED)).toMatchObject({ keyCount: 0, aliasCount: 0 })
    const { mesh } = services
    const { Secret } = await import('@coffer/crypto-core')
    const parcel = mesh.parcel(Secret.random(32), await kms.keyRecipient(), 'imported-key', 'more')
    await expect(kms.importKey('more', parcel, BLUE)).rejects.toMatchObject(FULL)
    expect(await services.store.findRecord('keys', 'settings/local/more')).toBeUndefined()
    expect(await services.store.findRecord('keys', 'key-check/local/more')).toBeUndefined()
  })

  it('has room again where an alias goes, and none by one that is repointed; a larger quota counts at once', async () => {
    const kms = services.mesh.use('kms')
    for (const key of ['b1', 'b2']) await kms.createKey(key, BLUE)
    await kms.setKeyQuota(BLUE, { keyCountMax: 2, aliasCountMax: 1 })
    await kms.createAlias('111111111111:alias/x', 'b1')
    await kms.updateAlias('111111111111:alias/x', 'b2')
    await expect(kms.createAlias('111111111111:alias/y', 'b1')).rejects.toMatchObject(FULL)
    const namesOf = async (keyId: string) =>
      (await other.mesh.use('kms').listAliases({ keyId, afterAlias: '', limit: 9 })).map(({ alias }) => alias)
    expect([await namesOf('b1'), await namesOf('b2')]).toEqual([[], ['alias/x']])
    await kms.deleteAlias('111111111111:alias/x')
    await expect(kms.deleteAlias('111111111111:alias/x')).rejects.toMatchObject({ code: 'KMS_ALIAS_NOT_FOUND' })
    await kms.createAlias('111111111111:alias/y', 'b1')
    await expect(kms.createKey('b3', BLUE)).rejects.toMatchObject(FULL)
    await other.mesh.use('kms').setKeyQuota(BLUE, { keyCountMax: 3 })
    await kms.createKey('b3', BLUE)
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 3, aliasCount: 1, aliasCountMax: 10_000 })
  })

  it('takes no more than 50 aliases of a key, repointed ones among them', async () => {
    const kms = services.mesh.use('kms')
    for (const key of ['b1', 'b2']) await kms.createKey(key, BLUE)
    for (let i = 0; i < 49; i++) await kms.createAlias(`111111111111:alias/${i}`, 'b1')
    for (const name of ['p', 'q']) await kms.createAlias(`111111111111:alias/${name}`, 'b2')
    const repointed = await Promise.allSettled([
      services.mesh.use('kms').updateAlias('111111111111:alias/p', 'b1'),
      other.mesh.use('kms').updateAlias('111111111111:alias/q', 'b1'),
    ])
    expect(refusals(repointed)).toEqual(['KMS_LIMIT_EXCEEDED'])
    expect(await kms.listAliases({ keyId: 'b1', afterAlias: '', limit: 99 })).toHaveLength(50)
  })

  it('is listed without a look at what others have, each page at the cost of its own keys', async () => {
    const kms = services.mesh.use('kms')
    for (let i = 0; i < 30; i++) await kms.createKey(`a-red-${i}`, RED)
    for (let i = 0; i < 5; i++) await kms.createKey(`blue-${i}`, BLUE)
    await kms.createKey('first', {})
    const page = async (ownedBy: object, afterKeyId: string) => {
      services.kmsCalls.length = 0
      const keys = await kms.listKeys({ ownedBy, afterKeyId, limit: 2 })
      return { ids: keys.map(({ keyId }) => keyId), calls: [...services.kmsCalls] }
    }
    const described = (count: number) => Array(count).fill('describeKey')
    expect(await page(BLUE, '')).toEqual({ ids: ['blue-0', 'blue-1'], calls: described(2) })
    expect(await page(BLUE, 'blue-1')).toEqual({ ids: ['blue-2', 'blue-3'], calls: described(2) })
    expect(await page(BLUE, 'blue-3')).toEqual({ ids: ['blue-4'], calls: described(1) })
    expect(await page({}, '')).toEqual({ ids: ['first'], calls: described(1) })
  })

  it('is the same in a store that is older than the counts', async () => {
    const kms = services.mesh.use('kms')
    await kms.createKey('without-settings')
    await kms.createKey('of-first', {})
    for (const key of ['b1', 'b2']) await kms.createKey(key, BLUE)
    await kms.createAlias('alias/one', 'of-first')
    await kms.createAlias('111111111111:alias/one', 'b1')
    const { store } = services
    for (const prefix of ['account-key/', 'account-count/', 'key-alias/']) {
      for (const { id } of await store.listRecords('keys', { prefix, afterId: '', limit: 99 })) {
        await store.deleteRecord('keys', id)
      }
    }
    const newer = [await startServices(directory), await startServices(directory)]
    try {
      const [one, two] = newer.map(({ mesh }) => mesh.use('kms'))
      const usages = await Promise.all([one, two].map((each) => each?.getKeyUsage(BLUE)))
      expect(usages).toMatchObject(Array(2).fill({ keyCount: 2, aliasCount: 1 }))
      expect(await one?.getKeyUsage({})).toMatchObject({ keyCount: 2, aliasCount: 1 })
      const keysOf = async (ownedBy: object) =>
        (await two?.listKeys({ ownedBy, afterKeyId: '', limit: 9 }))?.map(({ keyId }) => keyId)
      expect(await keysOf(BLUE)).toEqual(['b1', 'b2'])
      expect(await keysOf({})).toEqual(['of-first', 'without-settings'])
      expect(await two?.listAliases({ keyId: 'b1', afterAlias: '', limit: 9 })).toHaveLength(1)
      expect((await one?.findKeyPolicy('of-first', { aliases: true }))?.aliases).toEqual(['alias/one'])
    } finally {
      for (const each of newer) await each.stop()
    }
  })

  it('is told of all accounts but one whose record is damaged', async () => {
    const kms = services.mesh.use('kms')
    const { store } = services
    for (const key of ['b1', 'b2', 'b3']) await kms.createKey(key, BLUE)
    for (const key of ['r1', 'r2']) await kms.createKey(key, RED)
    await kms.createKey('first', {})
    await kms.createAlias('222222222222:alias/x', 'r1')
    for (const prefix of ['account-key/', 'account-count/', 'key-alias/']) {
      for (const { id } of await store.listRecords('keys', { prefix, afterId: '', limit: 99 })) {
        await store.deleteRecord('keys', id)
      }
    }
    for (const id of ['settings/local/b2', 'account-alias/222222222222/alias/x']) {
      const damaged = Buffer.from((await store.findRecord('keys', id))?.value ?? [])
      damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1
      await store.putRecord('keys', id, damaged)
    }
    const newer = await startServices(directory)
    try {
      const later = newer.mesh.use('kms')
      const counts = await Promise.all([{}, BLUE, RED].map((owner) => later.getKeyUsage(owner)))
      expect(counts.map(({ keyCount, aliasCount }) => [keyCount, aliasCount])).toEqual([
        [1, 0],
        [2, 0],
        [2, 0],
      ])
      await later.createKey('r3', RED)
      expect(await later.destroyDueKeys()).toEqual({ destroyed: [], stillNeeded: [] })
      const listed = await later.listKeys({ ownedBy: RED, afterKeyId: '', limit: 9 })
      expect(listed.map(({ keyId }) => keyId)).toEqual(['r1', 'r2', 'r3'])
    } finally {
      await newer.stop()
    }
  })

  it('takes up what a process of an older version does beside a newer one', async () => {
    const kms = services.mesh.use('kms')
    const { store } = services
    for (const key of ['b1', 'b2']) await kms.createKey(key, BLUE)
    await kms.createAlias('111111111111:alias/moved', 'b1')
    await kms.createAlias('111111111111:alias/gone', 'b1')
    const countId = 'account-count/111111111111'
    const counted = (await store.findRecord('keys', countId))?.value ?? new Uint8Array(0)
    const records = async (prefix: string) =>
      (await store.listRecords('keys', { prefix, afterId: '', limit: 99 })).filter(({ id }) => !id.startsWith(countId))
    const [keysBefore, aliasesBefore] = [await records('account-key/'), await records('key-alias/')]
    await kms.createKey('b3', BLUE)
    await kms.createAlias('111111111111:alias/new', 'b2')
    await kms.updateAlias('111111111111:alias/moved', 'b2')
    await kms.deleteAlias('111111111111:alias/gone')
    // As an older one leaves index and count: as they were.
    for (const { id } of [...(await records('account-key/')), ...(await records('key-alias/'))]) {
      await store.deleteRecord('keys', id)
    }
    for (const { id, value } of [...keysBefore, ...aliasesBefore]) await store.putRecord('keys', id, value)
    await store.putRecord('keys', countId, counted)
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 2, aliasCount: 2 })
    const newer = await startServices(directory)
    try {
      await newer.mesh.use('kms').destroyDueKeys()
    } finally {
      await newer.stop()
    }
    expect(await kms.getKeyUsage(BLUE)).toMatchObject({ keyCount: 3, aliasCount: 2 })
    const listed = await kms.listKeys({ ownedBy: BLUE, afterKeyId: '', limit: 9 })
    expect(listed.map(({ keyId }) => keyId)).toEqual(['b1', 'b2', 'b3'])
    const aliasesOf = async (key: string) => (await kms.findKeyPolicy(key, { aliases: true })).aliases
    expect([await aliasesOf('b1'), await aliasesOf('b2')]).toEqual([[], ['alias/moved', 'alias/new']])
  })
})
