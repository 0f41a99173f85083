import { describe, expect, it } from 'vitest'
import { type ServiceProcess, twoProcessesForEach } from './one-process.ts'

const [BLUE, RED] = [{ ownerAccountId: '111111111111' }, { ownerAccountId: '222222222222' }]
const EXISTS = { code: 'KMS_KEY_EXISTS' }

describe('owners of master keys', () => {
  let services: ServiceProcess
  let other: ServiceProcess
  twoProcessesForEach((...started) => {
    ;[services, other] = started
  })

  it('are told with each key, whatever is done with it, and list theirs alone', async () => {
    const kms = services.mesh.use('kms')
    await kms.createKey('of-first', {})
    // As keys are that were made before there were owners, and in their own KMS.
    await kms.createKey('without-settings')
    for (const keyId of ['b1', 'b2', 'b3']) await kms.createKey(keyId, BLUE)
    await kms.createKey('r1', { ...RED, description: 'theirs', tags: [{ key: 'a', value: 'b' }] })
    expect(await other.mesh.use('kms').describeKey('b1')).toMatchObject(BLUE)
    expect(await kms.rotateKey('b1')).toMatchObject({ ...BLUE, currentVersion: 2 })
    expect(await kms.disableKey('b1')).toMatchObject(BLUE)
    expect(await kms.enableKey('b1')).toMatchObject(BLUE)
    expect(await kms.describeKey('without-settings')).not.toHaveProperty('ownerAccountId')
    expect(await kms.describeSettings('r1')).toMatchObject({ ...RED, description: 'theirs' })
    const idsOf = async (ownedBy: object, afterKeyId = '', limit = 9) =>
      (await kms.listKeys({ ownedBy, afterKeyId, limit })).map(({ keyId }) => keyId)
    expect(await idsOf(BLUE)).toEqual(['b1', 'b2', 'b3'])
    expect(await idsOf(BLUE, '', 2)).toEqual(['b1', 'b2'])
    expect(await idsOf(BLUE, 'b2', 2)).toEqual(['b3'])
    expect(await idsOf(RED)).toEqual(['r1'])
    expect(await idsOf({})).toEqual(expect.arrayContaining(['of-first', 'without-settings']))
    expect(await idsOf({})).not.toContain('r1')
  })

  it('keep a key that is there: no account takes it by making one of its name', async () => {
    const kms = services.mesh.use('kms')
    await kms.createKey('without-settings')
    await kms.createKey('blue', BLUE)
    await expect(kms.createKey('without-settings', RED)).rejects.toMatchObject(EXISTS)
    await expect(kms.createKey('blue', RED)).rejects.toMatchObject(EXISTS)
    await expect(kms.createKey('blue', {})).rejects.toMatchObject(EXISTS)
    await expect(kms.createKey('coffer', RED)).rejects.toMatchObject(EXISTS)
    expect(await kms.describeKey('without-settings')).not.toHaveProperty('ownerAccountId')
    expect(await kms.describeKey('blue')).toMatchObject(BLUE)
  })

  it('of one name that two ask for at one moment is one of them, and stays it', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const keyId = `raced-${turn}`
      const made = await Promise.allSettled([
        services.mesh.use('kms').createKey(keyId, BLUE),
        other.mesh.use('kms').createKey(keyId, RED),
      ])
      const owners = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value.ownerAccountId] : []))
      expect(owners).toHaveLength(1)
      expect((await services.mesh.use('kms').describeKey(keyId)).ownerAccountId).toBe(owners[0])
    }
  })

  it('of a key that its KMS refused are not kept for the next', async () => {
    const kms = services.mesh.use('kms')
    await expect(kms.createKey('local/not possible', RED)).rejects.toMatchObject({ code: 'KMS_KEY_ID_INVALID' })
    expect(await services.store.findRecord('keys', 'settings/local/not possible')).toBeUndefined()
  })

  it('have aliases of their own, each of a name that others may have too, for their own keys', async () => {
    const kms = services.mesh.use('kms')
    await kms.createKey('of-first', {})
    await kms.createKey('blue', BLUE)
    await kms.createKey('red', RED)
    await kms.createAlias('alias/app', 'of-first')
    await kms.createAlias('111111111111:alias/app', 'blue')
    await kms.createAlias('222222222222:alias/app', 'red')
    // An alias of the first account may look like one of another.
    await kms.createAlias('alias/111111111111/alias/app', 'of-first')
    const keyOf = async (name: string) => (await other.mesh.use('kms').describeKey(name)).keyId
    expect(await keyOf('alias/app')).toBe('of-first')
    expect(await keyOf('111111111111:alias/app')).toBe('blue')
    expect(await keyOf('222222222222:alias/app')).toBe('red')
    expect(await keyOf('111111111111:alias/aws/s3').catch(({ details }) => details.keyId)).toBe('coffer')
    const list = async (query: object) =>
      (await kms.listAliases({ afterAlias: '', limit: 9, ...query })).map(({ alias, keyId }) => `${alias} ${keyId}`)
    expect(await list({ ownedBy: BLUE })).toEqual(['alias/app blue'])
    expect(await list({ keyId: 'red' })).toEqual(['alias/app red'])
    expect(await list({})).toEqual(['alias/111111111111/alias/app of-first', 'alias/app of-first'])
    for (const taking of [
      kms.createAlias('alias/taken', 'blue'),
      kms.createAlias('222222222222:alias/taken', 'blue'),
      kms.updateAlias('222222222222:alias/app', 'of-first'),
    ]) {
      await expect(taking).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    }
    await kms.deleteAlias('111111111111:alias/app')
    expect([await keyOf('alias/app'), await keyOf('222222222222:alias/app')]).toEqual(['of-first', 'red'])
  })
})
